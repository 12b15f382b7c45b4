"""Posterior surfaces: a field, its derivatives and what is made of them, on a grid of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from womble import decision, jet, mixture
from womble.arrays import FloatArray
from womble.engines.base import Conditional
from womble.engines.ensemble import Ensemble, draw_normal
from womble.grid import Grid
from womble.jet import PLANAR
from womble.units import derivative_units

STATISTICS = ("mean", "sd", "q025", "q50", "q975")
LEVELS = (0.025, 0.5, 0.975)

# Draws times points of one tile: its arrays then take about 300 MB.
TILE_ENTRIES = 2_000_000


@dataclass(frozen=True)
class Quantity:
    """A map of jets: what it is called, its order, and whether a sign means anything."""

    long_name: str
    order: int  # derivatives it takes
    response: int  # power of the response's units
    length: int  # power of the coordinates' units in the denominator
    signed: bool
    of: Callable[[FloatArray], FloatArray]


def _component(index: int) -> Callable[[FloatArray], FloatArray]:
    return lambda jets: jets[..., index]


QUANTITIES: dict[str, Quantity] = {
    "value": Quantity("value", 0, 1, 0, True, _component(0)),
    "dx": Quantity("slope along x", 1, 1, 1, True, _component(1)),
    "dy": Quantity("slope along y", 1, 1, 1, True, _component(2)),
    "dxx": Quantity("second derivative along x", 2, 1, 2, True, _component(3)),
    "dxy": Quantity("mixed second derivative", 2, 1, 2, True, _component(4)),
    "dyy": Quantity("second derivative along y", 2, 1, 2, True, _component(5)),
    "gradient_magnitude": Quantity("steepness", 1, 1, 1, False, jet.gradient_magnitude),
    "gradient_direction": Quantity("uphill direction", 1, 0, 0, False, jet.gradient_direction),
    "laplacian": Quantity("Laplacian", 2, 1, 2, True, jet.laplacian),
    "gaussian_curvature": Quantity(
        "determinant of the Hessian", 2, 2, 4, True, jet.gaussian_curvature
    ),
    "curvature_max": Quantity(
        "largest principal curvature", 2, 1, 2, True, lambda jets: jet.principal_curvatures(jets)[0]
    ),
    "curvature_min": Quantity(
        "smallest principal curvature",
        2,
        1,
        2,
        True,
        lambda jets: jet.principal_curvatures(jets)[1],
    ),
}

# Normal given the hyperparameters: closed forms instead of draws.
LINEAR = (*PLANAR, "laplacian")


def surface(
    ensemble: Ensemble,
    grid: Grid,
    *,
    order: int,
    scale: Literal["link", "response"],
    rule: str,
    alpha: float,
    attributes: Mapping[str, str],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """Posterior summaries of every quantity on the inside cells of `grid`.

    Linear quantities are mixtures of normals over the hyperparameters, in closed form; the others
    come from one exact draw of the jet a point and posterior draw.

    Parameters
    ----------
    ensemble : Ensemble
    grid : Grid
    order : {1, 2}
        Highest derivative that the kernel offers.
    scale : {"link", "response"}
        `response` exponentiates each draw; all quantities then come from draws, and mean and sd
        are NaN, as the moments of a log-normal mixture need not exist.
    rule, alpha
        See `womble.decision`.
    attributes : mapping
        "name" of the field, its "units" on this scale, the "difference_units" that its derivatives
        have, "coordinate_units" and "source".

    Returns
    -------
    xarray.Dataset
        See `womble.Posterior.surface`.
    """
    names = [name for name, quantity in QUANTITIES.items() if quantity.order <= order]
    points = grid.points
    step = max(1, TILE_ENTRIES // ensemble.size)
    tiles = [points[start : start + step] for start in range(0, len(points), step)]
    parts = [
        _summaries(
            ensemble, tile, names, order, scale, rng, f"surface {i + 1}/{len(tiles)}", progress
        )
        for i, tile in enumerate(tiles)
    ]
    variables = {}
    for name in names:
        statistics = np.concatenate([part[name][0] for part in parts], axis=1)
        variables[name] = (("statistic", "y", "x"), grid.fill(statistics))
        if QUANTITIES[name].signed:
            positive = np.concatenate([part[name][1] for part in parts])
            sign = decision.significance(positive, rule, alpha).astype(float)
            variables[f"{name}_p_positive"] = (("y", "x"), grid.fill(positive))
            variables[f"{name}_significant"] = (("y", "x"), grid.fill(sign))
    coords = {"statistic": list(STATISTICS), "y": grid.y, "x": grid.x}
    return _described(xr.Dataset(variables, coords), grid, scale, rule, alpha, attributes)


def _summaries(
    ensemble: Ensemble,
    points: FloatArray,
    names: list[str],
    order: int,
    scale: str,
    rng: np.random.Generator,
    label: str,
    progress: bool,
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """For each quantity its statistics (5, p) and probability of being positive (p,)."""
    linear = [name for name in names if name in LINEAR and scale == "link"]
    drawn = [name for name in names if name not in linear]
    rows = np.array([QUANTITIES[name].of(np.eye(jet.size(2, order))) for name in linear])

    def one(f: Conditional, stream: np.random.Generator) -> tuple[FloatArray, ...]:
        mean, covariance = f.groups(points[:, None, :], order)
        draws = draw_normal(mean, covariance, ensemble.repeats, stream)
        if scale == "response":
            draws = jet.exponentiate(draws)
        values = np.stack([QUANTITIES[name].of(draws) for name in drawn])
        if not linear:
            return (values,)
        variance = np.einsum("la,pab,lb->lp", rows, covariance, rows, optimize=True)
        return values, rows @ mean.T, np.sqrt(np.maximum(variance, 0.0))

    results = list(zip(*ensemble.map(one, rng, label, progress), strict=True))
    values = np.concatenate(results[0], axis=1)
    out = {name: _of_draws(name, values[i], scale) for i, name in enumerate(drawn)}
    if linear:
        means, sds = np.stack(results[1]), np.stack(results[2])
        moments, quantiles = mixture.moments(means, sds), mixture.quantiles(means, sds, LEVELS)
        positive = mixture.probability_positive(means, sds)
        statistics = np.concatenate([np.stack(moments), quantiles])
        out |= {name: (statistics[:, i], positive[i]) for i, name in enumerate(linear)}
    return out


def _of_draws(name: str, draws: FloatArray, scale: str) -> tuple[FloatArray, FloatArray]:
    """Statistics (5, p) and probability of being positive (p,) of draws (S, p)."""
    if name == "gradient_direction":
        resultant = np.exp(1j * draws).mean(axis=0)
        # Mardia and Jupp (2000), sec. 2.3: circular standard deviation.
        spread = np.sqrt(-2 * np.log(np.abs(resultant)))
        nothing = np.full((3, draws.shape[1]), np.nan)
        statistics = np.concatenate([[np.angle(resultant), spread], nothing])
        return np.degrees(statistics), np.full(draws.shape[1], np.nan)
    moments = np.stack([draws.mean(axis=0), draws.std(axis=0)])
    if scale == "response":
        moments[:] = np.nan
    return np.concatenate([moments, np.quantile(draws, LEVELS, axis=0)]), (draws > 0).mean(axis=0)


def _described(
    ds: xr.Dataset,
    grid: Grid,
    scale: str,
    rule: str,
    alpha: float,
    attributes: Mapping[str, str | None],
) -> xr.Dataset:
    """Add CF attributes, coordinates' units and the CRS."""
    field, length = attributes["name"], attributes["coordinate_units"]
    for name, variable in ds.data_vars.items():
        base = str(name).removesuffix("_p_positive").removesuffix("_significant")
        quantity = QUANTITIES[base]
        label = field if base == "value" else f"{quantity.long_name} of {field}"
        if base == "value":
            units = attributes["units"]
        else:
            difference = attributes["difference_units"]
            units = derivative_units(difference, length, quantity.length, quantity.response)
        if name.endswith("_p_positive"):
            described = {"long_name": f"P({label} > 0)", "units": "1"}
        elif name.endswith("_significant"):
            described = {
                "long_name": f"sign of {label} where significant",
                "units": "1",
                "flag_values": [-1.0, 0.0, 1.0],
                "flag_meanings": "negative not_significant positive",
                "rule": f"{rule}, alpha = {alpha:g}, per cell",
            }
        elif name == "gradient_direction":
            described = {
                "long_name": label,
                "units": "degree",
                "comment": "counter-clockwise from the x axis; circular mean and sd",
            }
        else:
            described = {"long_name": label} | ({"units": units} if units else {})
        variable.attrs.update(described)
    if scale == "response":
        ds.attrs["comment"] = "response scale: means need not exist, use the median q50"
    for axis, projected in (("x", "easting"), ("y", "northing")):
        ds[axis].attrs = {"axis": axis.upper(), "long_name": axis}
        if grid.crs is not None:
            standard = {"standard_name": f"projection_{axis}_coordinate"}
            ds[axis].attrs |= {"long_name": projected} | standard
        if length:
            ds[axis].attrs["units"] = length
    ds.attrs |= {"Conventions": "CF-1.11", "scale": scale, "source": attributes["source"]}
    if grid.crs is not None:
        import rioxarray  # noqa: F401  (registers .rio)

        ds = ds.rio.write_crs(grid.crs)
    return ds
