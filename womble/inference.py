"""The density of the hyperparameters, its modes, and NUTS by PyMC."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.base import Engine
from womble.force import with_force
from womble.hyperparameters import Layout, State, Theta
from womble.laplace import (
    LogDensityFunction,
    NormalApproximation,
    find_modes,
    promising_starts,
)
from womble.log_density import HyperparameterDensity, joint_prior
from womble.priors import stated_priors
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    from womble.priors import Priors

# Draws that the normal approximation counts for in the first mass matrix.
INITIAL_WEIGHT = 100

# Of NUTS. The usual 0.8 allows a trajectory to diverge once in 10,000 draws; 0.9 takes 4.5
# leapfrog steps a draw instead of 3.5.
TARGET_ACCEPT = 0.85

# Where modes are looked for, from the prior's bulk: there, at short lengthscales with little noise
# and at long ones with much; on logarithms with the default priors.
STARTS = (
    {},
    {"lengthscale": -1.5, "noise_sd": -1.5},
    {"lengthscale": 1.5, "noise_sd": 0.5},
)

# And of a sum, with each component weak in turn.
WEAK = -2.0
# And of an anisotropic field, with a ratio of e along either axis and either diagonal.
STRETCHED = 1.0

# Standard deviations to either side that hyperparameters plausibly reach.
PLAUSIBLE = 3.0


def starts(density: HyperparameterDensity) -> FloatArray:
    """Where modes are looked for, shape (m, k)."""
    layout = density.layout
    offsets = [[at.get(kind, 0.0) for kind in layout.kinds] for at in STARTS]
    if layout.components > 1:
        amplitudes = np.flatnonzero(np.array(layout.kinds) == "amplitude")
        offsets.extend(WEAK * np.eye(len(layout.kinds))[amplitudes])
    if layout.anisotropic:
        axes = STRETCHED * np.eye(len(layout.kinds))[-2:]
        offsets.extend([*axes, *-axes])
    return density.prior.start + np.array(offsets)


def hyperparameter_density(
    engine: Engine,
    layout: Layout,
    data: SpatialData,
    priors: Priors,
) -> HyperparameterDensity:
    """The density that is sampled, with `priors` as `FieldModel` takes them.

    Raises
    ------
    ValueError, TypeError
        If the priors cannot be used.
    """
    prior = joint_prior(*stated_priors(priors, data, layout), layout.names)
    return HyperparameterDensity(engine, prior, layout, layout.units(data.scaling))


def hyperparameter_draws(theta: FloatArray, layout: Layout) -> xr.Dataset:
    """Hyperparameters (chain, draw, k) in user units as a Dataset."""
    axes = {"chain": np.arange(theta.shape[0]), "draw": np.arange(theta.shape[1])}
    return xr.Dataset(
        {name: (("chain", "draw"), theta[..., i]) for i, name in enumerate(layout.names)}, axes
    )


def modes_of(density: HyperparameterDensity) -> list[NormalApproximation]:
    """All modes, from the usual starts and from what a look around promises."""
    promising = promising_starts(density.value, density.prior.start)
    return find_modes(density, np.concatenate([starts(density), promising]))


def nuts(
    density: HyperparameterDensity,
    modes: list[NormalApproximation],
    *,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Draw the hyperparameters by the no-U-turn sampler with a dense mass matrix.

    Its adaptation begins at the normal approximation of the posterior. The chains begin in turn at
    each mode that was found, with twice the posterior's spread. Around a single mode a polynomial
    moves them, if it is close to the gradient (see `womble.force`).

    Returns
    -------
    posterior, sample_stats : xarray.Dataset
        Dimensions (chain, draw).
    """
    from pymc.step_methods.hmc.quadpotential import QuadPotentialFullAdapt

    seed = int(rng.integers(2**31))
    mean, covariance, _ = modes[0]
    with _quiet(progress):
        potential = QuadPotentialFullAdapt(len(mean), mean, covariance, INITIAL_WEIGHT)
    moved = with_force(density, modes[0]) if len(modes) == 1 else density
    points, stats = sample(
        moved,
        potential,
        [mode.dispersed(rng) for mode in islice(cycle(modes), chains)],
        draws=draws,
        tune=tune,
        seed=seed,
        progress=progress,
    )
    return hyperparameter_draws(density.theta(points), density.layout), stats


