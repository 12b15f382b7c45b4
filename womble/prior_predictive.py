"""Surfaces drawn from the priors: what a model says before it has seen values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.anisotropy import coordinate_map
from womble.arrays import FloatArray
from womble.attributes import georeference
from womble.engines.fourier import component_priors
from womble.grid import Grid
from womble.hyperparameters import Layout, Theta
from womble.kernels import Kernel
from womble.priors import DefaultPriors, check_priors
from womble.spatial_data import SpatialData
from womble.trend import COEFFICIENT_SD, Trend

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


def draw_hyperparameters(
    data: SpatialData,
    layout: Layout,
    priors: Mapping[str, TensorVariable] | None,
    samples: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draws (samples,) of every hyperparameter in user units, the user's priors where given."""
    import pymc as pm
    from pytensor.compile.mode import Mode

    default = DefaultPriors.of(data, layout).as_pymc()
    named = default | check_priors(priors, layout.names)
    drawn = pm.draw(
        [named[name] for name in layout.names],
        draws=samples,
        random_seed=int(rng.integers(2**31)),
        mode=Mode(linker="py", optimizer="fast_compile"),  # few numbers: not worth compiling
    )
    return dict(zip(layout.names, drawn, strict=True))


def prior_surfaces(
    data: SpatialData,
    kernel: Kernel,
    trend: Trend,
    layout: Layout,
    priors: Mapping[str, TensorVariable] | None,
    grid: Grid,
    samples: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Draws of surface and process on the link scale, and their hyperparameters."""
    theta = draw_hyperparameters(data, layout, priors, samples, rng)
    scaling, points = data.scaling, grid.points
    scaled, units = scaling.coords_in(points), layout.units(scaling)
    basis = COEFFICIENT_SD * trend.jets(scaled, 0)[:, 0, :]
    process, surface = np.full((2, samples, *grid.shape), np.nan)
    for s in range(samples):
        one = layout.theta([theta[name][s] for name in layout.names] / units)
        process[s, grid.inside] = scaling.scale * _process(kernel, one, scaled, rng)
        mean = scaling.offset + scaling.scale * (basis @ rng.standard_normal(basis.shape[1]))
        surface[s, grid.inside] = mean + process[s, grid.inside]
    dims = ("draw", "y", "x")
    ds = xr.Dataset(
        {"surface": (dims, surface), "process": (dims, process)}
        | {name: ("draw", numbers) for name, numbers in theta.items()},
        {"draw": np.arange(samples), "y": grid.y, "x": grid.x},
    )
    return _described(ds, data, layout, grid, f"womble: {kernel!r}, {trend.name} trend, priors")


def _process(
    kernel: Kernel, theta: Theta, points: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """A draw of the process at scaled `points` (p, 2), shape (p,)."""
    if theta.anisotropy is not None:
        points = points @ coordinate_map(theta.anisotropy)
    box = np.stack([points.min(axis=0), points.max(axis=0)])
    priors = component_priors(kernel, theta.scales, box)
    return sum(prior.draw(rng).jets(points, 0)[:, 0] for prior in priors)


def _described(
    ds: xr.Dataset, data: SpatialData, layout: Layout, grid: Grid, source: str
) -> xr.Dataset:
    name = data.field_name()
    labels = {"surface": name, "process": f"{name} without trend"}
    of_kind = dict.fromkeys(["amplitude", "noise_sd"], data.difference_units)
    of_kind |= {"lengthscale": data.coordinate_units, "anisotropy": "1"}
    units = {n: of_kind[kind] for n, kind in zip(layout.names, layout.kinds, strict=True)}
    units |= {"surface": data.link_units, "process": data.difference_units}
    for variable, unit in units.items():
        ds[variable].attrs = {"long_name": labels.get(variable, variable)}
        if unit:
            ds[variable].attrs["units"] = unit
    return georeference(ds, grid, {"coordinate_units": data.coordinate_units, "source": source})
