"""Shared truths: kernels, trends, surfaces with exact jets, and independent arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import mpmath as mp
import numpy as np
from scipy.special import gamma, kv, ndtri

from womble import jet
from womble.kernels import Matern, RationalQuadratic, SquaredExponential

# Of the forty points in conftest.py.
TRUTH = {"lengthscale": 30.0, "amplitude": 2.0, "noise_sd": 0.5}

WITH_PATHS = [Matern(1.5), Matern(2.5), Matern(3.3), Matern(3.5), Matern(4.5), SquaredExponential()]
KERNELS = [*WITH_PATHS, RationalQuadratic(2.3)]
WITH_HESSIAN = [kernel for kernel in KERNELS if kernel.differentiability > 2]
TRENDS = ["none", "constant", "linear", "quadratic"]
TARGETS = ["surface", "process"]


def highest_order(kernel):
    """Order of the jets that a kernel's paths have, at most 2."""
    return 2 if kernel.differentiability > 2 else 1


# -- correlations, written apart from the package ------------------------------------------------


def correlation(kernel, z):
    """rho(z) from its definition, in double precision; scipy's Bessel function for Matern."""
    z = np.asarray(z, dtype=float)
    if isinstance(kernel, SquaredExponential):
        return np.exp(-0.5 * z**2)
    if isinstance(kernel, RationalQuadratic):
        return (1 + z**2 / (2 * kernel.alpha)) ** -kernel.alpha
    nu = kernel.nu
    # 1e-8 stands for 0: 1 - rho is of order z^2, below rounding there.
    x = np.sqrt(2 * nu) * np.maximum(z, 1e-8)
    return 2 ** (1 - nu) / gamma(nu) * x**nu * kv(nu, x)


def exact_radial(kernel, z, order, power=0):
    """z^power D^order rho(z), D = (1/z) d/dz, in mpmath's working precision; z > 0."""
    return mp.mpf(z) ** power * _exact_derivative(kernel, mp.mpf(z), order, mp.mp.prec)


@cache  # mpmath's Bessel functions of whole order take milliseconds
def _exact_derivative(kernel, z, order, precision):  # precision: part of the key
    if isinstance(kernel, SquaredExponential):
        return (-1) ** order * mp.exp(-(z**2) / 2)
    if isinstance(kernel, RationalQuadratic):  # as a function of w = z^2 / 2, D = d/dw
        alpha = mp.mpf(kernel.alpha)
        front = mp.rf(alpha, order) / (-alpha) ** order
        return front * (1 + z**2 / (2 * alpha)) ** (-alpha - order)
    nu = mp.mpf(kernel.nu)
    x = mp.sqrt(2 * nu) * z
    front = mp.mpf(2) ** (1 - nu) / mp.gamma(nu) * (-2 * nu) ** order
    return front * x ** (nu - order) * mp.besselk(nu - order, x)


# -- surfaces --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """A surface known exactly: jets of shape (p, 2) -> (p, 6), and the noise to observe it with."""

    name: str
    jets: Callable[[np.ndarray], np.ndarray]
    noise_sd: float
    low: float = 0.0  # the square [low, high]^2 is its domain
    high: float = 1.0

    def value(self, points):
        return self.jets(points)[:, 0]

    def gradient(self, points):
        return jet.gradient(self.jets(points))

    def hessian(self, points):
        return jet.hessian(self.jets(points))


def _waves_added(points):
    a, (x, y) = 3 * np.pi, points.T
    value = 10 * (np.sin(a * x) + np.cos(a * y))
    slope = [10 * a * np.cos(a * x), -10 * a * np.sin(a * y)]
    bend = [-10 * a**2 * np.sin(a * x), 0 * x, -10 * a**2 * np.cos(a * y)]
    return np.stack([value, *slope, *bend], axis=1)


def _waves_multiplied(points):
    a, (x, y) = 3 * np.pi, points.T
    sx, cx, sy, cy = np.sin(a * x), np.cos(a * x), np.sin(a * y), np.cos(a * y)
    slope = [a * cx * cy, -a * sx * sy]
    bend = [-(a**2) * sx * cy, -(a**2) * cx * sy, -(a**2) * sx * cy]
    return 10 * np.stack([sx * cy, *slope, *bend], axis=1)


def _rings(points):
    """20 sin r: f_ij = f'' u_i u_j + f' / r (delta_ij - u_i u_j) with u = s / r."""
    r = np.hypot(*points.T)
    ux, uy = points.T / r
    first, second = 20 * np.cos(r), -20 * np.sin(r)
    bend = [second * a + first / r * (d - a) for a, d in ((ux**2, 1), (ux * uy, 0), (uy**2, 1))]
    return np.stack([20 * np.sin(r), first * ux, first * uy, *bend], axis=1)


def _front(points, height, steepness, direction, offset):
    """height * t, t = tanh(steepness (direction . s - offset)): t' = 1 - t^2, t'' = -2 t t'."""
    a, b = direction
    t = np.tanh(steepness * (points @ np.array(direction) - offset))
    first = height * steepness * (1 - t**2)
    second = -2 * height * steepness**2 * t * (1 - t**2)
    bend = [second * a * a, second * a * b, second * b * b]
    return np.stack([height * t, a * first, b * first, *bend], axis=1)


def _cliff(points):
    out = _front(points, 1 / 9, 9.0, (-1.0, 1.0), 0.0)
    out[:, 0] += 1 / 9
    return out


