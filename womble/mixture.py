"""The posterior of a linear quantity: an equal mixture of normals over hyperparameter draws.

Given the hyperparameters every value, derivative or integral of the field is normal; integrating
them out leaves, with S draws,

    F(x) = (1/S) sum_s Phi((x - m_s) / sd_s).

Draws lead, places trail. A component with sd = 0 is a point mass at its mean; a place with a NaN
among its components has NaN for an answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import ndtr, ndtri

from womble.arrays import BoolArray, FloatArray

# A block of about this many numbers (256 kB) and its few temporaries stay in a core's cache.
BLOCK_SIZE = 2**15
# A step is the last if F is smooth at its length, in units of the smallest component sd: Halley's
# error is of third order, 1e-15 of that sd, and needs no evaluation of F to confirm it.
LAST_STEP = 1e-5
# The other way to be done, relative to the smaller tail; adding up F itself costs about 1e-15.
CDF_TOLERANCE = 1e-12
EPS = np.finfo(np.float64).eps


def moments(means: FloatArray, sds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the mixture, by the law of total variance.

    Parameters
    ----------
    means, sds : array, shape (S, ...)
        Of the components, in the quantity's units; `sds` not negative.

    Returns
    -------
    mean, sd : array, shape (...)
        E m_s and (E sd_s^2 + Var m_s)^(1/2), expectations over the S draws (divisor S: the mixture
        is the distribution reported, not a sample of one).
    """
    # np.var subtracts the mean first: E m^2 - (E m)^2 would cancel where the mean is large.
    return means.mean(axis=0), np.sqrt(np.mean(sds**2, axis=0) + np.var(means, axis=0))


class MomentAccumulator:
    r"""Mean vector and covariance of a mixture of multivariate normals, one component at a time.

    Nothing of size S x places x k x k is ever stored. After n components

    .. math:: \Sigma = \frac1n \sum_s \left[ C_s + (m_s - \bar m)(m_s - \bar m)' \right]

    where the second sum is updated about the running mean, which does not cancel.

    References
    ----------
    Welford (1962), Technometrics 4, 419-420.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean: FloatArray | float = 0.0
        self._total: FloatArray | float = 0.0  # sum of C_s plus scatter of the m_s

    def add(self, mean: FloatArray, cov: FloatArray) -> None:
        """Take in one component: `mean` (..., k) and `cov` (..., k, k)."""
        n = self._count = self._count + 1
        deviation = mean - self._mean
        scatter = deviation[..., :, None] * deviation[..., None, :] * ((n - 1) / n)
        self._mean = self._mean + deviation / n
        self._total = self._total + cov + scatter

    def result(self) -> tuple[FloatArray, FloatArray]:
        """Mean (..., k) and covariance (..., k, k) of the mixture of all components so far.

        Raises
        ------
        ValueError
            If nothing has been added.
        """
        if self._count == 0:
            raise ValueError(
                "A mixture needs at least one component; got none. Call `add(mean, cov)` first."
            )
        return np.array(self._mean), self._total / self._count


def joint_moments(means: FloatArray, covariances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean vector and covariance of a mixture of multivariate normals held in memory.

    Parameters
    ----------
    means : array, shape (S, ..., k)
    covariances : array, shape (S, ..., k, k)

    Returns
    -------
    mean, cov : array, shape (..., k) and (..., k, k)
        E m_s and E C_s + Cov m_s, expectations over the S draws (divisor S).
    """
    accumulator = MomentAccumulator()
    for mean, cov in zip(means, covariances, strict=True):
        accumulator.add(mean, cov)
    return accumulator.result()


