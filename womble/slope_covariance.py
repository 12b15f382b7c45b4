r"""Covariances with observed slopes :math:`g_j = u_j \cdot \nabla f(x_j)`.

Each derivative that falls on the second point changes the sign:

.. math:: \mathrm{Cov}(\partial^a f(s), g_j) = - \sum_b u_{jb}\, \partial^{a + b} k(s - x_j).
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.rows import weighted_rows
from womble.covariance import PAIRS_PER_BLOCK, Indices, Scale, Scales, pair_partials
from womble.functional import Functional
from womble.kernels import Correlation, Kernel
from womble.slopes import Slopes


def slope_cross_covariance(
    kernel: Kernel, scale: Scales, s: FloatArray, slopes: Slopes, wanted: tuple[Indices, ...]
) -> FloatArray:
    """Prior covariance of derivatives at `s` with the slopes, shape (p, len(wanted), m).

    Parameters
    ----------
    s : array, shape (p, d)
    wanted : tuple of sorted tuples of coordinate indices, at most three each
    """
    d = s.shape[1]
    further = [[tuple(sorted((*a, b))) for b in range(d)] for a in wanted]
    every = tuple(sorted({c for row in further for c in row}))
    derivative = pair_partials(kernel, scale, s, slopes.coords, every)
    out = np.zeros((len(s), len(wanted), len(slopes.values)))
    for component, row in enumerate(further):
        for b, c in enumerate(row):
            out[:, component] -= slopes.directions[:, b] * derivative[:, every.index(c)]
    return out


def slope_sums(
    kernel: Kernel, scale: Scales, s: FloatArray, slopes: Slopes, weights: FloatArray, order: int
) -> FloatArray:
    """Jets at `s` of sum_j weights[j] Cov(f(.), g_j), shape (p, c)."""
    wanted = tuple(jet.components(s.shape[1], order))
    out = np.empty((len(s), len(wanted)))
    step = max(1, PAIRS_PER_BLOCK // len(weights))
    for start in range(0, len(s), step):
        block = slice(start, start + step)
        out[block] = slope_cross_covariance(kernel, scale, s[block], slopes, wanted) @ weights
    return out


def functional_slope_covariance(
    kernel: Kernel, scale: Scales, functional: Functional, slopes: Slopes
) -> FloatArray:
    """Prior covariance of the rows of a Functional with the slopes, shape (q, m)."""
    nodes, wanted = functional.nodes, tuple(functional.components)
    out = np.zeros((functional.size, len(slopes.values)))
    step = max(1, PAIRS_PER_BLOCK // len(slopes.values))
    for start in range(0, len(nodes), step):
        block = nodes[start : start + step]
        derivative = slope_cross_covariance(kernel, scale, block, slopes, wanted)
        weighted_rows(derivative, start, *functional.entries, out)
    return out


def with_slopes(
    kernel: Correlation,
    lengthscale: float,
    coords: FloatArray,
    slopes: Slopes,
    of_values: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    r"""Covariance R of values and slopes at amplitude 1, and :math:`-\ell\, dR / d\ell`.

    A derivative of order m is :math:`\ell^{-m}` times a function of :math:`h / \ell`, so that

    .. math:: -\ell \frac{d}{d\ell} \partial^a k(h) = (m + h \cdot \nabla)\, \partial^a k(h).

    Parameters
    ----------
    of_values : (array, array), shape (n, n) each
        The two matrices of the values alone, at least on and above the diagonal.

    Returns
    -------
    tuple of arrays, shape (n + m, n + m) each
        On and above the diagonal.
    """
    n, m, d = len(coords), len(slopes.values), coords.shape[1]
    unit = Scale(1.0, lengthscale)
    out = np.zeros((2, n + m, n + m))
    out[:, :n, :n] = of_values
    components = tuple(jet.components(d, 1))
    P = slope_cross_covariance(kernel, unit, coords, slopes, components)
    out[0, :n, n:] = P[:, 0]
    out[1, :n, n:] = P[:, 0] + _along(coords, slopes.coords, [P[:, 1 + b] for b in range(d)])
    second = tuple(combinations_with_replacement(range(d), 2))
    with np.errstate(invalid="ignore"):  # infinity times 0, which `_along` has the limit of
        P = slope_cross_covariance(kernel, unit, slopes.coords, slopes, (*components[1:], *second))
    out[0, n:, n:] = slopes.of(P[:, :d])
    further = [
        slopes.of(np.stack([P[:, d + second.index((min(a, b), max(a, b)))] for a in range(d)], 1))
        for b in range(d)
    ]
    out[1, n:, n:] = 2 * out[0, n:, n:] + _along(slopes.coords, slopes.coords, further)
    return out[0], out[1]


def _along(s: FloatArray, t: FloatArray, derivatives: list[FloatArray]) -> FloatArray:
    """sum_b h_b derivatives[b] with h = s - t, shape (p, n); its limit 0 where h is 0.

    Third derivatives may be infinite there (nu < 3/2), their products with h are not.
    """
    h = s[:, None, :] - t[None, :, :]
    same = ~h.any(axis=-1)
    terms = zip(np.moveaxis(h, -1, 0), derivatives, strict=True)
    return sum(step * np.where(same, 0.0, derivative) for step, derivative in terms)
