"""The squared exponential correlation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
from numpy.polynomial import polynomial
from scipy.special import erf, gamma, gammaincc, gammainccinv

from womble.arrays import FloatArray
from womble.compiled.pairs import ExponentialPolynomials
from womble.kernels.base import Correlation

# Below this z antiderivatives are summed as series: the recurrence loses digits like z^-order.
SERIES_BELOW = 1.5
# The series' terms beyond are less than rounding there.
SERIES_TERMS = 40


@dataclass(frozen=True)
class SquaredExponential(Correlation):
    r"""Squared exponential correlation, infinitely differentiable.

    .. math:: \rho(z) = e^{-z^2 / 2}, \quad z = r / \ell

    References
    ----------
    Rasmussen and Williams (2006), eq. (4.9) and (4.10).
    """

    @property
    def differentiability(self) -> float:
        """Mean-square derivatives of every order exist."""
        return np.inf

    def radial(self, z: FloatArray, order: int, power: int = 0) -> FloatArray:
        """z^power D^order rho(z) = z^power (-1)^order exp(-z^2 / 2); shape of `z`."""
        return (-1.0) ** order * z**power * np.exp(-0.5 * z**2)

    def radials(self, z: FloatArray, terms: list[tuple[int, int]]) -> list[FloatArray]:
        """All products from one exponential."""
        correlation = np.exp(-0.5 * z**2)
        return [(-1.0) ** order * z**power * correlation for order, power in terms]

    def exponential_polynomials(self, terms: list[tuple[int, int]]) -> ExponentialPolynomials:
        """(-1)^order z^power under exp(-z^2 / 2)."""
        coefficients = np.zeros((len(terms), max(power for _, power in terms) + 1))
        for row, (order, power) in zip(coefficients, terms, strict=True):
            row[power] = (-1.0) ** order
        return ExponentialPolynomials(0.5, 2, coefficients)

    def primitive(self, z: FloatArray, order: int) -> FloatArray:
        r"""See `Kernel.primitive`; to 2e-15 relative at every z.

        .. math:: \rho_1 = \sqrt{\pi / 2}\, \mathrm{erf}(z / \sqrt{2}), \quad
                  m \rho_{m+1} = z \rho_m + \rho_{m-1} - z^{m-1} / (m-1)!
        """
        z = np.asarray(z, dtype=float)
        lower, found = np.exp(-0.5 * z**2), np.sqrt(np.pi / 2) * erf(z / np.sqrt(2))
        decay = lower
        for m in range(1, order):
            lower, found = found, (z * found + lower - z ** (m - 1) / factorial(m - 1)) / m
        near = z < SERIES_BELOW
        found = np.asarray(found)  # a lone z too takes items
        found[near] = decay[near] * polynomial.polyval(z[near], _primitive_series(order))
        return found

    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """(2 pi)^(d/2) exp(-w^2 / 2); shape of `frequency`."""
        return (2 * np.pi) ** (dimension / 2) * np.exp(-0.5 * frequency**2)

    def spectral_slope(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """-w^2; see `Kernel.spectral_slope`."""
        return -(frequency**2)

    def spectral_moment(
        self, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """See `Correlation.spectral_moment`: |w|^2 / 2 follows a gamma law of shape d/2."""
        shape = (dimension + power) / 2
        whole = 2 ** (power / 2) * gamma(shape) / gamma(dimension / 2)
        return whole * gammaincc(shape, beyond**2 / 2)

    def frequency_beyond(
        self, share: FloatArray | float, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """See `Correlation.frequency_beyond`."""
        shape = (dimension + power) / 2
        return np.sqrt(2 * gammainccinv(shape, share * gammaincc(shape, beyond**2 / 2)))


@cache
def _primitive_series(order: int) -> FloatArray:
    """Coefficients, lowest first, of g_m = exp(z^2 / 2) rho_m: g_m' = z g_m + g_(m-1), all >= 0."""
    g = np.zeros(SERIES_TERMS)
    g[0] = 1.0
    for _ in range(order):
        above = np.zeros(SERIES_TERMS)
        for n in range(SERIES_TERMS - 1):
            above[n + 1] = (above[n - 1] * (n > 0) + g[n]) / (n + 1)
        g = above
    return g