def sample(
    density: LogDensityFunction,
    potential: object,
    begin: Sequence[FloatArray],
    *,
    draws: int,
    tune: int,
    seed: int,
    progress: bool,
) -> tuple[FloatArray, xr.Dataset]:
    """Draws of a log density by the no-U-turn sampler, a chain from each of `begin` (k,).

    Parameters
    ----------
    density : function
        From a point (k,) to its log density and the gradient.
    potential : QuadPotential
        PyMC's word for a mass matrix and its adaptation.

    Returns
    -------
    points : array, shape (chains, draws, k)
    sample_stats : xarray.Dataset
    """
    import pymc as pm
    from pytensor.compile.mode import Mode

    from womble.likelihood import LogDensity

    chains = len(begin)
    # PyMC limits BLAS threads only where it does not fork; forked chains inherit this limit. The
    # model is no part of one that is open.
    with _quiet(progress), threadpool_limits(1, user_api="blas"), pm.Model(model=None):
        pm.Potential("log_density", LogDensity(density)(pm.Flat("q", shape=len(begin[0])))[0])
        # A handful of nodes around the density: not worth compiling.
        step = pm.NUTS(
            target_accept=TARGET_ACCEPT,
            potential=potential,
            compile_kwargs={"mode": Mode(linker="py", optimizer="fast_compile")},
        )
        cores = min(chains, os.cpu_count() or 1)
        result = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            blas_cores=cores,  # in all, so one a chain
            step=step,
            initvals=[{"q": point} for point in begin],
            nuts_sampler="pymc",
            random_seed=seed,
            progressbar=progress,
            compute_convergence_checks=False,
        )
    found = plain_dataset(result, "posterior")["q"].to_numpy()
    return found, plain_dataset(result, "sample_stats")


def plausible_thetas(
    engine: Engine,
    layout: Layout,
    data: SpatialData,
    priors: Priors,
) -> list[Theta]:
    """Hyperparameters, in scaled units, that span the posterior: what a band is made for."""
    density = hyperparameter_density(engine, layout, data, priors)
    # Several BLAS threads on the small matrices of a part wait for one another.
    with threadpool_limits(1, user_api="blas"):
        return thetas_around(density, find_modes(density, starts(density)))


def thetas_around(
    density: HyperparameterDensity, modes: list[NormalApproximation], reach: float = PLAUSIBLE
) -> list[Theta] | list[State]:
    """Hyperparameters, in scaled units, that span what the modes stand for.

    The normal approximation at each mode: its centre, and `reach` sds to either side along each of
    its axes.
    """
    points = []
    for mode, covariance, _ in modes:
        variances, axes = np.linalg.eigh(covariance)
        steps = reach * np.sqrt(variances) * axes
        points += [mode, *(mode + steps.T), *(mode - steps.T)]
    thetas = density.theta(np.array(points)) / density.units
    return [density.layout.theta(row) for row in thetas]


@contextmanager
def _quiet(progress: bool) -> Iterator[None]:
    """Keep PyMC's log lines for those who want progress, and one warning from everybody."""
    logger = logging.getLogger("pymc")
    level = logger.level
    with warnings.catch_warnings():
        # A dense mass matrix of a handful of parameters is what PyMC calls experimental.
        warnings.filterwarnings("ignore", message="QuadPotentialFullAdapt", category=UserWarning)
        if not progress:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def plain_dataset(result: object, group: str) -> xr.Dataset:
    """A group of ArviZ's InferenceData (PyMC 5) or xarray's DataTree (PyMC 6) as a Dataset."""
    found = result[group]
    return found if isinstance(found, xr.Dataset) else found.to_dataset()
