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
# The weights' variance exists below this shape (Vehtari et al. 2024); beyond, or with a smaller
# share of effective points, another proposal pays.
GOOD_K_HAT, GOOD_SHARE = 0.5, 0.6
# Fewer points have too few tail weights to tell what their tail is.
FEWEST_POINTS = 400
# Points a coordinate around the one that counts most: as many shape the next proposal as come from
# it. Posteriors of 30 to 200 data take 0 to 6 proposals more; one that needs 30 is given up.
NEARBY, MOST_PROPOSALS = 60, 30


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

    @classmethod
    def around(cls, found: Weighted) -> StudentMixture:
        """One component where the sample lacks mass most: at the point that counts most.

        Its scale is the covariance about that point of its neighbours, each by the mean of its
        weight and an equal one, which keeps it regular where few points have all the weight.

        References
        ----------
        Raftery and Bao (2010), Biometrics 66, 1162-1173, sec. 2.2.
        """
        weights = found.weights + 1 / len(found.weights)
        white = _whitened(found.points, weights / 2)
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

    @property
    def ess(self) -> float:
        """Effective number of points."""
        return float(effective_size(self.weights))

    def resampled(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices (count,) of points that stand for the density alike, in random order.

        Systematic resampling of neighbours in turn: the number of copies in any region is right to
        about one (Gerber, Chopin and Whiteley 2019).
        """
        order = cKDTree(
            _whitened(self.points, self.weights), leafsize=1
        ).indices  # neighbours in turn
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
    count: int,
    rng: np.random.Generator,
    progress: bool,
) -> Weighted:
    """Weighted points of a density from Student-t distributions at its modes and beyond.

    While the weights' tail is poor or few count, more points come from a distribution around the
    one that counts most. The weights of all are by the mean of all proposals, so that none is
    wasted (Veach and Guibas 1995, the balance heuristic).

    Parameters
    ----------
    log_density : function
        From a point (k,) to the log density there; safe in threads.
    modes : sequence of NormalApproximation
        Distinct; all there are.
    count : int
        Points from the first proposal.
    """
    first = StudentMixture.of_modes(modes)
    points = first.draw(count, rng)
    values = values_at(log_density, points, progress)
    # Log of the sum over proposals of the number of its points times its density.
    expected = log(count) + logsumexp(first.log_densities(points), axis=1)
    found = _weighted(points, values, expected)
    proposals, counts = [first], [count]
    batch = max(count // 4, NEARBY * points.shape[1])
    while len(proposals) <= MOST_PROPOSALS and not (
        found.k_hat < GOOD_K_HAT and found.ess > GOOD_SHARE * count
    ):
        proposals.append(StudentMixture.around(found))
        counts.append(batch)
        more = proposals[-1].draw(batch, rng)
        values = np.concatenate([values, values_at(log_density, more, progress)])
        known = log(batch) + proposals[-1].log_densities(points)[:, 0]
        expected = np.concatenate(
            [np.logaddexp(expected, known), _expected(more, proposals, counts)]
        )
        points = np.concatenate([points, more])
        found = _weighted(points, values, expected)
    return found


def _expected(
    points: FloatArray, proposals: Sequence[StudentMixture], counts: Sequence[int]
) -> FloatArray:
    """Log density (n,) of points that the proposals give together."""
    parts = [log(n) + g.log_densities(points) for n, g in zip(counts, proposals, strict=True)]
    return logsumexp(np.concatenate(parts, axis=1), axis=1)


def _weighted(points: FloatArray, log_density: FloatArray, expected: FloatArray) -> Weighted:
    weights, k_hat = smoothed_weights(log_density - expected)
    return Weighted(points, log_density, weights, float(k_hat))


def values_at(
    log_density: Callable[[FloatArray], float], points: FloatArray, progress: bool
) -> FloatArray:
    """Log densities (n,) at `points` (n, k), on all cores with one BLAS thread each."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        values = pool.map(log_density, points)
        bar = {"total": len(points), "disable": not progress, "transient": True}
        return np.array(list(track(values, description="Importance sampling", **bar)))
