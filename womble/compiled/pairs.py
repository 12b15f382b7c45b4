"""Pairs of points, for kernels that are exponentials times polynomials of scaled distance."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np
from numba import njit

from womble.arrays import FloatArray

TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class ExponentialPolynomials:
    """Functions exp(-rate z^exponent) sum_k coefficients[m, k] z^k of scaled distance.

    Attributes
    ----------
    rate : float
    exponent : {1, 2}
    coefficients : array, shape (m, degree + 1)
    """

    rate: float
    exponent: int
    coefficients: FloatArray


# Taylor coefficients of e^x: below 1e-16 for |x| <= log(2) / 2.
EXPONENTIAL = np.array([1.0 / factorial(k) for k in range(13)])
# log 2 in two parts, the first with room for an exact product with a whole number (Cody and Waite).
LOG_2, LOG_2_REST, LOG2_E = 0.6931471803691238, 1.9082149292705877e-10, 1.4426950408889634
# Added to a small whole number, leaves it in the last bits of a double.
TO_LAST_BITS = 1.5 * 2.0**52


@njit(nogil=True, cache=True)
def polynomial(coefficients: FloatArray, x: FloatArray, out: FloatArray) -> None:
    """sum_k coefficients[k] x^k, by Horner's rule."""
    out[:] = coefficients[-1]
    for k in range(len(coefficients) - 2, -1, -1):
        coefficient = coefficients[k]
        for j in range(len(x)):
            out[j] = out[j] * x[j] + coefficient


@njit(nogil=True, cache=True)
def exponentials(x: FloatArray, series: FloatArray, power: FloatArray, out: FloatArray) -> None:
    """e^x = 2^k e^(x - k log 2), k whole, for x <= 0; e^-700 stands for anything less.

    Its loops vectorise, which the library's function does not. `series` is EXPONENTIAL; x and
    `power` are scratch.
    """
    n, bits = len(x), power.view(np.int64)
    for j in range(n):
        k = np.floor(max(x[j], -700.0) * LOG2_E + 0.5)
        x[j] = (max(x[j], -700.0) - k * LOG_2) - k * LOG_2_REST
        power[j] = k + TO_LAST_BITS
    for j in range(n):
        bits[j] = (bits[j] + 1023) << 52  # the bits of 2^k
    polynomial(series, x, out)
    for j in range(n):
        out[j] *= power[j]


@njit(nogil=True, cache=True)
def where_nothing_is_left(rate: float, exponent: int) -> float:
    """z with rate z^exponent = 700: polynomials of any larger z could outgrow e^-700."""
    return 700.0 / rate if exponent == 1 else np.sqrt(700.0 / rate)


@njit(nogil=True, cache=True)
def pairs_of_one(
    here: FloatArray,
    t: FloatArray,
    rate: float,
    exponent: int,
    coefficients: FloatArray,
    series: FloatArray,
    u: FloatArray,
    scratch: FloatArray,
    values: FloatArray,
) -> None:
    """Unit vectors u (d, n) from the points t (d, n) to `here` and radial functions (m, n) there.

    u is 0 where the distance is. `series` is EXPONENTIAL and `scratch` has shape (4, n).
    """
    n = t.shape[1]
    z, decay, a, b = scratch[0], scratch[1], scratch[2], scratch[3]
    z[:] = 0.0
    for k in range(len(here)):
        along, x, there = u[k], here[k], t[k]
        for j in range(n):
            along[j] = x - there[j]
            z[j] += along[j] * along[j]
    for j in range(n):
        z[j] = np.sqrt(z[j])
        a[j] = -rate * (z[j] if exponent == 1 else z[j] * z[j])
    exponentials(a, series, b, decay)
    farthest = where_nothing_is_left(rate, exponent)
    for j in range(n):
        a[j] = 1.0 / max(z[j], TINY)
        z[j] = min(z[j], farthest)
    for k in range(len(here)):
        along = u[k]
        for j in range(n):
            along[j] *= a[j]
    for r in range(len(coefficients)):
        value = values[r]
        polynomial(coefficients[r], z, value)
        for j in range(n):
            value[j] *= decay[j]


