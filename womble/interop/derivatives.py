r"""Derivatives of covariance functions k(x, x') that are sums and products of simple ones.

For components a of the jet at x and b of the jet at x', :math:`D_{ab} = \partial_x^a
\partial_{x'}^b k` is the covariance of the two. Sums add; products follow the Leibniz rule on
either side,

.. math:: \partial^a (k g) = \sum_{b + c = a} \partial^b k \; \partial^c g,

the sum being over the ways to share out the indices of a.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.covariance import Scale, cross_covariance, jet_covariance
from womble.kernels import Correlation


class Covariance(ABC):
    """A covariance function k(x, x') of points in any dimension d, by the jets it gives."""

    @abstractmethod
    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """Covariance of the jets at `s` (p, d) with the values at `t` (n, d), shape (p, c, n)."""

    @abstractmethod
    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """Covariance of the jet at each of `s` (p, d) with itself, shape (p, c, c)."""

    def require_derivatives(self, order: int) -> None:
        """Raise a ValueError unless paths have mean-square derivatives of this order."""
        return


@dataclass(frozen=True)
class Constant(Covariance):
    """k = variance: a field that has one unknown value everywhere."""

    variance: float

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        out = np.zeros((len(s), jet.size(s.shape[1], order), len(t)))
        out[:, 0] = self.variance
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`."""
        return self.cross(s, s[:1], order) * np.eye(1, jet.size(s.shape[1], order))


@dataclass(frozen=True)
class Stationary(Covariance):
    """k = rho(|(x - x') / lengthscales|), one lengthscale per coordinate."""

    kernel: Correlation
    lengthscales: tuple[float, ...]

    def _units(self, order: int) -> FloatArray:
        """1 / lengthscale for each derivative of a component, shape (c,)."""
        inverse = 1.0 / np.array(self.lengthscales)
        return np.array([np.prod(inverse[list(a)]) for a in jet.components(len(inverse), order)])

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        out = cross_covariance(
            self.kernel, Scale(1.0, 1.0), s / self.lengthscales, t / self.lengthscales, order
        )
        out *= self._units(order)[:, None]
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`: the same at every point."""
        units, here = self._units(order), np.zeros((1, s.shape[1]))
        one = jet_covariance(self.kernel, Scale(1.0, 1.0), here, order) * np.outer(units, units)
        return np.repeat(one, len(s), axis=0)

    def require_derivatives(self, order: int) -> None:
        """See `Covariance.require_derivatives`."""
        self.kernel.require_derivatives(order)


@dataclass(frozen=True)
class Linear(Covariance):
    """k = variance + x . x': linear functions with independent standard normal slopes."""

    variance: float

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        d = s.shape[1]
        out = np.zeros((len(s), jet.size(d, order), len(t)))
        out[:, 0] = self.variance + s @ t.T
        if order > 0:
            out[:, 1 : 1 + d] = t.T
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`."""
        p, d = s.shape
        out = np.zeros((p, jet.size(d, order), jet.size(d, order)))
        out[:, 0, 0] = self.variance + np.sum(s**2, axis=1)
        if order > 0:
            out[:, 0, 1 : 1 + d] = out[:, 1 : 1 + d, 0] = s
            out[:, 1 : 1 + d, 1 : 1 + d] = np.eye(d)
        return out


@dataclass(frozen=True)
class Periodic(Covariance):
    r"""k = exp(-2 sin^2(pi h / period) / lengthscale^2), h = x - x', on the line.

    With :math:`b = 1 / \ell^2` and :math:`\theta = 2 \pi h / \mathrm{period}` this is
    :math:`e^{b (\cos\theta - 1)}`; its derivatives by theta are k times the complete Bell
    polynomials of those of the exponent.

    References
    ----------
    Rasmussen and Williams (2006), eq. (4.31).
    """

    lengthscale: float
    period: float

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        frequency, b = 2 * np.pi / self.period, self.lengthscale**-2
        angle = frequency * (s - t.T)
        k = np.exp(-2 * b * np.sin(angle / 2) ** 2)  # cos - 1 without cancellation
        first, second = -b * np.sin(angle), -b * np.cos(angle)
        factors = [1.0, frequency * first, frequency**2 * (second + first**2)]
        return np.stack([factor * k for factor in factors[: order + 1]], axis=1)

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`: D_ab = (-1)^b d^(a+b) k / dh^(a+b) at h = 0."""
        frequency, b = 2 * np.pi / self.period, self.lengthscale**-2
        at_zero = np.array([1.0, 0.0, -b, 0.0, b + 3 * b**2]) * frequency ** np.arange(5)
        columns = np.arange(order + 1)
        one = at_zero[columns[:, None] + columns] * (-1.0) ** columns
        return np.repeat(one[None], len(s), axis=0)


@dataclass(frozen=True)
class Sum(Covariance):
    """k + g: independent fields added."""

    left: Covariance
    right: Covariance

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        out = self.left.cross(s, t, order)
        out += self.right.cross(s, t, order)
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`."""
        return self.left.prior(s, order) + self.right.prior(s, order)

    def require_derivatives(self, order: int) -> None:
        """See `Covariance.require_derivatives`."""
        self.left.require_derivatives(order)
        self.right.require_derivatives(order)


@dataclass(frozen=True)
class Scaled(Covariance):
    """variance times k."""

    variance: float
    covariance: Covariance

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        out = self.covariance.cross(s, t, order)
        out *= self.variance
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`."""
        return self.variance * self.covariance.prior(s, order)

    def require_derivatives(self, order: int) -> None:
        """See `Covariance.require_derivatives`."""
        self.covariance.require_derivatives(order)


@cache
def _leibniz(dimension: int, order: int) -> list[tuple[tuple[int, int, int], int]]:
    """(component, component of k, component of g) of each term of a product, and its ways."""
    parts = jet.components(dimension, order)
    terms: Counter[tuple[int, int, int]] = Counter()
    for component, indices in enumerate(parts):
        for sides in product((0, 1), repeat=len(indices)):
            shared = [
                tuple(i for i, side in zip(indices, sides, strict=True) if side == which)
                for which in (0, 1)
            ]
            terms[component, parts.index(shared[0]), parts.index(shared[1])] += 1
    return list(terms.items())


@dataclass(frozen=True)
class Product(Covariance):
    """k g, by the Leibniz rule at x and at x'."""

    left: Covariance
    right: Covariance

    def cross(self, s: FloatArray, t: FloatArray, order: int) -> FloatArray:
        """See `Covariance.cross`."""
        k, g = self.left.cross(s, t, order), self.right.cross(s, t, order)
        out = np.zeros_like(k)
        for (component, b, c), ways in _leibniz(s.shape[1], order):
            out[:, component] += ways * k[:, b] * g[:, c]
        return out

    def prior(self, s: FloatArray, order: int) -> FloatArray:
        """See `Covariance.prior`."""
        k, g = self.left.prior(s, order), self.right.prior(s, order)
        terms = _leibniz(s.shape[1], order)
        there, left, right = np.array([place for place, _ in terms]).T
        gather = np.zeros((len(terms), k.shape[1]))  # sums the terms of x' into its components
        gather[np.arange(len(terms)), there] = [ways for _, ways in terms]
        out = np.zeros_like(k)
        for (component, b, c), count in terms:
            out[:, component] += count * (k[:, b][:, left] * g[:, c][:, right]) @ gather
        return out

    def require_derivatives(self, order: int) -> None:
        """See `Covariance.require_derivatives`."""
        self.left.require_derivatives(order)
        self.right.require_derivatives(order)
