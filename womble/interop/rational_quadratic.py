"""The rational quadratic correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, kv

from womble.arrays import FloatArray
from womble.kernels import Kernel


@dataclass(frozen=True)
class RationalQuadratic(Kernel):
    r"""Rational quadratic correlation: squared exponentials whose precision has a gamma law.

    .. math:: \rho(z) = (1 + z^2 / 2 \alpha)^{-\alpha}, \qquad
              D^j \rho = (-1)^j \prod_{i < j} \frac{\alpha + i}{\alpha}\;
              (1 + z^2 / 2 \alpha)^{-\alpha - j}

    References
    ----------
    Rasmussen and Williams (2006), eq. (4.19).
    """

    alpha: float

    @property
    def differentiability(self) -> float:
        """Mean-square derivatives of every order exist."""
        return np.inf

    def radial(self, z: FloatArray, order: int, power: int = 0) -> FloatArray:
        """z^power D^order rho(z); shape of `z`."""
        front = np.prod([-(self.alpha + i) / self.alpha for i in range(order)])
        return front * z**power * (1 + z**2 / (2 * self.alpha)) ** (-self.alpha - order)

    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """The mean of (2 pi / g)^(d/2) exp(-w^2 / 2g) over g ~ Gamma(alpha, rate alpha); w > 0."""
        a, index = self.alpha, self.alpha - dimension / 2
        log_front = 0.5 * dimension * np.log(2 * np.pi) + a * np.log(a) - gammaln(a) + np.log(2)
        x = np.sqrt(2 * a) * frequency
        return np.exp(log_front) * (x / (2 * a)) ** index * kv(index, x)
