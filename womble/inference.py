"""Sampling the hyperparameters with PyMC, and what samples are worth."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.base import Engine
from womble.hyperparameters import Layout, State, Theta
from womble.laplace import (
    LogDensityFunction,
    NormalApproximation,
    find_modes,
    promising_starts,
)
from womble.log_density import ClosedForm, Compiled, HyperparameterDensity
from womble.priors import DefaultPriors, check_priors
from womble.spatial_data import SpatialData
from womble.warn import warn

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

# Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021): mixing and Monte Carlo error.
LARGEST_R_HAT = 1.01
SMALLEST_ESS = 400

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

# Standard deviations to either side that hyperparameters plausibly reach.
PLAUSIBLE = 3.0


# And of a sum, with each component weak in turn.
WEAK = -2.0
# And of an anisotropic field, with a ratio of e along either axis and either diagonal.
STRETCHED = 1.0


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
    priors: Mapping[str, TensorVariable] | None,
) -> HyperparameterDensity:
    """The density that is sampled: `priors` of PyMC where given, the others by default.

    Raises
    ------
    ValueError, TypeError
        If the priors cannot be used.
    """
    given, default = check_priors(priors, layout.names), DefaultPriors.of(data, layout)
    prior = Compiled(default.as_pymc() | given) if given else ClosedForm(default)
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
    each mode that was found, with twice the posterior's spread.

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
    points, stats = sample(
        density,
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
    # PyMC limits BLAS threads only where it does not fork; forked chains inherit this limit.
    with _quiet(progress), threadpool_limits(1, user_api="blas"), pm.Model():
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
    priors: Mapping[str, TensorVariable] | None,
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


def as_arviz(posterior: xr.Dataset, sample_stats: xr.Dataset | None) -> object:
    """The container of the installed ArviZ: InferenceData below 1.0, DataTree from then on."""
    groups = {"posterior": posterior}
    if sample_stats is not None:
        groups["sample_stats"] = sample_stats
    # ArviZ 1 answers to the old name too, with a warning: ask for its version.
    if int(version("arviz").split(".")[0]) < 1:
        import arviz

        return arviz.InferenceData(**groups)
    return xr.DataTree.from_dict(groups)


def diagnostics(posterior: xr.Dataset, sample_stats: xr.Dataset | None) -> dict[str, xr.Dataset]:
    """R-hat and effective sample sizes of every hyperparameter, by name of the diagnostic.

    R-hat compares chains: it is NaN where there is only one. After importance sampling there are no
    chains, and both effective sizes are that of the weights.
    """
    import arviz

    if sample_stats is not None and "k_hat" in sample_stats:
        unknown = xr.full_like(posterior.mean(), np.nan)
        ess = xr.full_like(unknown, float(sample_stats["ess"]))
        return {"ess_bulk": ess, "ess_tail": ess, "r_hat": unknown}
    several = posterior.sizes["chain"] > 1
    # Chains that never move have no variance to divide by: their R-hat is infinite, and says so.
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ess_bulk": arviz.ess(posterior, method="bulk"),
            "ess_tail": arviz.ess(posterior, method="tail"),
            "r_hat": arviz.rhat(posterior) if several else xr.full_like(posterior.mean(), np.nan),
        }


def warn_of_trouble(posterior: xr.Dataset, sample_stats: xr.Dataset) -> None:
    """Warn of divergences, R-hat above 1.01 and effective sizes below 400, with what to do."""
    if "k_hat" in sample_stats:
        ess = float(sample_stats["ess"])
        if ess < SMALLEST_ESS:
            warn(
                f"few effective draws (below {SMALLEST_ESS}: {ess:.0f} of "
                f"{int(sample_stats['evaluations'])} weighted points): quantiles are noisy. Run "
                "more draws (draws=...), or inference='nuts'.",
            )
        return
    divergent = int(sample_stats["diverging"].sum())
    if divergent:
        warn(
            f"{divergent} of {sample_stats['diverging'].size} draws diverged: the posterior has a "
            "corner that NUTS does not reach. Give an informative prior for noise_sd or "
            "lengthscale, or a rougher kernel.",
        )
    several = posterior.sizes["chain"] > 1
    if not several:
        warn(
            "a single chain cannot show whether it has explored the whole posterior (no R-hat). "
            "Run at least chains=2.",
        )
    found = diagnostics(posterior, sample_stats)
    r_hat = {name: float(found["r_hat"][name]) for name in posterior}
    ess = {
        name: float(np.fmin(found["ess_bulk"][name], found["ess_tail"][name])) for name in posterior
    }
    bad = [f"{name} {value:.3f}" for name, value in r_hat.items() if not value <= LARGEST_R_HAT]
    if bad and several:
        warn(
            f"chains disagree (R-hat above {LARGEST_R_HAT}: {', '.join(bad)}). Run more tuning "
            "steps (tune=...), and look for two explanations of the data: a short lengthscale "
            "against noise.",
        )
    few = [f"{name} {value:.0f}" for name, value in ess.items() if not value >= SMALLEST_ESS]
    if few:
        warn(
            f"few effective draws (below {SMALLEST_ESS}: {', '.join(few)}): quantiles are noisy. "
            "Run more draws (draws=...) or chains.",
        )
