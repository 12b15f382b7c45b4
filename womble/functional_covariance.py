"""Covariances of the rows of Functionals: derivatives, line integrals, averages."""

from __future__ import annotations

from functools import cache

import numpy as np

from womble.arrays import FloatArray
from womble.compiled.rows import weighted_pairs, weighted_rows
from womble.covariance import PAIRS_PER_BLOCK, Scale, Scales, pair_partials, parts, union
from womble.functional import Functional, Panels
from womble.kernels import Correlation, Kernel

# Gauss-Legendre nodes for the variance of one panel: exact to rounding on half a lengthscale.
FINE_NODES = 20


def functional_cross_covariance(
    kernel: Kernel, scale: Scales, functional: Functional, t: FloatArray
) -> FloatArray:
    """Prior covariance of the rows of a Functional with the values at `t`, shape (q, n)."""
    nodes, wanted = functional.nodes, tuple(functional.components)
    out = np.zeros((functional.size, len(t)))
    step = max(1, PAIRS_PER_BLOCK // len(t))
    for start in range(0, len(nodes), step):
        derivative = pair_partials(kernel, scale, nodes[start : start + step], t, wanted)
        weighted_rows(derivative, start, *functional.entries, out)
    return out


def functional_covariance(kernel: Kernel, scale: Scales, functional: Functional) -> FloatArray:
    """Prior covariance of the rows of a Functional, shape (q, q); node pairs in blocks."""
    nodes = functional.nodes
    place, wanted = union(functional.components)
    signs = np.array([(-1.0) ** len(b) for b in functional.components])
    out = np.zeros((functional.size, functional.size))
    step = max(1, PAIRS_PER_BLOCK // len(nodes))
    for start in range(0, len(nodes), step):
        derivative = pair_partials(kernel, scale, nodes[start : start + step], nodes, wanted)
        weighted_pairs(derivative, start, place, signs, *functional.entries, out)
    out = 0.5 * (out + out.T)
    if functional.panels is not None:
        diagonal = np.einsum("ii->i", out)
        np.add.at(diagonal, functional.panels.row, _cusps(kernel, scale, functional.panels))
    return out


@cache
def _gauss_legendre(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on (-1, 1), found once."""
    return np.polynomial.legendre.leggauss(nodes)


@cache
def _towards_zero() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on (0, 1) for functions of |t| with a fractional power at 0.

    t = u^8 makes t^(2 nu - 4) smooth enough for Gauss-Legendre in u, down to nu = 2.05.
    """
    x, w = _gauss_legendre(FINE_NODES)
    u = 0.5 * (x + 1)
    return u**8, 0.5 * w * 8 * u**7


@cache
def _cusp_rule(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Distances in panel lengths, and weights: exact double integral less that of the nodes."""
    x, w = _gauss_legendre(nodes)
    pairs, pair_weights = 0.5 * np.abs(np.subtract.outer(x, x)).ravel(), np.outer(w, w).ravel() / 4
    t, fine = _towards_zero()
    return np.concatenate([t, pairs]), np.concatenate([2 * fine * (1 - t), -pair_weights])


def _cusps(kernel: Kernel, scale: Scales, panels: Panels) -> FloatArray:
    """What Gauss-Legendre in both points misses of each panel's prior variance, shape (m,)."""
    rule = _cusp_rule(panels.nodes)
    return sum(_integrals(*part, panels, *rule) for part in parts(kernel, scale))


def segment_variances(kernel: Kernel, scale: Scales, segments: Panels) -> FloatArray:
    """Prior variance of integrals of normal derivatives over whole straight segments, shape (m,).

    Gauss-Legendre on panels of half a lengthscale, exact to rounding.
    """
    return sum(_segment_variances(*part, segments) for part in parts(kernel, scale))


def _segment_variances(kernel: Correlation, scale: Scale, segments: Panels) -> FloatArray:
    """Those of one component."""
    panels = int(np.ceil(2 * segments.length.max() / scale.lengthscale))
    t, weights = _towards_zero()
    x, w = _gauss_legendre(FINE_NODES)
    later = (np.arange(1, panels)[:, None] + 0.5 * (x + 1)).ravel()
    share = np.concatenate([t, later]) / panels
    weights = np.concatenate([weights, np.tile(0.5 * w, panels - 1)]) / panels
    return _integrals(kernel, scale, segments, share, 2 * weights * (1 - share))


def _integrals(
    kernel: Correlation, scale: Scale, panels: Panels, share: FloatArray, weights: FloatArray
) -> FloatArray:
    r"""Sums of covariances of derivatives along n at distances `share` of each panel, shape (m,).

    With b the cosine of the angle between n and the line, 0 for its normal, the derivatives have
    covariances

    .. math:: c_1 = -(\sigma / \ell)^2 (D \rho + b^2 z^2 D^2 \rho), \qquad
              c_2 = (\sigma / \ell^2)^2 (3 D^2 \rho + 6 b^2 z^2 D^3 \rho + b^4 z^4 D^4 \rho),

    and those of the first with the second are odd, so that their integral is 0; and

    .. math:: \int_0^p \int_0^p c(|s - t|)\, ds\, dt = 2 \int_0^p (p - t)\, c(t)\, dt,

    whose integrand is smooth.
    """
    variance = np.empty(len(panels.row))
    for order, factors in ((1, (-1.0, -1.0)), (2, (3.0, 6.0, 1.0))):
        of = panels.order == order
        if not of.any():
            continue
        z = panels.length[of, None] * share / scale.lengthscale
        variance[of] = factors[0] * kernel.radial(z, order) @ weights
        if panels.along is not None:
            for k, factor in enumerate(factors[1:], 1):
                part = factor * kernel.radial(z, order + k, 2 * k) @ weights
                variance[of] += panels.along[of] ** (2 * k) * part
    units = panels.weight * panels.length * scale.amplitude / scale.lengthscale**panels.order
    return units**2 * variance
