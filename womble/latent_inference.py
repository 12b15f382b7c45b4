"""Inference for responses that are not Gaussian: Laplace's approximation, and joint NUTS."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import xarray as xr
from rich.progress import track
from scipy.special import gammaln, logsumexp
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.ensemble import WORKERS
from womble.inference import sample
from womble.joint_density import JointDensity
from womble.laplace import NormalApproximation
from womble.log_density import HyperparameterDensity
from womble.warn import warn

# Standard deviations of the lengthscale's logarithm, to either side of a mode, that a band is for.
PLAUSIBLE = 2.5
# Of the proposal's Student law: tails heavier than those of any posterior with proper priors.
FREEDOM = 5.0
# Effective draws of the importance sample, as a share.
LEAST_EFFICIENCY = 0.2


def plausible_lengthscales(
    density: HyperparameterDensity, modes: list[NormalApproximation]
) -> tuple[float, float]:
    """Shortest and longest scaled lengthscale within PLAUSIBLE sds of a mode."""
    lengths = np.array([kind == "lengthscale" for kind in density.layout.kinds])
    ends = []
    for found in modes:
        reach = PLAUSIBLE * np.sqrt(np.diag(found.covariance))
        for q in (found.mode - reach, found.mode + reach):
            ends.extend((density.theta(q) / density.units)[lengths])
    return float(min(ends)), float(max(ends))


@dataclass(frozen=True, eq=False)
class Mixture:
    """Student's laws about modes, each weighed by the mass that it stands for.

    Parameters
    ----------
    modes : list of NormalApproximation
    shares : array, shape (number of modes,)
    """

    modes: list[NormalApproximation]
    shares: FloatArray

    @classmethod
    def at(cls, density: Callable, modes: list[NormalApproximation]) -> Mixture:
        """With shares by height and volume."""
        mass = [density(m.mode)[0] + 0.5 * np.linalg.slogdet(m.covariance)[1] for m in modes]
        return cls(modes, np.exp(mass - logsumexp(mass)))

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Points (count, k)."""
        k = len(self.modes[0].mode)
        which = rng.choice(len(self.modes), count, p=self.shares)
        noise = rng.standard_normal((count, k))
        noise *= np.sqrt(FREEDOM / rng.chisquare(FREEDOM, count))[:, None]
        roots = np.stack([np.linalg.cholesky(mode.covariance) for mode in self.modes])
        centres = np.stack([mode.mode for mode in self.modes])
        return centres[which] + np.einsum("sij,sj->si", roots[which], noise)

    def log_density(self, points: FloatArray) -> FloatArray:
        """At points (s, k), shape (s,)."""
        k = points.shape[1]
        front = gammaln((FREEDOM + k) / 2) - gammaln(FREEDOM / 2) - k / 2 * np.log(FREEDOM * np.pi)
        each = []
        for mode in self.modes:
            root = np.linalg.cholesky(mode.covariance)
            square = np.sum(np.linalg.solve(root, (points - mode.mode).T) ** 2, axis=0)
            height = front - np.log(np.diag(root)).sum()
            each.append(height - 0.5 * (FREEDOM + k) * np.log1p(square / FREEDOM))
        return logsumexp(each, axis=0, b=self.shares[:, None])


def laplace_draws(
    density: HyperparameterDensity,
    modes: list[NormalApproximation],
    *,
    draws: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Hyperparameters under Laplace's approximation of their likelihood, by importance sampling.

    Points of the mixture of Student's laws about the modes are weighed by the density over the
    mixture's and resampled systematically.

    Returns
    -------
    posterior, sample_stats : xarray.Dataset
        Dimensions (chain, draw), one chain; `lp` is the log density, `effective_draws` the square
        of the sum of weights over the sum of their squares.
    """
    proposal = Mixture.at(density, modes)
    points = proposal.draw(draws, rng)
    bar = {"description": "Laplace", "total": draws, "disable": not progress, "transient": True}
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        heights = np.array(list(track(pool.map(lambda q: density(q)[0], points), **bar)))
    log_weights = heights - proposal.log_density(points)
    weights = np.exp(log_weights - logsumexp(log_weights))
    effective = 1 / np.sum(weights**2)
    if effective < LEAST_EFFICIENCY * draws:
        warn(
            f"importance sampling of the hyperparameters is poor: {effective:.0f} effective draws "
            f"of {draws}. Take inference='nuts', or a more informative prior."
        )
    # Systematic resampling: a point with weight w is taken w * draws times, to within one.
    ladder = (np.arange(draws) + rng.random()) / draws
    chosen = rng.permutation(np.minimum(np.searchsorted(np.cumsum(weights), ladder), draws - 1))
    theta = density.theta(points[chosen])
    dims = ("chain", "draw")
    posterior = xr.Dataset(
        {name: (dims, theta[None, :, i]) for i, name in enumerate(density.layout.names)},
        {"chain": [0], "draw": np.arange(draws)},
    )
    found = {"lp": (dims, heights[None, chosen]), "effective_draws": float(effective)}
    return posterior, xr.Dataset(found, posterior.coords)


def joint_draws(
    density: JointDensity,
    begin: list[FloatArray],
    *,
    draws: int,
    tune: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray, dict[str, xr.DataArray], xr.Dataset]:
    """Coordinates q and weights of the joint posterior by NUTS, a chain from each of `begin`.

    Its coordinates are standard normal as far as Laplace's approximation holds, so that only the
    step size is adapted: a variance for each of a thousand weights would be noise.

    Returns
    -------
    q : array, shape (chains, draws, k)
    weights : array, shape (chains, draws, m)
    axes : dict
    sample_stats : xarray.Dataset
    """
    from pymc.step_methods.hmc.quadpotential import QuadPotentialDiag

    points, axes, stats = sample(
        density,
        QuadPotentialDiag(np.ones(density.size)),
        begin,
        draws=draws,
        tune=tune,
        seed=int(rng.integers(2**31)),
        progress=progress,
    )
    weights = np.apply_along_axis(density.weights, -1, points)
    return density.coordinates(points), weights, axes, stats
