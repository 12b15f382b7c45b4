"""The README's figures, made anew from the data: python notebooks/gallery.py FOLDER [NAME ..]."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.cbook import get_sample_data
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

import womble as wb

QUICK = {"inference": "importance", "draws": 600, "rng": 1, "progress": False}
WIDTH = 800  # pixels, as wide as a README is shown
VALIDATION = Path(__file__).parents[1] / "data" / "validation"


def meuse() -> Axes:
    """Where zinc changes fastest, and where it passes the limit: notebook 03."""
    zinc = wb.datasets.meuse()
    post = wb.FieldModel().fit(zinc, "zinc", transform="log", **QUICK)
    grid = wb.Grid.from_data(zinc, spacing=30.0)
    ds = post.surface(grid, samples=200, rng=1, progress=False)
    sure = {"prominence": 0.8, "alpha": 0.2, "rng": 1, "progress": False}
    crests = post.boundaries(grid, **sure)
    limit = post.boundaries(grid, kind="level", levels=[np.log(720)], **sure)
    left, right = _pair(11.0, 6.0)
    for ax, name, lines in ((left, "gradient_magnitude", crests), (right, "value", limit)):
        wb.plot.surface(ds, name, ax=ax)
        if name == "value":
            bands = post.boundary_bands(lines, level=0.9, rng=1, progress=False)
            bands.plot(ax=ax, color="white", alpha=0.4)
        wb.plot.boundaries(lines, ax=ax)
        ax.get_legend().remove()
    left.set_title("Slope of log zinc and its crests, 80% sure", loc="left", fontsize="medium")
    right.set_title("Log zinc, the line of 720 mg/kg, 90% band", loc="left", fontsize="medium")
    return left


def bank() -> Axes:
    """Does zinc fall across the bank of the Meuse? Notebook 04."""
    zinc = wb.datasets.meuse()
    post = wb.FieldModel().fit(zinc, "zinc", transform="log", **QUICK)
    river = shapely.orient_polygons(wb.datasets.meuse_river().geometry.iloc[0], exterior_cw=False)
    along = [river.exterior.project(point) for point in zinc.geometry]
    line = shapely.ops.substring(river.exterior, min(along), max(along))
    curve = gpd.GeoDataFrame(geometry=[line], crs=zinc.crs)
    pieces = post.womble(curve, segment_length=50.0, rule="simultaneous", rng=1, progress=False)
    ax = wb.plot.along(pieces)
    ax.set_title("Slope of log zinc across the river bank", loc="left", fontsize="medium")
    return ax


def prices() -> Axes:
    """What the place adds to a house's price: notebook 06."""
    houses = wb.datasets.baltimore()
    features = {
        "NROOM": "a room",
        "NBATH": "a bath",
        "AC": "air conditioning",
        "FIREPL": "a fireplace",
        "BMENT": "basement",
        "GAR": "garage",
        "AGE": "a year of age",
        "LOTSZ": "100 ft² of lot",
        "SQFT": "100 ft² inside",
        "DWELL": "detached",
    }
    post = wb.FieldModel().fit(houses, "PRICE", covariates=[*features], transform="log", **QUICK)
    worth = post.coefficients()
    ds = post.surface(target="process", samples=200, rule="fdr", rng=1, progress=False)
    left, right = _pair(11.5, 4.0, (1.0, 2.0), gap=0.2)
    mean, low, high = (100 * np.expm1(worth[name]) for name in ("mean", "q025", "q975"))
    left.hlines(list(features.values()), low, high, color="0.6", linewidth=2)
    left.plot(mean, list(features.values()), "o", color="#2166ac")
    left.axvline(0, color="0.4", linewidth=0.8)
    left.invert_yaxis()
    left.set_xlabel("% of the price, 95% intervals")
    left.set_title("What adds to a house's price", loc="left", fontsize="medium")
    wb.plot.surface(ds, "value", ax=right)
    right.plot(houses.geometry.x, houses.geometry.y, ".", color="0.3", markersize=2)
    right.get_legend().remove()
    right.set_title(
        "What the place adds to log price (outlined: significant)", loc="left", fontsize="medium"
    )
    return left


