"""The README's figures, made anew from the data: python notebooks/gallery.py FOLDER [NAME ..]."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

import womble as wb


def fulmar() -> Axes:
    """Where a fulmar is as likely seen as not: presence in 1998, by NUTS over field and all."""
    birds = wb.datasets.fulmar()
    birds = birds[birds["year"] == 1998]
    birds = birds.assign(seen=(birds["fulmar"] > 0).astype(int))
    post = wb.FieldModel(likelihood="bernoulli").fit(birds, "seen", rng=1)
    grid = wb.Grid.from_data(birds, spacing=5_000.0, mask="hull")
    ds = post.surface(grid, scale="response", samples=400, rng=1)
    half = post.boundaries(grid, kind="level", levels=[0.0], rng=1)  # odds of 1
    bands = post.boundary_bands(half, level=0.9, rng=1)
    ax = wb.plot.surface(ds, "value")
    bands.plot(ax=ax, color="white", alpha=0.35)
    wb.plot.boundaries(half, ax=ax)
    for seen, marker in ((0, "."), (1, "o")):
        here = birds[birds["seen"] == seen].geometry
        ax.plot(here.x, here.y, marker, color="black" if seen else "0.5", markersize=1.5 + seen)
    title = "Fulmar, 1998: presence and absence are\nas likely on the line; its 90% band"
    ax.set_title(title, loc="left", fontsize=10)
    return ax


FIGURES: dict[str, Callable[[], Axes]] = {"fulmar": fulmar}


def main(folder: str, *names: str) -> None:
    """Draw the figures named, by default all, as PNG files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or FIGURES:
        path = Path(folder) / f"{name}.png"
        FIGURES[name]().figure.savefig(path, dpi=110, bbox_inches="tight")
        plt.close("all")
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
