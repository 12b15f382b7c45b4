"""Surfaces drawn from the priors: what a model says before it has seen values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.arrays import FloatArray
from womble.attributes import georeference
from womble.covariance import Scale
from womble.engines.base import Theta
from womble.engines.fourier import FourierPrior
from womble.grid import Grid
from womble.kernels import Kernel
from womble.priors import DefaultPriors, check_priors
from womble.spatial_data import SpatialData
from womble.trend import COEFFICIENT_SD, Trend

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


def draw_hyperparameters(
    data: SpatialData,
    priors: Mapping[str, TensorVariable] | None,
    samples: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draws (samples,) of every hyperparameter in user units, the user's priors where given."""
    import pymc as pm
    from pytensor.compile.mode import Mode

    named = DefaultPriors.of(data).as_pymc() | check_priors(priors)
    drawn = pm.draw(
        [named[name] for name in Theta._fields],
        draws=samples,
        random_seed=int(rng.integers(2**31)),
        mode=Mode(linker="py", optimizer="fast_compile"),  # three numbers: not worth compiling
    )
    return dict(zip(Theta._fields, drawn, strict=True))


def prior_surfaces(
    data: SpatialData,
    kernel: Kernel,
    trend: Trend,
    priors: Mapping[str, TensorVariable] | None,
    grid: Grid,
    samples: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Draws of surface and process on the link scale, and their hyperparameters."""
    theta = draw_hyperparameters(data, priors, samples, rng)
    scaling, points = data.scaling, grid.points
    scaled = scaling.coords_in(points)
    box = np.stack([scaled.min(axis=0), scaled.max(axis=0)])
    basis = COEFFICIENT_SD * trend.jets(scaled, 0)[:, 0, :]
    process, surface = np.full((2, samples, *grid.shape), np.nan)
    for s in range(samples):
        scale = Scale(theta["amplitude"][s], theta["lengthscale"][s] / scaling.length)
        process[s, grid.inside] = FourierPrior(kernel, scale, box).draw(rng).jets(scaled, 0)[:, 0]
        mean = scaling.offset + scaling.scale * (basis @ rng.standard_normal(basis.shape[1]))
        surface[s, grid.inside] = mean + process[s, grid.inside]
    dims = ("draw", "y", "x")
    ds = xr.Dataset(
        {"surface": (dims, surface), "process": (dims, process)}
        | {name: ("draw", numbers) for name, numbers in theta.items()},
        {"draw": np.arange(samples), "y": grid.y, "x": grid.x},
    )
    return _described(ds, data, grid, f"womble: {kernel!r}, {trend.name} trend, priors")


def _described(ds: xr.Dataset, data: SpatialData, grid: Grid, source: str) -> xr.Dataset:
    name = f"log {data.name}" if data.transform == "log" else data.name
    labels = {"surface": name, "process": f"{name} without trend"}
    units = dict.fromkeys(["process", "amplitude", "noise_sd"], data.difference_units)
    units |= {"surface": data.link_units, "lengthscale": data.coordinate_units}
    for variable, unit in units.items():
        ds[variable].attrs = {"long_name": labels.get(variable, variable)}
        if unit:
            ds[variable].attrs["units"] = unit
    return georeference(ds, grid, {"coordinate_units": data.coordinate_units, "source": source})
