"""Cosines and sines of plane waves at many points."""

from __future__ import annotations

from math import factorial, pi

import numpy as np
from numba import njit

from womble.arrays import FloatArray

# Taylor coefficients of cos(pi t) and sin(pi t) / t in t^2: below 1e-13 for |t| <= 1/2.
HALF_TURN = np.array(
    [[(-1) ** k * pi ** (2 * k + i) / factorial(2 * k + i) for k in range(11)] for i in (0, 1)]
)


@njit(nogil=True, cache=True)
def cosines_and_sines(
    points: FloatArray, cycles: FloatArray, series: FloatArray, out: FloatArray
) -> None:
    """cos and sin of 2 pi cycles[:, j] . points[i] as out[i, j] and out[i, J + j].

    `series` is HALF_TURN: polynomials vectorise, the library's functions do not (four times
    slower).
    """
    (p, d), waves = points.shape, cycles.shape[1]
    t, square = np.empty(waves), np.empty(waves)
    cosine, sine = np.empty(waves), np.empty(waves)
    last = series.shape[1] - 1
    for i in range(p):
        t[:] = 0.0
        for k in range(d):
            coordinate, frequency = points[i, k], cycles[k]
            for j in range(waves):
                t[j] += coordinate * frequency[j]
        for j in range(waves):
            t[j] -= np.floor(t[j] + 0.5)
            square[j] = t[j] * t[j]
        cosine[:] = series[0, last]
        sine[:] = series[1, last]
        for k in range(last - 1, -1, -1):
            a, b = series[0, k], series[1, k]
            for j in range(waves):
                cosine[j] = cosine[j] * square[j] + a
                sine[j] = sine[j] * square[j] + b
        # From half the angle to the angle.
        for j in range(waves):
            sine[j] *= t[j]
            out[i, j] = 1.0 - 2.0 * sine[j] * sine[j]
            out[i, waves + j] = 2.0 * sine[j] * cosine[j]
