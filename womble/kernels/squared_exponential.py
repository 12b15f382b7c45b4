"""The squared exponential correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, gammaincc, gammainccinv

from womble.arrays import FloatArray
from womble.compiled.pairs import ExponentialPolynomials
from womble.kernels.base import Correlation


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

    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """(2 pi)^(d/2) exp(-w^2 / 2); shape of `frequency`."""
        return (2 * np.pi) ** (dimension / 2) * np.exp(-0.5 * frequency**2)

    def spectral_slope(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """-w^2; shape of `frequency`."""
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
