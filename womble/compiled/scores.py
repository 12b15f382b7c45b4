"""Sums over pairs of a mixture's components."""

from __future__ import annotations

from math import erf, exp, pi, sqrt

from numba import njit

from womble.arrays import FloatArray


@njit(nogil=True, cache=True)
def expected_distance(means: FloatArray, sds: FloatArray, weights: FloatArray) -> float:
    """E |X - X'| of two independent draws of the mixture; components (s,), weights sum to 1.

    X - X' given two components is N(m, v): E |N(m, v)| = 2 v^(1/2) phi(m / v^(1/2))
    + m (2 Phi(m / v^(1/2)) - 1).
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