def scarp() -> Axes:
    """Crests of the slope from 300 spot heights over the real terrain: notebook 07."""
    with get_sample_data("jacksboro_fault_dem.npz") as dem:
        height = dem["elevation"][::-1].astype(float)
    dx, dy = 74.6, 92.5  # metres, see the notebook
    x, y = dx * (np.arange(height.shape[1]) + 0.5), dy * (np.arange(height.shape[0]) + 0.5)
    rng = np.random.default_rng(1)
    row, column = np.unravel_index(rng.choice(height.size, 300, replace=False), height.shape)
    sites = gpd.points_from_xy(x[column], y[row])
    heights = gpd.GeoDataFrame({"elevation": height[row, column]}, geometry=sites)
    heights["elevation"] += 5.0 * rng.standard_normal(300)
    heights.attrs = {"units": {"elevation": "m"}, "coordinate_units": "m"}
    post = wb.FieldModel().fit(heights, "elevation", measurement_sd=5.0, **QUICK)
    grid = wb.Grid.from_data(heights, spacing=400.0, mask="hull")
    ds = post.surface(grid, samples=150, rng=1, progress=False)
    lines = post.boundaries(grid, samples=150, rng=1, progress=False)
    left, right = _pair(11.0, 4.8, gap=0.25)
    smooth = gaussian_filter(height, (900 / dy, 900 / dx))
    steepness = np.hypot(*np.gradient(smooth, dy, dx))
    left.imshow(height, cmap="cividis", origin="lower", extent=(0, x[-1], 0, y[-1]))
    left.contour(x, y, steepness, [0.12], colors="white", linewidths=1)
    left.plot(heights.geometry.x, heights.geometry.y, ".", color="black", markersize=2)
    left.set_title(
        "Elevation, the 300 heights that are known;\nwhite: slope above 0.12, smoothed over 0.9 km",
        loc="left",
        fontsize="medium",
    )
    wb.plot.boundaries(lines, ax=wb.plot.surface(ds, "gradient_magnitude", ax=right))
    right.contour(x, y, steepness, [0.12], colors="white", linewidths=1)
    right.get_legend().remove()
    right.set_title("Slope from these heights,\nand its crests", loc="left", fontsize="medium")
    left.set(xlim=right.get_xlim(), ylim=right.get_ylim(), xlabel="x (m)", ylabel="y (m)")
    return left


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


def calibration() -> Axes:
    """Ranks of the truth in its posterior, from the table that `make validate` writes."""
    table = pd.read_csv(VALIDATION / "calibration.csv")
    table = table[(table.inference == "importance") & (table.trend == "none")]
    names = {
        "value": "f",
        "dx": "$f_x$",
        "dxx": "$f_{xx}$",
        "dxy": "$f_{xy}$",
        "slope": "slope",
        "gradient_measure": "gradient measure, segment",
        "gradient_total": "gradient measure, curve",
        "curvature_measure": "curvature measure, segment",
        "curvature_total": "curvature measure, curve",
        "lengthscale": "lengthscale",
        "amplitude": "amplitude",
        "noise_sd": "noise sd",
    }
    axes = plt.subplots(3, 4, figsize=(10, 5), sharex=True, gridspec_kw={"hspace": 0.4})[1]
    for ax, (name, label) in zip(axes.flat, names.items(), strict=True):
        u, bins = table[f"u_{name}"].dropna(), 20
        low, high = binom.ppf([0.005, 0.995], len(u), 1 / bins)
        ax.hist(u, bins, range=(0, 1), color="#92c5de", rwidth=0.9)
        ax.axhspan(low, high, color="0.3", alpha=0.25)
        ax.set_title(label, loc="left", fontsize="medium")
        ax.set(xlim=(0, 1), ylim=(0, 1.2 * high), xticks=(0, 0.5, 1), yticks=())
    return axes[0, 0]


def _pair(
    width: float, height: float, widths: tuple[float, float] = (1.0, 1.0), gap: float = 0.55
) -> np.ndarray:
    """Two Axes side by side, with room for a colour bar between."""
    ratios = {"width_ratios": widths, "wspace": gap}
    return plt.subplots(1, 2, figsize=(width, height), gridspec_kw=ratios)[1]


FIGURES: dict[str, Callable[[], Axes]] = {
    "meuse": meuse,
    "bank": bank,
    "fulmar": fulmar,
    "prices": prices,
    "scarp": scarp,
    "calibration": calibration,
}


def main(folder: str, *names: str) -> None:
    """Draw the figures named, by default all, as PNG files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or FIGURES:
        path = Path(folder) / f"{name}.png"
        figure = FIGURES[name]().figure
        figure.draw_without_rendering()
        inches = figure.get_tightbbox().width
        figure.savefig(path, dpi=min(WIDTH / inches, 110), bbox_inches="tight")
        plt.close("all")
        # A palette of 256 colours: half the bytes, and no difference to be seen.
        Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
