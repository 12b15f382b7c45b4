r"""Covariances of jets for any kernel: the tensor algebra, written once.

With :math:`h = (s - t) / \ell`, :math:`z = |h|`, :math:`u = h / z` and :math:`D = (1/z) d/dz`, a
partial derivative of order m is a sum over the ways to pair p of its indices,

.. math:: \partial_{i_1 \dots i_m} \rho =
          \sum_p \sum_{\text{pairings}} \delta_{ij} \cdots u_k \cdots \;
          z^{m - 2p} D^{m - p} \rho(z),

so that only products of z with the radial derivatives appear, which stay finite at z = 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.pairs import (
    EXPONENTIAL,
    ExponentialPolynomials,
    sums_of_products,
    weighted_sums,
)
from womble.kernels import Correlation, Kernel

# Pairs of points treated at a time, so that the handful of arrays in play stay in cache.
PAIRS_PER_BLOCK = 16_384

Indices = tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """Amplitude (response units) and lengthscale (coordinate units) of a field; both positive."""

    amplitude: float
    lengthscale: float


# Of a kernel's components in turn; a plain kernel may have its one alone.
Scales = Scale | tuple[Scale, ...]


def parts(kernel: Kernel, scale: Scales) -> list[tuple[Correlation, Scale]]:
    """The components of a kernel, each with its Scale: their covariances add up."""
    scales = (scale,) if isinstance(scale, Scale) else scale
    return list(zip(kernel.components, scales, strict=True))


@cache
def _pairings(indices: Indices) -> dict[Indices, int]:
    """Indices left over when equal ones are paired, each with its number of ways."""
    if not indices:
        return {(): 1}
    first, rest = indices[0], indices[1:]
    ways: Counter[Indices] = Counter()
    for left, count in _pairings(rest).items():
        ways[(first, *left)] += count
    for position, other in enumerate(rest):
        if other == first:
            ways.update(_pairings(rest[:position] + rest[position + 1 :]))
    return dict(ways)


@dataclass(frozen=True, eq=False)
class _Recipe:
    """The partial derivatives `wanted` as sums of products of radial functions and directions.

    Attributes
    ----------
    terms : list of (order, power)
        The radial functions z^power D^order rho that appear.
    component, radial : int array, shape (m,)
        Which of `wanted` each product is added to, and which radial function it has.
    ways, derivatives : array, shape (m,)
        Its integer factor, and the number of derivatives taken.
    direction : int array, shape (m, 4)
        The components of u that it has, then -1.
    """

    terms: list[tuple[int, int]]
    component: np.ndarray
    radial: np.ndarray
    ways: FloatArray
    derivatives: FloatArray
    direction: np.ndarray

    def factors(self, scale: Scale) -> FloatArray:
        """What each product is multiplied by, shape (m,)."""
        return self.ways * scale.amplitude**2 / scale.lengthscale**self.derivatives


@cache
def _recipe(wanted: tuple[Indices, ...]) -> _Recipe:
    rows = [
        (component, ((len(indices) + len(left)) // 2, len(left)), ways, len(indices), left)
        for component, indices in enumerate(wanted)
        for left, ways in _pairings(indices).items()
    ]
    component, radial, ways, derivatives, left = zip(*rows, strict=True)
    terms = sorted(set(radial))
    return _Recipe(
        terms,
        np.array(component),
        np.array([terms.index(term) for term in radial]),
        np.array(ways, dtype=float),
        np.array(derivatives, dtype=float),
        np.array([(*indices, *[-1] * (4 - len(indices))) for indices in left]),
    )


@cache
def _closed_forms(
    kernel: Correlation, wanted: tuple[Indices, ...]
) -> ExponentialPolynomials | None:
    return kernel.exponential_polynomials(_recipe(wanted).terms)


def _compiled_loop(kernel: Correlation, scale: Scale, wanted: tuple[Indices, ...]) -> tuple | None:
    """The radial functions and products of `wanted` for `womble.compiled`; None if it cannot."""
    closed, recipe = _closed_forms(kernel, wanted), _recipe(wanted)
    if closed is None:
        return None
    radials = (closed.rate, closed.exponent, closed.coefficients)
    return *radials, recipe.component, recipe.radial, recipe.factors(scale), recipe.direction


def partials(
    kernel: Kernel, scale: Scales, h: FloatArray, wanted: tuple[Indices, ...]
) -> FloatArray:
    """Partial derivatives of the covariance k(h) with respect to h.

    Parameters
    ----------
    kernel : Kernel
    scale : Scale, or a tuple of them
        Of each component of the kernel.
    h : array, shape (d, ...)
        Differences s - t, in coordinate units; coordinates lead, which keeps each contiguous.
    wanted : tuple of sorted tuples of coordinate indices, at most four each
        () is k itself, (0, 1) is d2k / dh_0 dh_1.

    Returns
    -------
    array, shape (len(wanted), ...)
        In response units squared per coordinate unit to the order.
    """
    out = np.zeros((len(wanted), *h.shape[1:]))
    for component, its_scale in parts(kernel, scale):
        _add_partials(component, its_scale, h, wanted, out)
    return out


def _add_partials(
    kernel: Correlation, scale: Scale, h: FloatArray, wanted: tuple[Indices, ...], out: FloatArray
) -> None:
    """Add the partial derivatives of one component's covariance to `out`."""
    recipe = _recipe(wanted)
    h = h / scale.lengthscale
    z = np.sqrt(sum(x * x for x in h))
    u = h / np.maximum(z, np.finfo(float).tiny)  # 0 where z is 0
    radials = kernel.radials(z, recipe.terms)
    factors = recipe.factors(scale)
    for m, component in enumerate(recipe.component):
        product = factors[m] * radials[recipe.radial[m]]
        for i in recipe.direction[m]:
            if i >= 0:
                product *= u[i]
        out[component] += product


