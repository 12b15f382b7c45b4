r"""Importance sampling from Student-t distributions, at a density's modes and where they lack mass.

Points q_i from a proposal g with weights :math:`w_i \propto p(q_i) / g(q_i)` stand for the density
p, whatever g is; g only decides how many of them count.

References
----------
Geweke (1989), Econometrica 57, 1317-1339; Owen and Zhou (2000), JASA 95, 135-143; Raftery and Bao
(2010), Biometrics 66, 1162-1173.
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
# Of as many points as come from the modes, those from around the prior's bulk. Where data say
# little (an amplitude near 0 leaves the lengthscale to its prior) mass is far from every mode, and
# no weight of a sample around them would tell.
BROAD_SHARE = 0.2
# The weights' variance exists below this shape (Vehtari et al. 2024); beyond, or with a smaller
# share of effective points, another proposal pays.
GOOD_K_HAT, GOOD_SHARE = 0.5, 0.6
# Fewer points have too few tail weights to tell what their tail is.
FEWEST_POINTS = 400
# Points a coordinate around the one that counts most: as many shape the next proposal as come from
# it. Posteriors of 40 and 50 data take 0 to 6 of them; one that needs more than 30 is given up.
NEARBY, MOST_COMPONENTS = 60, 30


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

    def joined(self, other: StudentMixture, ratio: float) -> StudentMixture:
        """Both, with `ratio` times as many points from the other as from this one."""
        return StudentMixture(
            np.concatenate([self.shares, ratio * other.shares]) / (1 + ratio),
            np.concatenate([self.centres, other.centres]),
            np.concatenate([self.roots, other.roots]),
        )

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

    @classmethod
    def broad(cls, prior: NormalApproximation) -> StudentMixture:
        """One component, wider than the prior's normal approximation."""
        root = WIDER * np.linalg.cholesky(prior.covariance)
        return cls(np.ones(1), prior.mode[None], root[None])

    @classmethod
    def around(cls, found: Weighted) -> StudentMixture:
        """One component where the sample lacks mass most: at the point that counts most.

        Its scale is the covariance about that point of its neighbours, each by the mean of its
        weight and an equal one, which keeps it regular where few points have all the weight.

        References
        ----------
        Raftery and Bao (2010), Biometrics 66, 1162-1173, sec. 2.2.
        """
        weights = 0.5 * (found.weights + 1 / len(found.weights))
        white = _whitened(found.points, weights)
        top = np.argmax(found.weights)
        near = cKDTree(white).query(white[top], NEARBY * white.shape[1] + 1)[1]
        near = near[near != top]
        apart = found.points[near] - found.points[top]
        covariance = (weights[near, None] * apart).T @ apart / weights[near].sum()
        return cls(np.ones(1), found.points[top][None], np.linalg.cholesky(covariance)[None])


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

    @classmethod
    def by(cls, proposal: StudentMixture, points: FloatArray, log_density: FloatArray) -> Weighted:
        """Points (n, k) of a proposal, with the log density (n,) that they are to stand for."""
        proposed = logsumexp(proposal.log_densities(points), axis=1)
        weights, k_hat = smoothed_weights(log_density - proposed)
        return cls(points, log_density, weights, float(k_hat))

    def extended(self, other: Weighted, proposal: StudentMixture) -> Weighted:
        """The points of both, by the proposal that has them all (the balance heuristic).

        References
        ----------
        Veach and Guibas (1995), SIGGRAPH, 419-428.
        """
        return Weighted.by(
            proposal,
            np.concatenate([self.points, other.points]),
            np.concatenate([self.log_density, other.log_density]),
        )

    @property
    def ess(self) -> float:
        """Effective number of points."""
        return float(effective_size(self.weights))

    def resampled(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices (count,) of points that stand for the density alike, in random order.

        Systematic resampling of neighbours in turn: the number of copies in any region is right to
        about one (Gerber, Chopin and Whiteley 2019).
        """
        white = _whitened(self.points, self.weights)
        order = cKDTree(white, leafsize=1).indices  # leaf by leaf: neighbours in turn
        return rng.permutation(order[systematic(self.weights[order], count, rng)])


def _whitened(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Points (n, k) about their weighted mean, on axes with unit variance."""
    deviations = points - weights @ points
    covariance = (weights[:, None] * deviations).T @ deviations
    return np.linalg.solve(np.linalg.cholesky(covariance), deviations.T).T


def systematic(weights: FloatArray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (count,), ascending: each its weight times `count` times, rounded up or down."""
    total = np.cumsum(weights)
    at = (np.arange(count) + rng.random()) / count
    return np.searchsorted(total / total[-1], at, side="right")


def importance_sample(
    log_density: Callable[[FloatArray], float],
    modes: Sequence[NormalApproximation],
    prior: NormalApproximation,
    count: int,
    rng: np.random.Generator,
    progress: bool,
) -> Weighted:
    """Weighted points of a density from Student-t distributions at its modes and beyond.

    Where the weights' tail is poor or few count, the proposal is adapted and the sample drawn
    afresh: weights of points that shaped their own proposal are too low, as what none of them met
    is missing from it, and what one of them met is not.

    Parameters
    ----------
    log_density : function
        From a point (k,) to the log density there; safe in threads.
    modes : sequence of NormalApproximation
        Distinct; all there are.
    prior : NormalApproximation
    count : int
        Points wanted, if all counted alike.
    """

    def weighted(proposal: StudentMixture, points: FloatArray) -> Weighted:
        return Weighted.by(proposal, points, values_at(log_density, points, progress))

    def enough(found: Weighted) -> bool:
        return found.k_hat < GOOD_K_HAT and found.ess > GOOD_SHARE * count

    proposal = StudentMixture.of_modes(modes).joined(StudentMixture.broad(prior), BROAD_SHARE)
    most = len(proposal.shares) + MOST_COMPONENTS
    batch = max(count // 4, NEARBY * len(prior.mode))
    found = weighted(proposal, proposal.draw(round((1 + BROAD_SHARE) * count), rng))
    while not enough(found) and len(proposal.shares) < most:
        while not enough(found) and len(proposal.shares) < most:
            more = StudentMixture.around(found)
            proposal = proposal.joined(more, batch / len(found.points))
            found = found.extended(weighted(more, more.draw(batch, rng)), proposal)
        found = weighted(proposal, proposal.draw(len(found.points), rng))
    return found


def values_at(
    log_density: Callable[[FloatArray], float], points: FloatArray, progress: bool
) -> FloatArray:
    """Log densities (n,) at `points` (n, k), on all cores with one BLAS thread each."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        values = pool.map(log_density, points)
        bar = {"total": len(points), "disable": not progress, "transient": True}
        return np.array(list(track(values, description="Importance sampling", **bar)))
