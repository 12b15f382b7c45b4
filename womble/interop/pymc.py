"""Hyperparameter draws of somebody's `pm.gp.Marginal` model as a Posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.diagnostics import warn_of_short_lengthscale
from womble.engines import choose_engine
from womble.hyperparameters import Layout
from womble.model import FieldModel
from womble.posterior import Posterior
from womble.spatial_data import SpatialData, spatial_data
from womble.trend import Trend

if TYPE_CHECKING:
    import geopandas as gpd

    from womble.arrays import FloatArray
    from womble.kernels import Kernel

NAMES = {"lengthscale": "ls", "amplitude": "eta", "noise_sd": "sigma"}


@checked
def from_pymc(
    inference_data: Any,
    coords: FloatArray | gpd.GeoDataFrame | gpd.GeoSeries,
    values: FloatArray,
    *,
    kernel: Kernel,
    names: Mapping[str, str] = NAMES,
    trend: Literal["none", "constant"] = "none",
    units: str | None = None,
) -> Posterior:
    r"""The field of a sampled `pm.gp.Marginal` model, with its derivatives.

    For a model of covariance ``eta**2 * pm.gp.cov.Matern52(2, ls=ls)`` and noise ``sigma``: the
    kernels `ExpQuad`, `Matern32` and `Matern52` are `SquaredExponential()`, `Matern(1.5)` and
    `Matern(2.5)` here, with the same lengthscale. The draws are taken as they are; the data must
    be those of the model, in the units of its lengthscale. PyMC adds 1e-6 to the variances of
    the data while it samples, which is not part of the noise here.

    Parameters
    ----------
    inference_data : InferenceData, DataTree or Dataset
        What `pm.sample` returned, or its posterior.
    coords : array, shape (n, d) or (n,), or points as a GeoDataFrame or GeoSeries
        The model's X; points bring their CRS along.
    values : array, shape (n,)
        The model's y. A mean function must be taken off them first.
    kernel : Kernel
    names : mapping of str to str
        The model's name of each hyperparameter: `lengthscale`, `amplitude` (a standard deviation)
        and `noise_sd`; numbered for a sum of kernels.
    trend : {"none", "constant"}
        "none" for a mean of zero, which is PyMC's default; "constant" adds an unknown constant,
        integrated out.
    units : str, optional
        Units of the values.

    Returns
    -------
    Posterior

    Raises
    ------
    TypeError
        If `inference_data` or `kernel` is of another kind.
    ValueError
        If a hyperparameter is missing, has another shape than (chain, draw) or is not positive and
        finite; or the data or the trend cannot be used.

    Warns
    -----
    UserWarning
        Where the lengthscale is short beside the spacing of the sites.
    """
    if trend not in ("none", "constant"):
        raise ValueError(f"`trend` must be 'none' or 'constant'; got {trend!r}.")
    model = FieldModel(kernel=kernel, trend=trend)
    data = replace(_data(coords, values, units), centred=trend != "none")
    layout = Layout.of(model.kernel)
    posterior = _group(inference_data, "posterior")
    draws = _draws(posterior, layout, names)
    stats = _group(inference_data, "sample_stats", optional=True)
    engine, reason = choose_engine("dense", model.kernel, Trend(trend), data)
    theirs = ", ".join(names[name] for name in layout.names)
    chains, count = draws.sizes["chain"], draws.sizes["draw"]
    reason += f"; hyperparameters from {chains} x {count} draws of a PyMC model ({theirs})"
    how = "draws of a PyMC model"
    warn_of_short_lengthscale(draws, data.coords)
    return Posterior(data, model.kernel, trend, draws, stats, reason, engine, how)


def _data(coords: Any, values: Any, units: str | None) -> SpatialData:
    import geopandas as gpd

    if isinstance(coords, gpd.GeoDataFrame | gpd.GeoSeries):
        frame = gpd.GeoDataFrame({"value": np.asarray(values)}, geometry=coords.geometry.array)
        return spatial_data(frame, "value", units=units)
    return spatial_data((coords, values), units=units)


def _group(container: Any, group: str, optional: bool = False) -> xr.Dataset | None:
    """A group of the container; None if it may be missing and is."""
    if isinstance(container, xr.Dataset):
        return None if optional else container
    if isinstance(container, getattr(xr, "DataTree", ())):
        if group in container.children:
            return container[group].to_dataset()
        if not optional and container.data_vars:
            return container.to_dataset()  # the posterior itself
    elif type(container).__name__ == "InferenceData":
        if group in container.groups():
            return container[group]
    else:
        raise TypeError(
            "`inference_data` must be what pm.sample returned (InferenceData or DataTree) or its "
            f"posterior as a Dataset; got {type(container).__name__}."
        )
    if optional:
        return None
    raise ValueError(
        f"`inference_data` must have a group {group!r}; it has none. Pass what pm.sample returned."
    )


def _draws(posterior: xr.Dataset, layout: Layout, names: Mapping[str, str]) -> xr.Dataset:
    """The hyperparameters under their names here, dimensions (chain, draw)."""
    if set(names) != set(layout.names):
        raise ValueError(
            f"`names` must name {', '.join(layout.names)}; got {', '.join(names) or 'nothing'}."
        )
    found = {}
    for ours in layout.names:
        theirs = names[ours]
        if theirs not in posterior:
            have = ", ".join(str(name) for name in posterior.data_vars)
            raise ValueError(
                f"the {ours} {theirs!r} is not in the posterior, which has {have}. Give its name "
                f"in names={{{ours!r}: ...}}."
            )
        array = posterior[theirs]
        if set(array.dims) != {"chain", "draw"}:
            raise ValueError(
                f"the {ours} {theirs!r} must have dimensions (chain, draw), one number a draw; got "
                f"{array.dims}. A lengthscale for each coordinate is not supported."
            )
        bad = ~(np.isfinite(array) & (array > 0))
        if bad.any():
            raise ValueError(
                f"the {ours} {theirs!r} must be positive and finite; {int(bad.sum())} of "
                f"{array.size} draws are not. Is it a logarithm? Give the name of its exponential."
            )
        plain = array.transpose("chain", "draw").astype(float)
        found[ours] = plain.variable.copy(deep=True)
        found[ours].attrs = {}
    return xr.Dataset(found, {axis: posterior[axis] for axis in ("chain", "draw")})
