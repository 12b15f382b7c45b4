"""Posterior surfaces: a field, its derivatives and what is made of them, on a grid of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr

from womble import decision, jet, mixture
from womble.arrays import FloatArray
from womble.attributes import describe
from womble.band import Band, bands
from womble.cells import Cells
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import Ensemble, draw_normal
from womble.paths import each_path
from womble.quantity import LINEAR, linear_rows, names_up_to, quantities

STATISTICS = ("mean", "sd", "q025", "q50", "q975")
Link = Literal["log", "logit"]
LEVELS = (0.025, 0.5, 0.975)
BOUNDS = ("lower", "upper")

# Draws times points of one tile: its arrays then take about 300 MB.
TILE_ENTRIES = 2_000_000
# Bytes of a surface of draws: more does not fit beside itself in the memory of most machines.
MAXIMUM_BYTES = 4e9


def surface(
    ensemble: Ensemble,
    grid: Cells,
    *,
    order: int,
    link: Link | None,
    rule: str,
    alpha: float,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """Posterior summaries of every quantity on the inside cells of `grid`.

    Linear quantities are mixtures of normals over the hyperparameters, in closed form; the others
    come from one exact draw of the jet a point and posterior draw.

    Parameters
    ----------
    ensemble : Ensemble
    grid : Cells
        A grid in the plane or a transect.
    order : {1, 2}
        Highest derivative that the kernel offers.
    link : {"log", "logit"} or None
        What is undone in each draw; all quantities then come from draws. Of "log" mean and sd are
        NaN, as the moments of a log-normal mixture need not exist.
    rule, alpha
        See `womble.decision`; "simultaneous" on the link scale only.
    domain : array, shape (2, d)
        Corners of a box that holds data and cells.
    attributes : mapping
        See `womble.attributes.describe`.

    Returns
    -------
    xarray.Dataset
        See `womble.Posterior.surface`.
    """
    names = names_up_to(order, len(grid.shape))
    found = _statistics(ensemble, grid.points, names, order, link, rng, progress)
    signed = [name for name in names if quantities(len(grid.shape))[name].signed]
    covering: dict[str, Band] = {}
    if rule == "simultaneous":
        moments = {name: found[name][0][:2] for name in signed}
        covering = bands(
            ensemble,
            grid.points,
            moments,
            order=order,
            alpha=alpha,
            domain=domain,
            rng=rng,
            progress=progress,
        )
    variables = {}
    for name in names:
        statistics, positive = found[name]
        variables[name] = (("statistic", *grid.dims), grid.fill(statistics))
        if name in signed:
            variables |= _of_sign(name, grid, positive, rule, alpha, covering.get(name))
    coords = {"statistic": list(STATISTICS), **grid.labels}
    if covering:
        coords["bound"] = list(BOUNDS)
    over = "over all cells" if covering else "per cell"
    ds = xr.Dataset(variables, coords)
    return describe(ds, grid, link, attributes, f"{rule}, alpha = {alpha:g}, {over}")


def surface_draws(
    ensemble: Ensemble,
    grid: Cells,
    *,
    order: int,
    link: Link | None,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """Every quantity of every path on the inside cells of `grid`; parameters as `surface`.

    Raises
    ------
    ValueError
        If they would take more than `MAXIMUM_BYTES`.
    """
    d = len(grid.shape)
    names, shape = names_up_to(order, d), (ensemble.size, *grid.shape)
    _require_memory(shape, len(names))
    arrays = {name: np.full(shape, np.nan) for name in names}

    def values(path: Path) -> FloatArray:
        jets = path.jets(grid.points, order)
        if link is not None:
            jets = jet.unlink(jets, link, d)
        return np.stack([quantities(d)[name].of(jets) for name in names])

    found = each_path(values, ensemble, domain, rng, "surface draws", progress)
    for draw, drawn in enumerate(found):
        for name, cells in zip(names, drawn, strict=True):
            arrays[name][draw, grid.inside] = cells
    if "gradient_direction" in arrays:
        np.degrees(arrays["gradient_direction"], out=arrays["gradient_direction"])
    variables = {name: (("draw", *grid.dims), array) for name, array in arrays.items()}
    coords = {"draw": np.arange(ensemble.size), **grid.labels}
    ds = describe(xr.Dataset(variables, coords), grid, link, attributes)
    if "gradient_direction" in ds:
        ds["gradient_direction"].attrs["comment"] = "counter-clockwise from the x axis"
    ds.attrs["comment"] = "each draw is one function of location, the same in all variables"
    return ds


def _require_memory(shape: tuple[int, ...], count: int) -> None:
    needed = 8 * count * np.prod([float(size) for size in shape])
    if needed > MAXIMUM_BYTES:
        draws, cells = shape[0], " x ".join(map(str, shape[1:]))
        raise ValueError(
            f"`keep_draws=True` must stay below {MAXIMUM_BYTES / 1e9:g} GB; {draws} draws of "
            f"{count} quantities on {cells} cells take {needed / 1e9:.1f} GB. Ask for "
            "fewer `samples` or larger cells, or evaluate post.paths() where you need it."
        )


def _statistics(
    ensemble: Ensemble,
    points: FloatArray,
    names: list[str],
    order: int,
    link: Link | None,
    rng: np.random.Generator,
    progress: bool,
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """For each quantity its statistics (5, p) and probability of being positive (p,)."""
    step = max(1, TILE_ENTRIES // ensemble.size)
    tiles = [points[start : start + step] for start in range(0, len(points), step)]
    parts = []
    for i, tile in enumerate(tiles):
        label = f"surface {i + 1}/{len(tiles)}"
        parts.append(_of_tile(ensemble, tile, names, order, link, rng, label, progress))
    return {
        name: tuple(np.concatenate([part[name][i] for part in parts], axis=-1) for i in (0, 1))
        for name in names
    }


def _of_tile(
    ensemble: Ensemble,
    points: FloatArray,
    names: list[str],
    order: int,
    link: Link | None,
    rng: np.random.Generator,
    label: str,
    progress: bool,
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The same for a tile of points, all draws at once."""
    d = points.shape[1]
    of = quantities(d)
    if not ensemble.closed_form:
        draws = ensemble.draw_groups(points[:, None], order, rng, label, progress)[:, :, 0]
        if link is not None:
            draws = jet.unlink(draws, link, d)
        return {name: _of_draws(name, of[name].of(draws), link) for name in names}
    linear = [name for name in names if name in LINEAR and link is None]
    drawn = [name for name in names if name not in linear]
    d = points.shape[1]
    rows = linear_rows(linear, order, d)

    def one(f: Conditional, stream: np.random.Generator) -> tuple[FloatArray, ...]:
        mean, covariance = f.groups(points[:, None, :], order)
        values = np.empty((0, ensemble.repeats, len(points)))
        if drawn:
            draws = draw_normal(mean, covariance, ensemble.repeats, stream)
            if link is not None:
                draws = jet.unlink(draws, link, d)
            values = np.stack([of[name].of(draws) for name in drawn])
        if not linear:
            return (values,)
        variance = np.einsum("la,pab,lb->lp", rows, covariance, rows, optimize=True)
        return values, rows @ mean.T, np.sqrt(np.maximum(variance, 0.0))

    results = list(zip(*ensemble.map(one, rng, label, progress), strict=True))
    values = np.concatenate(results[0], axis=1)
    out = {name: _of_draws(name, values[i], link) for i, name in enumerate(drawn)}
    if linear:
        means, sds = np.stack(results[1]), np.stack(results[2])
        moments, quantiles = mixture.moments(means, sds), mixture.quantiles(means, sds, LEVELS)
        positive = mixture.probability_positive(means, sds)
        statistics = np.concatenate([np.stack(moments), quantiles])
        out |= {name: (statistics[:, i], positive[i]) for i, name in enumerate(linear)}
    return out


