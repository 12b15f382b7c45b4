r"""Covariances of jets for any kernel: the tensor algebra, written once.

With :math:`h = (s - t) / \ell`, :math:`z = |h|`, :math:`u = h / z` and :math:`D = (1/z) d/dz`, a
partial derivative of order m is a sum over the ways to pair p of its indices,

.. math:: \partial_{i_1 \dots i_m} \rho =
          \sum_p \sum_{\text{pairings}} \delta_{ij} \cdots u_k \cdots \; z^{m - 2p} D^{m - p} \rho(z),

so that only products of z with the radial derivatives appear, which stay finite at z = 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.functional import Functional
from womble.kernels import Kernel

# Pairs of points treated at a time, so that the handful of arrays in play stay in cache.
PAIRS_PER_BLOCK = 16_384


@dataclass(frozen=True)
class Scale:
    """Amplitude (response units) and lengthscale (coordinate units) of a field; both positive."""

    amplitude: float
    lengthscale: float


@cache
def _pairings(indices: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Indices left over when equal ones are paired, each with its number of ways."""
    if not indices:
        return {(): 1}
    first, rest = indices[0], indices[1:]
    ways: Counter[tuple[int, ...]] = Counter()
    for left, count in _pairings(rest).items():
        ways[(first, *left)] += count
    for position, other in enumerate(rest):
        if other == first:
            ways.update(_pairings(rest[:position] + rest[position + 1 :]))
    return dict(ways)


def partials(
    kernel: Kernel, scale: Scale, h: FloatArray, wanted: set[tuple[int, ...]]
) -> dict[tuple[int, ...], FloatArray]:
    """Partial derivatives of the covariance k(h) with respect to h.

    Parameters
    ----------
    kernel : Kernel
    scale : Scale
    h : array, shape (d, ...)
        Differences s - t, in coordinate units; coordinates lead, which keeps each contiguous.
    wanted : set of sorted tuples of coordinate indices, at most four each
        () is k itself, (0, 1) is d2k / dh_0 dh_1.

    Returns
    -------
    dict of arrays, each of shape (...)
        In response units squared per coordinate unit to the order.
    """
    h = h / scale.lengthscale
    z = np.sqrt(sum(x * x for x in h))
    u = h / np.maximum(z, np.finfo(float).tiny)  # 0 where z is 0
    terms = sorted(
        {((len(i) + len(left)) // 2, len(left)) for i in wanted for left in _pairings(i)}
    )
    radial = dict(zip(terms, kernel.radials(z, terms), strict=True))
    out = {}
    for indices in wanted:
        units = scale.amplitude**2 / scale.lengthscale ** len(indices)
        products = []
        for left, ways in _pairings(indices).items():
            product = (ways * units) * radial[(len(indices) + len(left)) // 2, len(left)]
            for i in left:
                product *= u[i]
            products.append(product)
        out[indices] = sum(products[1:], start=products[0])
    return out


def _differences(s: FloatArray, t: FloatArray) -> FloatArray:
    """s - t for all pairs, shape (d, p, n)."""
    return np.stack([np.subtract.outer(a, b) for a, b in zip(s.T, t.T, strict=True)])


def cross_covariance(
    kernel: Kernel, scale: Scale, s: FloatArray, t: FloatArray, order: int
) -> FloatArray:
    """Prior covariance of the jet at `s` with the value at `t`.

    Parameters
    ----------
    s, t : array, shape (p, d) and (n, d)
    order : int
        Order of the jet, 0 to 2.

    Returns
    -------
    array, shape (p, c, n)
        Entry [i, a, j] is Cov(d^a f(s_i), f(t_j)).
    """
    columns = jet.components(s.shape[1], order)
    out = np.empty((len(s), len(columns), len(t)))
    step = max(1, PAIRS_PER_BLOCK // len(t))
    for start in range(0, len(s), step):
        block = slice(start, start + step)
        derivative = partials(kernel, scale, _differences(s[block], t), set(columns))
        for i, a in enumerate(columns):
            out[block, i] = derivative[a]
    return out


def jet_covariance(kernel: Kernel, scale: Scale, h: FloatArray, order: int) -> FloatArray:
    """Prior covariance of the jet at s with the jet at t, h = s - t.

    Each derivative that falls on t changes the sign: Cov(d^a f(s), d^b f(t)) =
    (-1)^|b| d^(a+b) k(h).

    Parameters
    ----------
    h : array, shape (..., d)
    order : int

    Returns
    -------
    array, shape (..., c, c)

    References
    ----------
    Adler (1981), theorem 2.2.2; Rasmussen and Williams (2006), sec. 9.4.
    """
    columns = jet.components(h.shape[-1], order)
    union = {(a, b): tuple(sorted(a + b)) for a in columns for b in columns}
    leading = np.ascontiguousarray(np.moveaxis(h, -1, 0))
    derivative = partials(kernel, scale, leading, set(union.values()))
    rows = [
        np.stack([(-1) ** len(b) * derivative[union[a, b]] for b in columns], axis=-1)
        for a in columns
    ]
    return np.stack(rows, axis=-2)


def functional_cross_covariance(
    kernel: Kernel, scale: Scale, functional: Functional, t: FloatArray
) -> FloatArray:
    """Prior covariance of the rows of a Functional with the values at `t`, shape (q, n)."""
    weights = functional.by_component
    derivative = partials(kernel, scale, _differences(functional.nodes, t), set(weights))
    return sum(w @ derivative[a] for a, w in weights.items())


def functional_covariance(kernel: Kernel, scale: Scale, functional: Functional) -> FloatArray:
    """Prior covariance of the rows of a Functional, shape (q, q); node pairs in blocks."""
    nodes, weights = functional.nodes, functional.by_component
    union = {(a, b): tuple(sorted(a + b)) for a in weights for b in weights}
    out = np.zeros((functional.size, functional.size))
    step = max(1, PAIRS_PER_BLOCK // len(nodes))
    for start in range(0, len(nodes), step):
        block = slice(start, start + step)
        derivative = partials(
            kernel, scale, _differences(nodes[block], nodes), set(union.values())
        )
        for (a, b), c in union.items():
            half = weights[a][:, block] @ derivative[c]
            out += (-1) ** len(b) * (weights[b] @ half.T).T
    return 0.5 * (out + out.T)
