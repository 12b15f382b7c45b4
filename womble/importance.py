r"""Importance sampling from Student-t distributions at the modes of a density.

Points q_i from a proposal g with weights :math:`w_i \propto p(q_i) / g(q_i)` stand for the density
p, whatever g is; g only decides how many of them count.

References
----------
Geweke (1989), Econometrica 57, 1317-1339; Owen and Zhou (2000), JASA 95, 135-143.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np
from rich.progress import track
from scipy.spatial import cKDTree
from scipy.special import logsumexp, softmax
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.ensemble import WORKERS
from womble.laplace import NormalApproximation
from womble.pareto import effective_size, smoothed_weights

# Of the proposal: tails that fall with power 5 + k, far above those of a log density in q.
DEGREES_OF_FREEDOM = 5.0
# Share of each mode's points that have WIDER times its standard deviations, for what curvature at
# the mode does not tell; share of the points that modes get alike, as their masses are guesses.
DEFENSIVE_SHARE, WIDER = 0.1, 2.0
EQUAL_SHARE = 0.2
# The weights' variance exists below this shape (Vehtari et al. 2024); beyond, or with a smaller
# share of effective points, a second proposal pays.
GOOD_K_HAT, GOOD_SHARE = 0.5, 0.4
# Fewer points have too few tail weights to tell what their tail is.
FEWEST_POINTS = 400


@dataclass(frozen=True, eq=False)
class StudentMixture:
    """A mixture of multivariate Student-t distributions.

    Attributes
    ----------
    shares : array, shape (m,)
        They sum to 1.
    centres : array, shape (m, k)
    roots : array, shape (m, k, k)
        Cholesky factors of the scale matrices.
    """

    shares: FloatArray
    centres: FloatArray
    roots: FloatArray

    @classmethod
    def at(
        cls, shares: FloatArray, centres: Sequence[FloatArray], covariances: Sequence[FloatArray]
    ) -> StudentMixture:
        """At every centre (k,) a component with its covariance (k, k) and a wider one."""
        shares = (1 - EQUAL_SHARE) * shares + EQUAL_SHARE / len(shares)
        roots = np.linalg.cholesky(np.array(covariances))
        return cls(
            np.concatenate([(1 - DEFENSIVE_SHARE) * shares, DEFENSIVE_SHARE * shares]),
            np.concatenate([centres, centres]),
            np.concatenate([roots, WIDER * roots]),
        )

    @classmethod
    def of_modes(cls, modes: Sequence[NormalApproximation]) -> StudentMixture:
        """Modes by the mass that their normal approximations have."""
        shares = softmax([mode.log_mass for mode in modes])
        return cls.at(shares, [m.mode for m in modes], [m.covariance for m in modes])

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Points, shape (count, k); every component has its share of them, rounded at random."""
        component = systematic(self.shares, count, rng)
        noise = rng.standard_normal((count, self.centres.shape[1]))
        stretch = np.sqrt(DEGREES_OF_FREEDOM / rng.chisquare(DEGREES_OF_FREEDOM, count))
        steps = np.einsum("nij,nj->ni", self.roots[component], noise)
        return self.centres[component] + stretch[:, None] * steps

    def log_densities(self, points: FloatArray) -> FloatArray:
        """Log of share times density of every component at `points` (n, k), shape (n, m)."""
        k, df = points.shape[1], DEGREES_OF_FREEDOM
        constant = lgamma((df + k) / 2) - lgamma(df / 2) - 0.5 * k * log(df * pi)
        columns = []
        for share, centre, root in zip(self.shares, self.centres, self.roots, strict=True):
            square = np.sum(np.linalg.solve(root, (points - centre).T) ** 2, axis=0)
            spread = np.log(np.diag(root)).sum()
            columns.append(log(share) - spread - 0.5 * (df + k) * np.log1p(square / df))
        return constant + np.stack(columns, axis=1)

    def refined(self, points: FloatArray, weights: FloatArray) -> StudentMixture:
        """The same number of centres, with the moments of weighted points (n, k).

        A point belongs to a centre as far as that explains it. A centre with fewer effective points
        than a covariance takes keeps what it had.
        """
        half, k = len(self.shares) // 2, points.shape[1]
        belongs = softmax(self.log_densities(points), axis=1)
        belongs = (belongs[:, :half] + belongs[:, half:]) * weights[:, None]
        centres, covariances = (
            list(self.centres[:half]),
            [root @ root.T for root in self.roots[:half]],
        )
        for j, own in enumerate(belongs.T):
            mass = own.sum()
            if mass > 0 and effective_size(own / mass) > 10 * k:
                centres[j] = own @ points / mass
                apart = points - centres[j]
                covariances[j] = (own[:, None] * apart).T @ apart / mass
        return StudentMixture.at(belongs.sum(axis=0), centres, covariances)