def _of_draws(name: str, draws: FloatArray, link: Link | None) -> tuple[FloatArray, FloatArray]:
    """Statistics (5, p) and probability of being positive (p,) of draws (S, p)."""
    if name == "gradient_direction":
        resultant = np.exp(1j * draws).mean(axis=0)
        # Mardia and Jupp (2000), sec. 2.3: circular standard deviation.
        spread = np.sqrt(-2 * np.log(np.abs(resultant)))
        nothing = np.full((3, draws.shape[1]), np.nan)
        statistics = np.concatenate([[np.angle(resultant), spread], nothing])
        return np.degrees(statistics), np.full(draws.shape[1], np.nan)
    moments = np.stack([draws.mean(axis=0), draws.std(axis=0)])
    if link == "log":
        moments[:] = np.nan
    return np.concatenate([moments, np.quantile(draws, LEVELS, axis=0)]), (draws > 0).mean(axis=0)


def _of_sign(
    name: str, grid: Cells, positive: FloatArray, rule: str, alpha: float, band: Band | None
) -> dict[str, tuple]:
    """Variables that say which sign a quantity has; with a band, the band and its sign."""
    sign = decision.significance(positive, rule, alpha) if band is None else band.sign
    stated = {} if band is None else {"critical_value": band.critical_value}
    variables = {
        f"{name}_p_positive": (grid.dims, grid.fill(positive)),
        f"{name}_significant": (grid.dims, grid.fill(sign.astype(float)), stated),
    }
    if band is not None:
        variables[f"{name}_band"] = (("bound", *grid.dims), grid.fill(band.bounds), stated)
    return variables
