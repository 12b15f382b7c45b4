"""From a fit to files: surfaces, boundaries, tested curves, figures and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import womble as wb
from womble import decision
from womble.files import write_table

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from womble.grid import Grid
    from womble.posterior import Posterior

# Draws of surfaces and curves: Monte Carlo error of an sd about 4%.
SAMPLES = 300


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made of a fit.

    Attributes
    ----------
    grid : Grid
    searches : sequence of mappings
        Arguments of `Posterior.boundaries`, one search each; none: no boundaries.
    curves : GeoDataFrame, optional
        Lines to test, in pieces of at most `segment_length`, by `rule`.
    curves_called : str
        Name of the figures of the curves.
    report : mapping, optional
        Arguments of `womble.report`; None: no report.
    table : str
        Ending of the files of lines: ".gpkg", ".geojson", ".fgb", ".parquet" or ".csv".

    Raises
    ------
    ValueError
        Rule, error rate or number of samples that no answer can have: before the fit, not after.
    """

    grid: Grid
    searches: Sequence[Mapping[str, Any]] = ({},)
    curves: gpd.GeoDataFrame | None = None
    curves_called: str = "curves"
    segment_length: float | None = None
    rule: str = "fdr"
    alpha: float = 0.05
    samples: int | None = None
    figures: bool = True
    report: Mapping[str, Any] | None = None
    table: str = ".gpkg"
    seed: int = 1

    def __post_init__(self) -> None:
        decision.check_rule(self.rule, self.alpha)
        if self.samples is not None and self.samples < 2:
            raise ValueError(f"`samples` must be at least 2; got {self.samples}.")


@dataclass(frozen=True)
class Results:
    """Files written, and the lines found (None: not sought)."""

    files: list[Path]
    boundaries: gpd.GeoDataFrame | None


def draws_for(posterior: Posterior, samples: int | None) -> int:
    """Number of draws of surfaces and curves: as asked, or 300, or all if there are fewer."""
    if samples is not None or posterior.given:
        return samples or SAMPLES
    return min(SAMPLES, posterior.draws.sizes["chain"] * posterior.draws.sizes["draw"])


def find_boundaries(posterior: Posterior, plan: Plan, *, progress: bool) -> gpd.GeoDataFrame | None:
    """The lines of all searches in one table, numbered anew; None without a search."""
    import pandas as pd

    found = [
        posterior.boundaries(plan.grid, rng=plan.seed, progress=progress, **search)
        for search in plan.searches
    ]
    if not found:
        return None
    lines = [part for part in found if len(part)]
    together = pd.concat(lines, ignore_index=True) if lines else found[0]
    return together.assign(boundary_id=range(len(together)))


def write_results(posterior: Posterior, plan: Plan, out: Path, *, progress: bool) -> Results:
    """Compute and write everything in the plan.

    Parameters
    ----------
    posterior : Posterior
        Of data in the plane.
    plan : Plan
    out : Path
        Its folder must exist.
    progress : bool

    Returns
    -------
    Results
    """
    samples = draws_for(posterior, plan.samples)
    how = {"samples": samples, "rng": plan.seed, "progress": progress}
    surface = posterior.surface(plan.grid, **how)
    boundaries = find_boundaries(posterior, plan, progress=progress)
    tested = None
    if plan.curves is not None:
        asked = {"segment_length": plan.segment_length, "rule": plan.rule, "alpha": plan.alpha}
        tested = posterior.womble(plan.curves, **asked, **how)
    written = [out / "surface.nc", out / "summary.csv"]
    surface.to_netcdf(written[0], engine="h5netcdf")
    posterior.summary().to_csv(written[1])
    for name, frame in (("boundaries", boundaries), ("segments", tested)):
        if frame is not None:
            written.append(write_table(frame, out / f"{name}{plan.table}"))
    written += wb.write_geotiff(surface, out, progress=progress)
    if plan.figures:
        written += _draw(_figures(posterior, plan, surface, boundaries, tested), out)
    if plan.report is not None:
        asked = {"grid": plan.grid, "curves": plan.curves, **plan.report}
        written += wb.report(posterior, out / "report.html", progress=progress, **asked)
    return Results(written, boundaries)


def _figures(
    posterior: Posterior,
    plan: Plan,
    surface: xr.Dataset,
    boundaries: gpd.GeoDataFrame | None,
    tested: gpd.GeoDataFrame | None,
) -> dict[str, Callable[[], Any]]:
    """What each figure draws, by name."""
    data, maps = posterior.data, {"value": "value", "slope_x": "dx", "slope_y": "dy"}
    maps |= {"laplacian": "laplacian"} if "laplacian" in surface else {}
    label = data.value_name
    figures = {"data": lambda: wb.plot.data(data.coords, data.values, label=label)}
    for name, variable in maps.items():
        figures[name] = lambda variable=variable: wb.plot.surface(surface, variable)
    figures["gradient"] = lambda: wb.plot.gradient_arrows(surface)
    if boundaries is not None:
        figures["boundaries"] = lambda: wb.plot.boundaries(
            boundaries, ax=wb.plot.surface(surface, "gradient_magnitude")
        )
    if tested is not None:
        figures[plan.curves_called] = lambda: wb.plot.segments(tested)
        figures[f"{plan.curves_called}_profile"] = lambda: wb.plot.along(tested)
    return figures


def _draw(figures: Mapping[str, Callable[[], Any]], out: Path) -> list[Path]:
    """One PNG a figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    written = []
    for name, draw in figures.items():
        path = out / f"figure_{name}.png"
        draw().figure.savefig(path, dpi=150, bbox_inches="tight")
        plt.close("all")
        written.append(path)
    return written
