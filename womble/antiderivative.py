"""Antiderivatives and integrals of a field on a line: statistics with their names and units."""

from __future__ import annotations

import numpy as np
import xarray as xr

from womble import mixture
from womble.arrays import FloatArray
from womble.axis import Axis
from womble.engines.ensemble import Ensemble
from womble.primitive import OnLine
from womble.summaries import LEVELS, STATISTICS
from womble.surface import TILE_ENTRIES

ORDINALS = {1: "first", 2: "second"}


def antiderivative_statistics(
    ensemble: Ensemble, points: FloatArray, order: int, origin: float
) -> FloatArray:
    """Statistics of the antiderivative of this order from `origin` at `points` (p,), shape (5, p).

    A mixture of normals over the hyperparameters, in closed form.
    """
    step = max(1, TILE_ENTRIES // ensemble.size)
    tiles = [points[start : start + step] for start in range(0, len(points) or 1, step)]
    return np.concatenate([_of_tile(ensemble, OnLine(t, (-order,), origin)) for t in tiles], axis=1)


def _of_tile(ensemble: Ensemble, rows: OnLine) -> FloatArray:
    unused = np.random.default_rng(0)  # nothing is drawn
    results = ensemble.map(lambda f, _: f.on_line(rows, joint=False), unused, "", False)
    means, variances = (np.stack(part) for part in zip(*results, strict=True))
    # Where the data leave nothing open a variance is a difference of equals, 0 to rounding.
    sds = np.sqrt(np.maximum(variances, 0.0))
    return np.stack([*mixture.moments(means, sds), *mixture.quantiles(means, sds, LEVELS)])


def joint_line_moments(ensemble: Ensemble, rows: OnLine) -> tuple[FloatArray, FloatArray]:
    """Mean (q,) and covariance (q, q) of rows on a line, mixed over the hyperparameters."""
    accumulator = mixture.MomentAccumulator()
    unused = np.random.default_rng(0)  # nothing is drawn
    for mean, covariance in ensemble.map(
        lambda f, _: f.on_line(rows, joint=True), unused, "", False
    ):
        accumulator.add(mean, covariance)
    return accumulator.result()


def antiderivative_dataset(
    statistics: FloatArray,
    points: FloatArray,
    order: int,
    origin: float,
    *,
    axis: Axis,
    field: str,
    units: str | None,
    coordinate_units: str | None,
    source: str,
) -> xr.Dataset:
    """Statistics (5, p) at `points` as a Dataset; see `womble.Posterior.antiderivative`."""
    ds = xr.Dataset(
        {"antiderivative": (("statistic", axis.name), statistics)},
        {"statistic": list(STATISTICS), axis.name: axis.positions(points)},
    )
    ds["antiderivative"].attrs = {
        "long_name": f"{ORDINALS[order]} antiderivative of {field}",
        "order": order,
        "origin": origin if axis.origin is None else str(axis.positions(origin)),
    } | ({"units": units} if units else {})
    ds[axis.name].attrs = {"long_name": axis.name}
    if coordinate_units and axis.origin is None:  # files encode dates in units of their own
        ds[axis.name].attrs["units"] = coordinate_units
    ds.attrs = {"Conventions": "CF-1.11", "source": source, "scale": "link"}
    return ds