def quadratic(value, gx, gy, hxx, hxy, hyy):
    """Jets of value + g . s + s' H s / 2."""

    def jets(points):
        x, y = points.T
        one = np.ones_like(x)
        f = value + gx * x + gy * y + 0.5 * (hxx * x * x + 2 * hxy * x * y + hyy * y * y)
        slope = [gx + hxx * x + hxy * y, gy + hxy * x + hyy * y]
        return np.stack([f, *slope, hxx * one, hxy * one, hyy * one], axis=1)

    return jets


A1 = Surface("A1 waves added", _waves_added, 1.0)
A2 = Surface("A2 waves multiplied", _waves_multiplied, 1.0)
A3 = Surface("A3 rings", _rings, 1.0, -10.0, 10.0)  # not differentiable at 0: mask r < 1
A5 = Surface("A5 Franke's cliff", _cliff, 0.05)
A6_BROAD = Surface("A6 front, steepness 2", lambda s: _front(s, 0.5, 2.0, (1.0, 0.0), 0.5), 0.05)
A6 = Surface("A6 front, steepness 3", lambda s: _front(s, 0.5, 3.0, (1.0, 0.0), 0.5), 0.05)
A7_PLANE = Surface("A7 plane", quadratic(0, 1, 0.5, 0, 0, 0), 0.02)
A7_PARABOLOID = Surface("A7 paraboloid", quadratic(0.5, -1, -1, 2, 0, 2), 0.02)
A7_SADDLE = Surface("A7 saddle", quadratic(0, -1, 1, 2, 0, -2), 0.02)
SURFACES = [A1, A2, A3, A5, A6_BROAD, A6, A7_PLANE, A7_PARABOLOID, A7_SADDLE]


def simulate(surface, n, rng):
    """Noisy values at n uniform sites of the surface's domain: coords (n, 2), values (n,)."""
    coords = rng.uniform(surface.low, surface.high, (n, 2))
    return coords, surface.value(coords) + surface.noise_sd * rng.standard_normal(n)


# -- differences and rotations ---------------------------------------------------------------------


def stencil(dimension, order, step):
    """Offsets (m, d) and weights (c, m) of central differences: jets = weights @ values."""
    e = step * np.eye(dimension)
    offsets, rows = [np.zeros(dimension)], [{0: 1.0}]

    def at(offset):
        offsets.append(offset)
        return len(offsets) - 1

    for indices in jet.components(dimension, order)[1:]:
        if len(indices) == 1:
            (i,) = indices
            rows.append({at(e[i]): 0.5 / step, at(-e[i]): -0.5 / step})
        elif indices[0] == indices[1]:
            i = indices[0]
            rows.append({at(e[i]): step**-2, 0: -2 * step**-2, at(-e[i]): step**-2})
        else:
            i, j = indices
            rows.append(
                {at(p * e[i] + q * e[j]): p * q / 4 / step**2 for p in (1, -1) for q in (1, -1)}
            )
    weights = np.zeros((len(rows), len(offsets)))
    for row, entries in zip(weights, rows, strict=True):
        for column, weight in entries.items():
            row[column] += weight
    return np.array(offsets), weights


def difference_jets(function, points, order, step):
    """Jets (p, c) of function (m, d) -> (m,) by central differences, extrapolated to O(step^4)."""
    points = np.asarray(points, dtype=float)

    def plain(step):
        offsets, weights = stencil(points.shape[1], order, step)
        values = function((points[:, None, :] + offsets).reshape(-1, points.shape[1]))
        return values.reshape(len(points), -1) @ weights.T

    # Central differences have errors in even powers of the step: Richardson takes off the first.
    return (4 * plain(step / 2) - plain(step)) / 3


def rotation(angle):
    """Counter-clockwise rotation of the plane."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def jet_rotation(turn, order):
    """Matrix (c, c) taking the jet of f at s to that of g(s) = f(turn' s) at turn @ s.

    Gradients become turn g, Hessians turn H turn'.
    """
    columns = jet.components(len(turn), order)
    out = np.zeros((len(columns), len(columns)))
    for a, rows in enumerate(columns):
        for b, by in enumerate(columns):
            if len(rows) == len(by) == 0:
                out[a, b] = 1
            elif len(rows) == len(by) == 1:
                out[a, b] = turn[rows[0], by[0]]
            elif len(rows) == len(by) == 2:
                (i, j), (k, m) = rows, by
                out[a, b] = turn[i, k] * turn[j, m]
                if k != m:  # the packed Hessian holds k, m and m, k once
                    out[a, b] += turn[i, m] * turn[j, k]
    return out


# -- Monte Carlo ---------------------------------------------------------------------------------


def standard_bound(count, samples, level=1e-3):
    """What the largest of `count` standardised means or covariances exceeds with chance `level`.

    Bonferroni's bound of the normal, widened by the skewness (8 / samples)^(1/2) of a variance
    (Cornish and Fisher 1938).
    """
    z = ndtri(1 - level / (2 * count))
    return z + (z**2 - 1) * np.sqrt(8 / samples) / 6


def assert_moments(draws, mean, covariance):
    """Draws (S, g, k) have these means (g, k) and covariances (g, k, k)."""
    samples, count = len(draws), mean.size + covariance.size
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    centred = (draws - mean) / sd
    correlation = covariance / (sd[:, :, None] * sd[:, None, :])
    bound = standard_bound(count, samples)
    assert np.abs(centred.mean(axis=0) * np.sqrt(samples)).max() < bound
    found = np.einsum("sgi,sgj->gij", centred, centred) / samples
    assert np.abs((found - correlation) * np.sqrt(samples / (1 + correlation**2))).max() < bound


def holm(p):
    """Adjusted p-values (Holm 1979)."""
    p = np.asarray(p)
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return np.minimum(stepped, 1.0)[np.argsort(order)]
