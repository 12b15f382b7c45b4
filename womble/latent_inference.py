"""NUTS over hyperparameters and field together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from womble.arrays import FloatArray
from womble.diagnostics import warn_of_trouble
from womble.engines.latent import LatentEngine
from womble.hyperparameters import LatentLayout
from womble.inference import sample
from womble.joint_density import JointDensity
from womble.scaling import Scaling

# Sites whose field must mix too.
WATCHED_SITES = 20


def joint_draws(
    density: JointDensity,
    begin: list[FloatArray],
    *,
    draws: int,
    tune: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray, xr.Dataset]:
    """Coordinates q and weights of the joint posterior by NUTS, a chain from each of `begin`.

    Its coordinates are standard normal as far as Laplace's approximation holds, so that only the
    step size is adapted: a variance for each of a thousand weights would be noise.

    Returns
    -------
    q : array, shape (chains, draws, k)
    weights : array, shape (chains, draws, m)
    sample_stats : xarray.Dataset
    """
    from pymc.step_methods.hmc.quadpotential import QuadPotentialDiag

    points, stats = sample(
        density,
        QuadPotentialDiag(np.ones(density.size)),
        begin,
        draws=draws,
        tune=tune,
        seed=int(rng.integers(2**31)),
        progress=progress,
    )
    weights = np.apply_along_axis(density.weights, -1, points)
    return density.coordinates(points), weights, stats


def warn_where_unmixed(
    engine: LatentEngine,
    layout: LatentLayout,
    posterior: xr.Dataset,
    weights: FloatArray,
    stats: xr.Dataset,
    scaling: Scaling,
    sampled: bool = True,
) -> None:
    """Warn where hyperparameters, or the field at some sites, have not mixed."""
    scaled = np.stack([posterior[name] for name in layout.names], axis=-1)
    scaled = scaled / layout.units(scaling)
    count = len(engine.coords)
    sites = np.unique(np.linspace(0, count - 1, min(count, WATCHED_SITES)).round().astype(int))
    field = np.empty((*weights.shape[:2], len(sites)))
    for at in np.ndindex(field.shape[:2]):
        sds = engine.sds(layout.theta(scaled[at]).scales)
        field[at] = engine.features[sites] @ (sds * weights[at])
    watched = {
        f"field at row {site}": (("chain", "draw"), field[..., i]) for i, site in enumerate(sites)
    }
    every = posterior.assign(watched) if sampled else xr.Dataset(watched, posterior.coords)
    warn_of_trouble(every, stats)