def probability_positive(means: FloatArray, sds: FloatArray) -> FloatArray:
    """P(quantity > 0) = (1/S) sum_s Phi(m_s / sd_s).

    Parameters
    ----------
    means, sds : array, shape (S, ...)

    Returns
    -------
    array, shape (...)
        A point mass counts 0 or 1, and 1/2 if it lies at exactly 0: no sign is favoured there.
    """
    z = np.divide(means, sds, out=np.zeros_like(means), where=sds != 0)
    return np.where(sds == 0, np.heaviside(means, 0.5), ndtr(z)).mean(axis=0)


def quantiles(means: FloatArray, sds: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Quantiles of the mixture: the root x of F(x) = level, not a quantile of a sample.

    Halley's iteration (Newton's, with the second derivative) runs on Phi^-1(F(x)), a straight line
    for one normal and nearly one for most mixtures. It is kept inside the bracket of the smallest
    and largest component quantile, and gives way to bisection where it does not halve its step.

    Parameters
    ----------
    means, sds : array, shape (S, ...)
    levels : sequence of float
        Each in (0, 1).

    Returns
    -------
    array, shape (len(levels), ...)
        With point masses the generalised inverse, inf{x : F(x) >= level}. Where F of separate
        normals is `level` to rounding over a whole gap, a point of the gap.

    Raises
    ------
    ValueError
        If a level is outside (0, 1).
    """
    probabilities = np.asarray(levels, dtype=np.float64)
    if not np.all((probabilities > 0) & (probabilities < 1)):
        raise ValueError(
            f"`levels` must lie strictly between 0 and 1; got {list(levels)}. "
            "Give probabilities such as 0.025, not percentages."
        )
    places = means.shape[1:]
    flat_means, flat_sds = means.reshape(len(means), -1), sds.reshape(len(sds), -1)
    result = np.empty((len(probabilities), flat_means.shape[1]))
    for block in _blocks(*flat_means.shape):
        mixture = _Mixture.of(flat_means[:, block].T, flat_sds[:, block].T)
        for row, probability in zip(result, probabilities, strict=True):
            row[block] = _solve(mixture, probability)
    return result.reshape(len(probabilities), *places)


def _blocks(draws: int, places: int) -> Iterator[slice]:
    size = max(1, BLOCK_SIZE // draws)
    return (slice(start, start + size) for start in range(0, places, size))


@dataclass(frozen=True)
class _Mixture:
    """Mixtures at a block of b places, one row a place so that sums over draws are contiguous."""

    means: FloatArray  # (b, S)
    sds: FloatArray  # (b, S)
    precisions: FloatArray  # (b, S), 1 / sd, and 0 for a point mass
    smallest_sd: FloatArray  # (b,)

    @classmethod
    def of(cls, means: FloatArray, sds: FloatArray) -> "_Mixture":
        means, sds = np.ascontiguousarray(means), np.ascontiguousarray(sds)
        precisions = np.divide(1.0, sds, out=np.zeros_like(sds), where=sds != 0)
        return cls(means, sds, precisions, sds.min(axis=1))

    def at(self, keep: BoolArray) -> "_Mixture":
        """The mixtures at some of the places."""
        return _Mixture(*(getattr(self, field.name)[keep] for field in fields(self)))

    def derivatives(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """F, F' and F'' at one x a place, (b,) each; F' and F'' of the continuous part."""
        z = (x[:, None] - self.means) * self.precisions
        phi = np.exp(-0.5 * z * z) * self.precisions
        slope = phi.sum(axis=1)
        phi *= z
        bend = -np.einsum("bs,bs->b", phi, self.precisions)
        if not self.smallest_sd.all():
            # Point masses, at z = 0 so far. F is continuous from the right.
            passed = np.where(x[:, None] >= self.means, np.inf, -np.inf)
            z = np.where(self.sds == 0, passed, z)
        scale = z.shape[1] * np.sqrt(2 * np.pi)
        return ndtr(z, out=z).mean(axis=1), slope / scale, bend / scale


@dataclass(frozen=True)
class _Search:
    """Where the root of F(x) = level is being looked for at b places; arrays of shape (b,)."""

    low: FloatArray  # F(low) <= level
    high: FloatArray  # F(high) >= level
    x: FloatArray
    step: FloatArray  # the last one taken
    sd: FloatArray  # of the mixture: the scale of x

    @classmethod
    def start(cls, mixture: _Mixture, level: float) -> "_Search":
        """Bracketed by the components' own quantiles, begun at the normal with the same moments."""
        components = mixture.means + ndtri(level) * mixture.sds
        low, high = components.min(axis=1), components.max(axis=1)
        mean, sd = moments(mixture.means.T, mixture.sds.T)
        x = np.clip(mean + ndtri(level) * sd, low, high)
        return cls(low, high, x, high - low, sd)

    def at(self, keep: BoolArray) -> "_Search":
        """The search at some of the places."""
        return _Search(*(getattr(self, field.name)[keep] for field in fields(self)))

    def improve(self, mixture: _Mixture, level: float) -> tuple["_Search", BoolArray]:
        """Narrow the bracket and take one step; also which places are done with it."""
        cdf, slope, bend = mixture.derivatives(self.x)
        tolerance = CDF_TOLERANCE * min(level, 1 - level) + 4 * EPS
        # Between point masses F can be flat at the level: the quantile is then its left end.
        solved = (np.abs(cdf - level) <= tolerance) & ((slope > 0) | (mixture.smallest_sd > 0))
        low = np.where(cdf < level, self.x, self.low)
        high = np.where(cdf < level, self.high, self.x)

        halley = _halley_step(cdf, slope, bend, level)
        # Closed ends: at convergence the step rounds to nothing, and x is one of them.
        inside = (self.x - halley >= low) & (self.x - halley <= high)
        halved = inside & (np.abs(halley) <= 0.5 * np.abs(self.step))
        step = np.select([solved, halved], [0.0, halley], self.x - (low + 0.5 * (high - low)))
        x = self.x - step

        # Rounding of x, and for a root at 0, which has none, far below the scale of any component.
        resolution = 2 * EPS * np.maximum(np.abs(low), np.abs(high)) + 1e-20 * self.sd
        last = halved & (np.abs(step) <= np.maximum(LAST_STEP * mixture.smallest_sd, resolution))
        closed = ~solved & (high - low <= resolution)
        search = _Search(low, high, np.where(closed, high, x), step, self.sd)
        return search, solved | last | closed