@njit(nogil=True, cache=True)
def sums_of_products(
    s: FloatArray,
    t: FloatArray,
    rate: float,
    exponent: int,
    coefficients: FloatArray,
    component: np.ndarray,
    radial: np.ndarray,
    factor: FloatArray,
    direction: np.ndarray,
    series: FloatArray,
    out: FloatArray,
) -> None:
    """Add to out[i, component[m], j] the m-th product of a radial function and directions.

    The product is factor[m] R[radial[m]](z) prod_k u[direction[m, k]] with z = |s_i - t_j| and u
    the unit vector from t_j to s_i; a direction of -1 ends the product. `t` is (d, n) and `series`
    EXPONENTIAL.
    """
    (p, d), n = s.shape, t.shape[1]
    u, scratch, product = np.empty((d, n)), np.empty((4, n)), np.empty(n)
    values = np.empty((len(coefficients), n))
    # One row at a time: each inner loop runs over contiguous numbers in cache and vectorises.
    for i in range(p):
        pairs_of_one(s[i], t, rate, exponent, coefficients, series, u, scratch, values)
        for m in range(len(component)):
            scaled, value, total = factor[m], values[radial[m]], out[i, component[m]]
            for j in range(n):
                product[j] = scaled * value[j]
            for k in range(direction.shape[1]):
                if direction[m, k] >= 0:
                    along = u[direction[m, k]]
                    for j in range(n):
                        product[j] *= along[j]
            for j in range(n):
                total[j] += product[j]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def weighted_sums(
    s: FloatArray,
    t: FloatArray,
    weights: FloatArray,
    rate: float,
    exponent: int,
    coefficients: FloatArray,
    component: np.ndarray,
    radial: np.ndarray,
    factor: FloatArray,
    direction: np.ndarray,
    series: FloatArray,
    out: FloatArray,
) -> None:
    """Add to out[i, component[m]] the sum over j of weights[j] times the m-th product.

    The products are those of `sums_of_products`, with at most two directions; `t` is (d, n) and
    `series` EXPONENTIAL. Sums may be taken in any order, which lets them vectorise.
    """
    (p, d), n = s.shape, t.shape[1]
    u, scratch, values = np.empty((d, n)), np.empty((4, n)), np.empty((len(coefficients), n))
    for i in range(p):
        pairs_of_one(s[i], t, rate, exponent, coefficients, series, u, scratch, values)
        for r in range(len(coefficients)):
            value = values[r]
            for j in range(n):
                value[j] *= weights[j]
        for m in range(len(component)):
            value, first, second, total = values[radial[m]], direction[m, 0], direction[m, 1], 0.0
            if first < 0:
                for j in range(n):
                    total += value[j]
            elif second < 0:
                for j in range(n):
                    total += value[j] * u[first, j]
            else:
                for j in range(n):
                    total += value[j] * u[first, j] * u[second, j]
            out[i, component[m]] += factor[m] * total


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def triangles(
    distances: FloatArray,
    lengthscale: float,
    rate: float,
    exponent: int,
    coefficients: FloatArray,
    series: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Two radial functions of the scaled distances, on and above the diagonal.

    `series` is EXPONENTIAL.
    """
    n = len(distances)
    z, power, decay = np.empty(n), np.empty(n), np.empty(n)
    scratch = np.empty(n)
    inverse, farthest = 1.0 / lengthscale, where_nothing_is_left(rate, exponent)
    for i in range(n):
        m = n - i
        row, a, b = distances[i, i:], first[i, i:], second[i, i:]
        for j in range(m):
            z[j] = min(row[j] * inverse, farthest)
            scratch[j] = -rate * (z[j] if exponent == 1 else z[j] * z[j])
        exponentials(scratch[:m], series, power[:m], decay[:m])
        polynomial(coefficients[0], z[:m], a)
        polynomial(coefficients[1], z[:m], b)
        for j in range(m):
            a[j] *= decay[j]
            b[j] *= decay[j]
