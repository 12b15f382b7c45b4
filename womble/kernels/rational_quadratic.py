"""The rational quadratic correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, gammaln, kv

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.kernels.base import Correlation


@checked
@dataclass(frozen=True)
class RationalQuadratic(Correlation):
    r"""Rational quadratic correlation: squared exponentials whose precision has a gamma law.

    .. math:: \rho(z) = (1 + z^2 / 2 \alpha)^{-\alpha}, \qquad
              D^j \rho = (-1)^j \prod_{i < j} \frac{\alpha + i}{\alpha}\;
              (1 + z^2 / 2 \alpha)^{-\alpha - j}

    Its tails are too long for paths: moments in closed form only.

    Parameters
    ----------
    alpha : float
        Positive; the squared exponential is the limit of a large one.

    Raises
    ------
    ValueError
        If `alpha` is not positive and finite.

    References
    ----------
    Rasmussen and Williams (2006), eq. (4.19).
    """

    alpha: float

    def __post_init__(self) -> None:
        if not 0 < self.alpha < np.inf:
            raise ValueError(
                f"`alpha` must be positive and finite; got {self.alpha}. For its limit use "
                "SquaredExponential()."
            )

    @property
    def differentiability(self) -> float:
        """Mean-square derivatives of every order exist."""
        return np.inf

    def radial(self, z: FloatArray, order: int, power: int = 0) -> FloatArray:
        """z^power D^order rho(z); shape of `z`."""
        front = np.prod([-(self.alpha + i) / self.alpha for i in range(order)])
        return front * z**power * (1 + z**2 / (2 * self.alpha)) ** (-self.alpha - order)

    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """The mean of (2 pi / g)^(d/2) exp(-w^2 / 2g) over g ~ Gamma(alpha, rate alpha).

        Infinite at w = 0 for alpha <= d/2.
        """
        a, index = self.alpha, self.alpha - dimension / 2
        log_front = 0.5 * dimension * np.log(2 * np.pi) + a * np.log(a) - gammaln(a) + np.log(2)
        x = np.sqrt(2 * a) * np.asarray(frequency)
        with np.errstate(divide="ignore", invalid="ignore"):
            bessel = x**index * kv(index, x)
        if index > 0:  # x^m K_m(x) tends to 2^(m-1) Gamma(m), where K itself overflows
            bessel = np.where(np.isfinite(bessel), bessel, 2 ** (index - 1) * gamma(index))
        return np.exp(log_front) * (2 * a) ** -index * bessel