def pair_partials(
    kernel: Kernel,
    scale: Scales,
    s: FloatArray,
    t: FloatArray,
    wanted: tuple[Indices, ...],
    start: FloatArray | None = None,
) -> FloatArray:
    """`partials` at s - t for all pairs of `s` (p, d) and `t` (n, d), shape (p, len(wanted), n).

    They are added to `start`, in place, where it is given.
    """
    out = np.zeros((len(s), len(wanted), len(t))) if start is None else start
    for component, its_scale in parts(kernel, scale):
        _add_pair_partials(component, its_scale, s, t, wanted, out)
    return out


def _add_pair_partials(
    kernel: Correlation,
    scale: Scale,
    s: FloatArray,
    t: FloatArray,
    wanted: tuple[Indices, ...],
    out: FloatArray,
) -> None:
    """Add the partial derivatives of one component's covariance to `out`."""
    loop = _compiled_loop(kernel, scale, wanted)
    if loop is not None:
        there = np.ascontiguousarray(t.T / scale.lengthscale)
        sums_of_products(s / scale.lengthscale, there, *loop, EXPONENTIAL, out)
        return
    step = max(1, PAIRS_PER_BLOCK // len(t))
    for first in range(0, len(s), step):
        block = slice(first, first + step)
        h = np.stack([np.subtract.outer(a, b) for a, b in zip(s[block].T, t.T, strict=True)])
        out[block] += partials(kernel, scale, h, wanted).transpose(1, 0, 2)


def cross_covariance(
    kernel: Kernel,
    scale: Scales,
    s: FloatArray,
    t: FloatArray,
    order: int,
    start: FloatArray | None = None,
) -> FloatArray:
    """Prior covariance of the jet at `s` with the value at `t`.

    Parameters
    ----------
    s, t : array, shape (p, d) and (n, d)
    order : int
        Order of the jet, 0 to 2.
    start : array, shape (p, c, n), optional
        Added to, in place.

    Returns
    -------
    array, shape (p, c, n)
        Entry [i, a, j] is Cov(d^a f(s_i), f(t_j)).
    """
    wanted = tuple(jet.components(s.shape[1], order))
    return pair_partials(kernel, scale, s, t, wanted, start)


def kernel_sums(
    kernel: Kernel, scale: Scales, s: FloatArray, t: FloatArray, weights: FloatArray, order: int
) -> FloatArray:
    """Jets of sum_j weights[j] k(., t_j) at `s`: `cross_covariance` @ weights, shape (p, c).

    Where the kernel has compiled loops nothing of size p x n is ever held.
    """
    wanted = tuple(jet.components(s.shape[1], order))
    out = np.zeros((len(s), len(wanted)))
    for component, its_scale in parts(kernel, scale):
        loop = _compiled_loop(component, its_scale, wanted)
        if loop is not None:
            there = np.ascontiguousarray(t.T / its_scale.lengthscale)
            weighted_sums(s / its_scale.lengthscale, there, weights, *loop, EXPONENTIAL, out)
            continue
        step = max(1, PAIRS_PER_BLOCK // len(t))
        for first in range(0, len(s), step):
            block = slice(first, first + step)
            out[block] += cross_covariance(component, its_scale, s[block], t, order) @ weights
    return out


def jet_covariance(kernel: Kernel, scale: Scales, h: FloatArray, order: int) -> FloatArray:
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
    place, wanted = union(columns)
    derivative = partials(kernel, scale, np.ascontiguousarray(np.moveaxis(h, -1, 0)), wanted)
    signs = np.array([(-1) ** len(b) for b in columns])
    return np.moveaxis(derivative[place], (0, 1), (-2, -1)) * signs


def union(columns: list[Indices]) -> tuple[np.ndarray, tuple[Indices, ...]]:
    """The distinct derivatives a + b of pairs of components, and where each pair's is."""
    pairs = [[tuple(sorted(a + b)) for b in columns] for a in columns]
    wanted = sorted({c for row in pairs for c in row})
    return np.array([[wanted.index(c) for c in row] for row in pairs]), tuple(wanted)