def _solve(mixture: _Mixture, level: float) -> FloatArray:
    """Quantile at one level for every place of a block, shape (b,)."""
    search = _Search.start(mixture, level)
    result = search.high.copy()
    # Where all components agree (one draw, say) or are NaN there is nothing to look for.
    todo = search.high > search.low
    active = np.arange(todo.size)
    while todo.any():
        if not todo.all():
            active, mixture, search = active[todo], mixture.at(todo), search.at(todo)
        search, done = search.improve(mixture, level)
        result[active[done]] = search.x[done]
        todo = ~done
    return result


def _halley_step(cdf: FloatArray, slope: FloatArray, bend: FloatArray, level: float) -> FloatArray:
    r"""Step towards the root of g(x) = Phi^-1(F(x)) - Phi^-1(level); not finite where F is 0 or 1.

    .. math:: \frac{\delta}{1 - \delta g'' / 2 g'}, \quad \delta = \frac{g}{g'}, \quad
        g' = \frac{F'}{\phi}, \quad \frac{g''}{g'} = \frac{F''}{F'} + \Phi^{-1}(F) \, g'
    """
    score = ndtri(cdf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        g1 = slope * np.sqrt(2 * np.pi) * np.exp(0.5 * score**2)
        newton = (score - ndtri(level)) / g1
        divisor = 1 - 0.5 * newton * (bend / slope + score * g1)
        # Far from the root the correction is meaningless; the plain Newton step is the safer one.
        return np.where(np.abs(divisor - 1) < 0.5, newton / divisor, newton)
