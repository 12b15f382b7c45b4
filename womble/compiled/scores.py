"""Expected distances between draws of a mixture of normals."""

from __future__ import annotations

from math import ceil, erf, exp, pi, sqrt

from numba import njit

from womble.arrays import FloatArray

# A step in least sds, and how many sds a normal reaches: the rule then errs by rounding only.
STEP, REACH = 0.5, 8.5


@njit(nogil=True, cache=True)
def expected_distance(means: FloatArray, sds: FloatArray, weights: FloatArray) -> float:
    """E |X - X'| of two independent draws of the mixture; components (s,), weights sum to 1.

    By whichever has fewer terms, the sum over pairs or the integral: both are exact to rounding.
    """
    low, high = (means - REACH * sds).min(), (means + REACH * sds).max()
    steps = (high - low) / (STEP * sds.min())
    if steps < 0.5 * len(means):
        return distance_by_integral(means, sds, weights, low, high, ceil(steps))
    return distance_by_pairs(means, sds, weights)


@njit(nogil=True, cache=True)
def distance_by_integral(
    means: FloatArray, sds: FloatArray, weights: FloatArray, low: float, high: float, steps: int
) -> float:
    r"""2 int F (1 - F) dx by the trapezoidal rule, F the mixture's distribution function.

    The Fourier transform of F (1 - F) falls as :math:`e^{-\omega^2 s^2 / 4}`, s the least sd, so
    that steps of s / 2 err by :math:`e^{-4 \pi^2}`, which is 7e-18.

    References
    ----------
    Trefethen and Weideman (2014), SIAM Review 56, 385-458, sec. 5.
    """
    h = (high - low) / steps
    total = 0.0
    for k in range(1, steps):
        x, F = low + k * h, 0.0
        for s in range(len(means)):
            F += weights[s] * (0.5 + 0.5 * erf((x - means[s]) / (sds[s] * sqrt(2.0))))
        total += F * (1.0 - F)
    return 2 * h * total


@njit(nogil=True, cache=True)
def distance_by_pairs(means: FloatArray, sds: FloatArray, weights: FloatArray) -> float:
    """X - X' given two components is N(m, v).

    E |N(m, v)| = 2 v^(1/2) phi(m / v^(1/2)) + m (2 Phi(m / v^(1/2)) - 1).
    """
    total = 0.0
    for s in range(len(means)):
        inner = 0.0
        for t in range(s):
            m, sd = means[s] - means[t], sqrt(sds[s] ** 2 + sds[t] ** 2)
            z = m / sd
            inner += weights[t] * (sd * sqrt(2 / pi) * exp(-0.5 * z * z) + m * erf(z / sqrt(2.0)))
        total += weights[s] * (2 * inner + weights[s] * 2 * sds[s] / sqrt(pi))
    return total
