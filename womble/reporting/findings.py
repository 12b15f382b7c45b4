"""Everything that a report tells of, computed once: surfaces, lines, curves, checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import shapely
import xarray as xr

from womble.check import Check

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from womble.grid import Grid
    from womble.posterior import Posterior
    from womble.transect import Transect

Answer = TypeVar("Answer")

# Places along a line at which its direction of rise is looked up.
STATIONS = 50
# Data sets that the model makes: the binomial error of p is at most 0.035.
REPLICATES = 200
# Probability of the position bands.
BAND = 0.9
# Of a fit's median lengthscale: the slope changes little along such a piece of a curve.
PIECE = 0.25


@dataclass(frozen=True)
class Settings:
    """What the report was asked for, as it states it.

    Attributes
    ----------
    rule, alpha : str, float
        Which signs count, everywhere in the report.
    line_alpha : float
        The error rate for lines and change points.
    prominence : float
        Of gradient lines and change points.
    levels : sequence of float
        Of level lines, on the link scale.
    segment_length : float or None
    samples : int
        Posterior draws of surfaces and curves.
    replicates : int
        Of the null test; 0 leaves it out.
    seed : int or None
        None: not a number.
    """

    rule: Literal["interval", "fdr", "simultaneous"]
    alpha: float
    line_alpha: float
    prominence: float
    levels: Sequence[float]
    segment_length: float | None
    samples: int
    replicates: int
    seed: int | None


@dataclass(frozen=True, eq=False)
class FoundLines:
    """Boundary lines of one kind, with everything known of each.

    Attributes
    ----------
    kind : {"gradient", "level"}
    lines : GeoDataFrame
        As `Posterior.boundaries`, with the columns of `Posterior.boundary_profile`, and
        rise_direction (degrees counter-clockwise from the x axis), statistic and p_null.
    bands : GeoDataFrame
        Position bands, of probability `BAND`.
    no_null : str
        Why there is no null test; empty where there is one.
    """

    kind: str
    lines: gpd.GeoDataFrame
    bands: gpd.GeoDataFrame
    no_null: str


@dataclass(frozen=True, eq=False)
class Findings:
    """All that was computed; None where it does not apply.

    Attributes
    ----------
    posterior : Posterior
    settings : Settings
    surface : xarray.Dataset
        Link scale.
    response : xarray.Dataset or None
        Response scale, where it is another.
    found : list of FoundLines
    changes : DataFrame or None
        Change points of data on a line.
    segments, totals : GeoDataFrame or None
        Tested curves, by segment and by curve.
    check : Check or None
    no_check : str
        Why there is none.
    replicated : DataFrame or None
        As `Posterior.predictive_check`.
    no_replicated : str
        Why there is none.
    sensitivity : DataFrame or None
    """

    posterior: Posterior
    settings: Settings
    surface: xr.Dataset
    response: xr.Dataset | None
    found: list[FoundLines]
    changes: pd.DataFrame | None
    segments: gpd.GeoDataFrame | None
    totals: gpd.GeoDataFrame | None
    check: Check | None
    no_check: str
    replicated: pd.DataFrame | None
    no_replicated: str
    sensitivity: pd.DataFrame | None


def gather(
    posterior: Posterior,
    grid: Grid | Transect,
    curves: Any,
    settings: Settings,
    sensitivity: Callable[[xr.Dataset], pd.DataFrame] | None,
    rng: np.random.Generator,
    progress: bool,
) -> Findings:
    """Compute everything; each part has a stream of random numbers of its own."""
    streams = iter(rng.spawn(8))
    options = {"progress": progress, "samples": settings.samples}
    decided = {"rule": settings.rule, "alpha": settings.alpha}
    surface = posterior.surface(grid, rng=next(streams), **options, **decided)
    response, stream = None, next(streams)
    if posterior.data.link != "identity":
        # Bands that hold for all cells at once are of the link scale.
        flags = decided | ({"rule": "fdr"} if settings.rule == "simultaneous" else {})
        response = posterior.surface(grid, scale="response", rng=stream, **options, **flags)
    found, changes = [], None
    if posterior.data.coords.shape[1] == 1:
        asked = {"rule": settings.rule, "alpha": settings.line_alpha, "progress": progress}
        asked |= {"prominence": settings.prominence}
        changes = posterior.change_points(grid, rng=next(streams), **asked)
    else:
        found = _lines(posterior, grid, settings, next(streams), progress)
    segments = totals = None
    if curves is not None:
        asked = options | decided | {"segment_length": settings.segment_length}
        segments = posterior.womble(curves, rng=next(streams), **asked)
        totals = posterior.womble(curves, by="curve", rng=next(streams), **asked)
    stream = next(streams)
    check, no_check = answered(lambda: posterior.check(rng=stream))
    made = {"samples": min(settings.samples, REPLICATES), "rng": next(streams)}
    replicated = answered(lambda: posterior.predictive_check(progress=progress, **made))
    varied = None if sensitivity is None else sensitivity(surface)
    parts = (surface, response, found, changes, segments, totals, check, no_check)
    return Findings(posterior, settings, *parts, *replicated, varied)


def answered(ask: Callable[[], Answer]) -> tuple[Answer | None, str]:
    """An answer, or why this posterior has none: the report then says so."""
    try:
        return ask(), ""
    except ValueError as refused:
        return None, str(refused)


def _lines(
    posterior: Posterior,
    grid: Grid,
    settings: Settings,
    rng: np.random.Generator,
    progress: bool,
) -> list[FoundLines]:
    """Crests of the slope, and level lines where asked for."""
    asked = {"rule": settings.rule, "alpha": settings.line_alpha}
    asked |= {"prominence": settings.prominence}
    kinds: list[dict[str, Any]] = []
    if posterior.order == 2:
        kinds.append({"kind": "gradient"})
    if len(settings.levels):
        kinds.append({"kind": "level", "levels": list(settings.levels)})
    every = []
    for kind in kinds:
        lines = posterior.boundaries(grid, rng=rng, progress=progress, **asked, **kind)
        every.append(_described(posterior, lines, kind["kind"], settings, rng, progress))
    return every


def _described(
    posterior: Posterior,
    lines: gpd.GeoDataFrame,
    kind: str,
    settings: Settings,
    rng: np.random.Generator,
    progress: bool,
) -> FoundLines:
    """Lines with bands, profile, direction of rise and null test."""
    no_null = "it was not asked for"
    full = lines.assign(rise_direction=rise_directions(posterior, lines))
    bands = full
    if len(lines):
        bands = posterior.boundary_bands(lines, level=BAND, rng=rng, progress=progress)
        profile = posterior.boundary_profile(lines, rng=rng, progress=progress)
        known = [name for name in profile if name not in lines]
        full = full.assign(**{name: profile[name] for name in known})
        full.attrs["units"] = {**lines.attrs["units"], **profile.attrs["units"]}
        if settings.replicates:
            options = {"replicates": settings.replicates, "rng": rng, "progress": progress}
            tested, no_null = answered(lambda: posterior.null_test(lines, **options))
            if tested is not None:
                full = full.assign(statistic=tested["statistic"], p_null=tested["p_null"])
    return FoundLines(kind, full, bands, no_null)


def rise_directions(posterior: Posterior, lines: gpd.GeoDataFrame) -> np.ndarray:
    """Direction of the posterior mean gradient averaged along each line.

    Returns
    -------
    array, shape (q,)
        Degrees counter-clockwise from the x axis, in [0, 360), as gradient_direction.
    """
    if lines.empty:
        return np.empty(0)
    shares = (np.arange(STATIONS) + 0.5) / STATIONS
    at = shapely.line_interpolate_point(lines.geometry.to_numpy()[:, None], shares, normalized=True)
    points = shapely.get_coordinates(at.ravel())
    target = lines.attrs["womble"]["target"]
    ensemble = posterior.ensemble(target, None, np.random.default_rng(0))  # takes all: no chance
    slopes = ensemble.mean(points, 1)[:, 1:].reshape(len(lines), STATIONS, 2).mean(axis=1)
    return np.rad2deg(np.arctan2(slopes[:, 1], slopes[:, 0])) % 360.0