@dataclass(frozen=True, eq=False)
class Weighted:
    """Points that stand for a density with their weights.

    Attributes
    ----------
    points : array, shape (n, k)
    log_density : array, shape (n,)
    weights : array, shape (n,)
        Pareto-smoothed; they sum to 1.
    k_hat : float
    """

    points: FloatArray
    log_density: FloatArray
    weights: FloatArray
    k_hat: float

    @property
    def ess(self) -> float:
        """Effective number of points."""
        return float(effective_size(self.weights))

    def resampled(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices (count,) of points that stand for the density alike, in random order.

        Systematic resampling of neighbours in turn: the number of copies in any region is right to
        about one (Gerber, Chopin and Whiteley 2019).
        """
        deviations = self.points - self.weights @ self.points
        covariance = (self.weights[:, None] * deviations).T @ deviations
        white = np.linalg.solve(np.linalg.cholesky(covariance), deviations.T).T
        order = cKDTree(white, leafsize=1).indices  # leaf by leaf: neighbours in turn
        return rng.permutation(order[systematic(self.weights[order], count, rng)])


def systematic(weights: FloatArray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (count,), ascending: each its weight times `count` times, rounded up or down."""
    total = np.cumsum(weights)
    at = (np.arange(count) + rng.random()) / count
    return np.searchsorted(total / total[-1], at, side="right")


def importance_sample(
    log_density: Callable[[FloatArray], float],
    modes: Sequence[NormalApproximation],
    count: int,
    rng: np.random.Generator,
    progress: bool,
) -> Weighted:
    """Weighted points of a density from Student-t distributions at its modes.

    Where the weights' tail is poor or few count, as many points again come from a second proposal
    with the moments of the first sample. The weights of all are then by the mean of both proposals,
    so that none is wasted (Veach and Guibas 1995, the balance heuristic).

    Parameters
    ----------
    log_density : function
        From a point (k,) to the log density there; safe in threads.
    modes : sequence of NormalApproximation
        Distinct; all there are.
    count : int
        Points from each proposal.
    """
    proposals = [StudentMixture.of_modes(modes)]
    points = proposals[0].draw(count, rng)
    found = _weighted(points, values_at(log_density, points, progress), proposals)
    if not (found.k_hat < GOOD_K_HAT and found.ess > GOOD_SHARE * count):
        proposals.append(proposals[0].refined(points, found.weights))
        more = proposals[1].draw(count, rng)
        values = np.concatenate([found.log_density, values_at(log_density, more, progress)])
        found = _weighted(np.concatenate([points, more]), values, proposals)
    return found


def _weighted(
    points: FloatArray, log_density: FloatArray, proposals: Sequence[StudentMixture]
) -> Weighted:
    parts = np.concatenate([g.log_densities(points) for g in proposals], axis=1)
    weights, k_hat = smoothed_weights(log_density - logsumexp(parts, axis=1))
    return Weighted(points, log_density, weights, float(k_hat))


def values_at(
    log_density: Callable[[FloatArray], float], points: FloatArray, progress: bool
) -> FloatArray:
    """Log densities (n,) at `points` (n, k), on all cores with one BLAS thread each."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        values = pool.map(log_density, points)
        bar = {"total": len(points), "disable": not progress, "transient": True}
        return np.array(list(track(values, description="Importance sampling", **bar)))
