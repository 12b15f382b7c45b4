"""Sampling the hyperparameters with PyMC."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from womble.engines.base import Engine, Theta
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    import pymc as pm
    from pytensor.tensor import TensorVariable

# Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021): mixing and Monte Carlo error.
LARGEST_R_HAT = 1.01
SMALLEST_ESS = 400


def theta_units(data: SpatialData) -> Theta:
    """Factors that turn scaled hyperparameters into user units."""
    scaling = data.scaling
    return Theta(lengthscale=scaling.length, amplitude=scaling.scale, noise_sd=scaling.scale)


def pymc_model(engine: Engine, data: SpatialData, priors: Mapping[str, TensorVariable]) -> pm.Model:
    """The PyMC model of the hyperparameters, in user units, with the field integrated out."""
    import pymc as pm
    import pytensor.tensor as pt

    from womble.likelihood import LogLikelihood

    with pm.Model() as model:
        variables = [model.register_rv(priors[name], name) for name in Theta._fields]
        theta = pt.stack(variables) / np.array(theta_units(data))
        pm.Potential("log_likelihood", LogLikelihood(engine)(theta)[0])
    return model


def nuts(
    model: pm.Model,
    *,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Draw the hyperparameters by the no-U-turn sampler with a dense mass matrix.

    Returns
    -------
    posterior, sample_stats : xarray.Dataset
        Dimensions (chain, draw).
    """
    import pymc as pm
    from pytensor.compile.mode import Mode

    cores = min(chains, os.cpu_count() or 1)
    # The graph around the likelihood is two dozen scalars: rewriting it helps, compiling does not.
    # PyMC limits BLAS threads only where it does not fork; forked chains inherit this limit.
    with _quiet(progress), threadpool_limits(1, user_api="blas"), model:
        result = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            blas_cores=cores,  # in all, so one a chain
            init="jitter+adapt_full",
            nuts_sampler="pymc",
            random_seed=int(rng.integers(2**31)),
            progressbar=progress,
            compute_convergence_checks=False,
            compile_kwargs={"mode": Mode(linker="py", optimizer="fast_run")},
        )
    return plain_dataset(result, "posterior"), plain_dataset(result, "sample_stats")


@contextmanager
def _quiet(progress: bool) -> Iterator[None]:
    """Keep PyMC's log lines for those who want progress, and one warning from everybody."""
    logger = logging.getLogger("pymc")
    level = logger.level
    with warnings.catch_warnings():
        # A dense mass matrix of three parameters is what PyMC calls experimental.
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


def diagnostics(posterior: xr.Dataset) -> dict[str, xr.Dataset]:
    """R-hat and effective sample sizes of every hyperparameter, by name of the diagnostic.

    R-hat compares chains: it is NaN where there is only one.
    """
    import arviz

    several = posterior.sizes["chain"] > 1
    # Chains that never move have no variance to divide by: their R-hat is infinite, and says so.
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ess_bulk": arviz.ess(posterior, method="bulk"),
            "ess_tail": arviz.ess(posterior, method="tail"),
            "r_hat": arviz.rhat(posterior) if several else xr.full_like(posterior.mean(), np.nan),
        }


def warn_of_trouble(posterior: xr.Dataset, sample_stats: xr.Dataset) -> None:
    """Warn of divergences, R-hat above 1.01 and effective sizes below 400, with what to do.

    The warnings point at the caller of the function that calls this one: at the call of `fit`.
    """
    divergent = int(sample_stats["diverging"].sum())
    if divergent:
        warnings.warn(
            f"{divergent} of {sample_stats['diverging'].size} draws diverged: the posterior has a "
            "corner that NUTS does not reach. Give an informative prior for noise_sd or "
            "lengthscale, or a rougher kernel.",
            stacklevel=3,
        )
    several = posterior.sizes["chain"] > 1
    if not several:
        warnings.warn(
            "a single chain cannot show whether it has explored the whole posterior (no R-hat). "
            "Run at least chains=2.",
            stacklevel=3,
        )
    found = diagnostics(posterior)
    r_hat = {name: float(found["r_hat"][name]) for name in posterior}
    ess = {
        name: float(np.fmin(found["ess_bulk"][name], found["ess_tail"][name])) for name in posterior
    }
    bad = [f"{name} {value:.3f}" for name, value in r_hat.items() if not value <= LARGEST_R_HAT]
    if bad and several:
        warnings.warn(
            f"chains disagree (R-hat above {LARGEST_R_HAT}: {', '.join(bad)}). Run more tuning "
            "steps (tune=...), and look for two explanations of the data: a short lengthscale "
            "against noise.",
            stacklevel=3,
        )
    few = [f"{name} {value:.0f}" for name, value in ess.items() if not value >= SMALLEST_ESS]
    if few:
        warnings.warn(
            f"few effective draws (below {SMALLEST_ESS}: {', '.join(few)}): quantiles are noisy. "
            "Run more draws (draws=...) or chains.",
            stacklevel=3,
        )
