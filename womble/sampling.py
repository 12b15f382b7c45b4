"""The posterior of the hyperparameters: by NUTS, by importance sampling, or its mode."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from womble.diagnostics import warn_of_trouble
from womble.importance import FEWEST_POINTS, Weighted, importance_sample
from womble.inference import hyperparameter_draws, modes_of, nuts
from womble.laplace import NormalApproximation
from womble.log_density import HyperparameterDensity
from womble.pareto import LARGEST_K_HAT
from womble.warn import warn

# Standard deviations from a mode at which its density must be known.
REACH = 2.0

Method = Literal["nuts", "importance", "map"]


class Sampled(NamedTuple):
    """What became of a posterior.

    Attributes
    ----------
    draws : xarray.Dataset
        Hyperparameters in user units, dimensions (chain, draw).
    sample_stats : xarray.Dataset or None
        None for the mode, which is no sample.
    how : str
        Method and its figures, in words.
    """

    draws: xr.Dataset
    sample_stats: xr.Dataset | None
    how: str


def sample(
    density: HyperparameterDensity,
    method: Method,
    *,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> Sampled:
    """The posterior by the method asked for; by NUTS where importance sampling fails.

    Warns
    -----
    UserWarning
        Of that, and as `warn_of_trouble`.
    """
    # No numbers are drawn here: a seed gives NUTS the same draws however many modes there are.
    with threadpool_limits(1, user_api="blas"):
        modes = modes_of(density)
        require_resolved(density, modes)
    if method == "map":
        return _mode(density, modes)
    given_up = ""
    if method == "importance":
        points = max(draws, FEWEST_POINTS)
        found = importance_sample(density.value, modes, density.broad, points, rng, progress)
        if found.k_hat <= LARGEST_K_HAT:
            sampled = resampled(density, modes, found, draws, rng)
            warn_of_trouble(sampled.draws, sampled.sample_stats)
            return sampled
        given_up = f"; importance sampling was given up, k-hat {found.k_hat:.2f}"
        warn(
            f"importance sampling does not hold here (k-hat {found.k_hat:.2f}, above "
            f"{LARGEST_K_HAT}: the posterior is far from its approximation at {len(modes)} "
            "mode(s)). NUTS is run instead; inference='nuts' asks for it at once."
        )
    posterior, stats = nuts(
        density, modes, draws=draws, tune=tune, chains=chains, rng=rng, progress=progress
    )
    warn_of_trouble(posterior, stats)
    how = f"NUTS: {chains} x {draws} draws after {tune} tuning steps each{given_up}"
    return Sampled(posterior, stats, how)


def require_resolved(density: HyperparameterDensity, modes: list[NormalApproximation]) -> None:
    """Refuse a posterior that reaches to where double precision cannot tell its density.

    Raises
    ------
    ValueError
        If the density is nil at two standard deviations from a mode.
    """
    for mode, covariance, _ in modes:
        variances, axes = np.linalg.eigh(covariance)
        steps = REACH * np.sqrt(variances) * axes
        for point in (mode, *(mode + steps.T), *(mode - steps.T)):
            if np.isfinite(density.value(point)):
                continue
            theta = density.theta(point)
            names = zip(density.layout.names, theta, strict=True)
            raise ValueError(
                "the posterior of the hyperparameters reaches to where double precision cannot "
                f"tell its density, at {', '.join(f'{name} {x:.3g}' for name, x in names)}. "
                "Values (nearly) without noise under a smooth kernel do this. Take a rougher "
                "kernel, such as Matern(nu=2.5), give noise_sd a prior away from 0 (an inverse "
                "gamma around a thousandth of the values' sd, say), or state the hyperparameters: "
                "condition(.., noise_sd=...)."
            )


def _mode(density: HyperparameterDensity, modes: list[NormalApproximation]) -> Sampled:
    """One draw: the highest mode of the density on coordinates without bounds."""
    best = max((mode.mode for mode in modes), key=density.value)
    theta = density.theta(best[None, None])
    # With the default priors these coordinates are logarithms.
    how = f"posterior mode (map), on coordinates without bounds: highest of {len(modes)}"
    return Sampled(hyperparameter_draws(theta, density.layout), None, how)


def resampled(
    density: HyperparameterDensity,
    modes: list[NormalApproximation],
    found: Weighted,
    draws: int,
    rng: np.random.Generator,
) -> Sampled:
    """Draws that count alike, from weighted points."""
    chosen = found.resampled(draws, rng)
    distinct = len(np.unique(chosen))
    each = {
        "lp": found.log_density[chosen],
        "log_weight": np.log(found.weights[chosen]),
        "point": chosen,
    }
    whole = {
        "k_hat": found.k_hat,
        "ess": found.ess,
        "points": len(found.points),
        "modes": len(modes),
        "distinct": distinct,
    }
    stats = {name: (("chain", "draw"), x[None]) for name, x in each.items()}
    how = (
        f"importance: {len(modes)} mode{'s' * (len(modes) > 1)}, {len(found.points)} points, "
        f"k-hat {found.k_hat:.2f}, ESS {found.ess:.0f}, {distinct} distinct draws of {draws}"
    )
    posterior = hyperparameter_draws(density.theta(found.points[chosen][None]), density.layout)
    return Sampled(posterior, xr.Dataset(stats | whole, posterior.coords), how)
