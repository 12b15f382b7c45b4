"""Surfaces drawn from the priors: what a model says before it has seen values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from womble import jet
from womble.anisotropy import coordinate_map
from womble.arrays import FloatArray
from womble.attributes import georeference
from womble.cells import Cells
from womble.crs import require_same_crs
from womble.engines.fourier import component_priors
from womble.hyperparameters import IN_LINK_UNITS, Layout, State, Theta
from womble.kernels import Kernel
from womble.priors import stated_priors
from womble.spatial_data import SpatialData
from womble.trend import COEFFICIENT_SD, Trend

if TYPE_CHECKING:
    from womble.priors import Priors


def draw_hyperparameters(
    data: SpatialData,
    layout: Layout,
    priors: Priors,
    samples: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draws (samples,) of every hyperparameter in user units, the user's priors where given."""
    laws, users = stated_priors(priors, data, layout)
    drawn = {name: law.draw(samples, rng) for name, law in laws.items()}
    if users:
        import pymc as pm
        from pytensor.compile.mode import Mode

        numbers = pm.draw(
            [*users.values()],
            draws=samples,
            random_seed=int(rng.integers(2**31)),
            mode=Mode(linker="py", optimizer="fast_compile"),  # few numbers: not worth compiling
        )
        drawn |= dict(zip(users, numbers, strict=True))
    return {name: drawn[name] for name in layout.names}


def prior_surfaces(
    data: SpatialData,
    kernel: Kernel,
    trend: Trend,
    layout: Layout,
    priors: Priors,
    grid: Cells,
    scale: Literal["link", "response"],
    samples: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Draws of surface and process on either scale, and their hyperparameters.

    On the response scale the process is about the trend's prior mean.
    """
    theta = draw_hyperparameters(data, layout, priors, samples, rng)
    scaling = data.scaling
    scaled, units = scaling.coords_in(grid.points), layout.units(scaling)
    basis = COEFFICIENT_SD * trend.jets(scaled, 0)[:, 0, :]
    process, surface = np.empty((2, samples, len(scaled)))
    for s in range(samples):
        one = layout.theta(np.array([theta[name][s] for name in layout.names]) / units)
        process[s] = scaling.scale * _process(kernel, one, scaled, rng)
        mean = scaling.offset + scaling.scale * (basis @ rng.standard_normal(basis.shape[1]))
        surface[s] = mean + process[s]
    if scale == "response" and data.link != "identity":
        process, surface = (
            jet.unlink(field[..., None], data.link, len(grid.shape))[..., 0]
            for field in (scaling.offset + process, surface)
        )
    dims = ("draw", *grid.dims)
    ds = xr.Dataset(
        {"surface": (dims, grid.fill(surface)), "process": (dims, grid.fill(process))}
        | {name: ("draw", numbers) for name, numbers in theta.items()},
        {"draw": np.arange(samples), **grid.labels},
    )
    ds.attrs["scale"] = scale
    source = f"womble: {kernel!r}, {trend.name} trend, priors"
    return _described(ds, data, layout, grid, scale == "response", source)


def require_grid(grid: Cells, data: SpatialData) -> None:
    """Refuse cells of another dimension or CRS than the data.

    Raises
    ------
    ValueError
    """
    dimension = data.coords.shape[1]
    if len(grid.shape) != dimension:
        raise ValueError(
            f"`grid` must have the data's {dimension} dimension(s); got {len(grid.shape)}. Make it "
            "with Grid.from_data(data)."
        )
    require_same_crs(grid.crs, data.crs, "grid")


def _process(
    kernel: Kernel, theta: Theta | State, points: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """A draw of the process at scaled `points` (p, d), shape (p,)."""
    anisotropy = getattr(theta, "anisotropy", None)
    if anisotropy is not None:
        points = points @ coordinate_map(anisotropy)
    box = np.stack([points.min(axis=0), points.max(axis=0)])
    priors = component_priors(kernel, theta.scales, box)
    return sum(prior.draw(rng).jets(points, 0)[:, 0] for prior in priors)


def _described(
    ds: xr.Dataset,
    data: SpatialData,
    layout: Layout,
    grid: Cells,
    response: bool,
    source: str,
) -> xr.Dataset:
    name, transformed = data.field_name(response), response and data.link != "identity"
    without = "with the trend's prior mean" if transformed else "without trend"
    labels = {"surface": name, "process": f"{name} {without}"}
    of_kind = {"lengthscale": data.coordinate_units}
    of_kind |= dict.fromkeys(IN_LINK_UNITS, data.difference_units)
    units = {n: of_kind.get(kind, "1") for n, kind in zip(layout.names, layout.kinds, strict=True)}
    both = (data.response_units,) * 2 if response else (data.link_units, data.difference_units)
    units |= dict(zip(("surface", "process"), both, strict=True))
    for variable, unit in units.items():
        ds[variable].attrs = {"long_name": labels.get(variable, variable)}
        if unit:
            ds[variable].attrs["units"] = unit
    return georeference(ds, grid, {"coordinate_units": data.coordinate_units, "source": source})
