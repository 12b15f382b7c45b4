"""The Matern family, with any smoothness above 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb, factorial, lgamma

import numpy as np
from numpy.polynomial import polynomial
from scipy.special import betainc, betaincinv, gamma, kve

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.compiled.pairs import ExponentialPolynomials
from womble.kernels.base import Correlation

# K_nu and the factorials of the closed forms stay inside double precision up to here.
LARGEST_NU = 50.0

# e^-x is 0 in double precision from 746 on.
FARTHEST = 750.0

# Below this z antiderivatives are summed as series: their closed form loses digits like z^-order.
SERIES_BELOW = 1.0
# Of a series before it is cut at rounding: enough for the largest nu.
SERIES_TERMS = 160


@checked
@dataclass(frozen=True)
class Matern(Correlation):
    r"""Matern correlation; paths are differentiable ceil(nu) - 1 times.

    .. math:: \rho(z) = c\, x^\nu K_\nu(x), \quad x = a z, \quad a = \sqrt{2 \nu}, \quad
              c = 2^{1 - \nu} / \Gamma(\nu), \qquad
              D^j \rho = c\, (-a^2)^j\, x^{\nu - j} K_{\nu - j}(x)

    Half-integer nu (3/2, 5/2, 7/2, 9/2, ...) is evaluated in closed form, other values through
    the modified Bessel function, which is some twenty times slower.

    Parameters
    ----------
    nu : float
        Smoothness, 1 < nu <= 50. Gradients exist for nu > 1, Hessians for nu > 2.

    Raises
    ------
    ValueError
        If `nu` is outside that range.

    References
    ----------
    Rasmussen and Williams (2006), eq. (4.14) and (4.15); Stein (1999), sec. 2.7.

    Examples
    --------
    >>> import womble as wb
    >>> smooth = wb.Matern(nu=3.5)
    >>> smooth.differentiability
    3.5
    >>> smooth + wb.Matern(nu=1.5)
    Matern(nu=3.5) + Matern(nu=1.5)
    """

    nu: float = 3.5

    def __post_init__(self) -> None:
        if not 1.0 < self.nu <= LARGEST_NU:
            raise ValueError(
                f"`nu` must be above 1 (a gradient exists) and at most {LARGEST_NU:g}; got "
                f"{self.nu}. For smoother fields use SquaredExponential()."
            )

    @property
    def differentiability(self) -> float:
        """Mean-square derivatives of every order below nu exist."""
        return self.nu

    def radial(self, z: FloatArray, order: int, power: int = 0) -> FloatArray:
        """z^power D^order rho(z); shape of `z`. Finite at 0 where power + 2 (nu - order) >= 0."""
        return self.radials(z, [(order, power)])[0]

    @property
    def _half_integer(self) -> bool:
        return float(self.nu + 0.5).is_integer()

    def radials(self, z: FloatArray, terms: list[tuple[int, int]]) -> list[FloatArray]:
        """z^power D^order rho(z) for each (order, power); arrays of the shape of `z`."""
        # Beyond, e^-x is 0, and a power of x might not be a number.
        x = np.minimum(np.sqrt(2 * self.nu) * np.asarray(z, dtype=float), FARTHEST)
        if self._half_integer:
            decay = np.exp(-x)
            return [
                _polynomial(x, *self._closed_form(order, power)) * decay for order, power in terms
            ]
        return [self._bessel_form(x, order, power) for order, power in terms]

    def exponential_polynomials(
        self, terms: list[tuple[int, int]]
    ) -> ExponentialPolynomials | None:
        """Closed forms of half-integer nu as polynomials in z under exp(-sqrt(2 nu) z)."""
        if not self._half_integer:
            return None
        a = np.sqrt(2 * self.nu)
        forms = [self._closed_form(order, power) for order, power in terms]
        if min(shift for _, shift in forms) < 0:
            return None  # a product that diverges at 0 is no polynomial
        table = np.zeros((len(forms), max(len(c) + shift for c, shift in forms)))
        for row, (coefficients, shift) in zip(table, forms, strict=True):
            powers = shift + np.arange(len(coefficients))[::-1]
            row[powers] = coefficients * a**powers
        return ExponentialPolynomials(a, 1, table)

    def primitive(self, z: FloatArray, order: int) -> FloatArray:
        """See `Kernel.primitive`; half-integer nu only, to 6e-15 relative at every z."""
        if not self._half_integer:
            return super().primitive(z, order)
        a = np.sqrt(2 * self.nu)
        x = a * np.asarray(z, dtype=float)
        series, rising, decaying = _primitive_coefficients(self, order)
        near = x < a * SERIES_BELOW
        out = np.empty_like(x)
        for where, grows, decays in ((near, np.zeros(1), series), (~near, rising, decaying)):
            at = x[where]
            out[where] = _polynomial(at, grows, 0) + _polynomial(at, decays, 0) * np.exp(-at)
        return out / a**order

    def _prefactor(self, order: int, power: int) -> float:
        """The constant in front of x^power x^(nu - order) K_(nu - order)(x)."""
        a = np.sqrt(2 * self.nu)
        return np.exp((1 - self.nu) * np.log(2) - lgamma(self.nu)) * (-(a**2)) ** order / a**power

    def _closed_form(self, order: int, power: int) -> tuple[FloatArray, int]:
        """Coefficients, highest first, and shift of x^shift poly(x) e^-x for half-integer nu.

        x^m K_m(x) = sqrt(pi / 2) e^-x sum_i (p + i)! / (i! (p - i)! 2^i) x^(p - i), m = p + 1/2
        (DLMF 10.49.12). For order > nu the index is negative, K_-m = K_m and x^-m = x^m x^-2m.
        """
        index = self.nu - order
        p = int(abs(index) - 0.5)
        shift = power if index > 0 else power - (2 * p + 1)
        front = self._prefactor(order, power) * np.sqrt(np.pi / 2)
        terms = [comb(p, i) * factorial(p + i) / (factorial(p) * 2.0**i) for i in range(p + 1)]
        return front * np.array(terms), shift

    def _bessel_form(self, x: FloatArray, order: int, power: int) -> FloatArray:
        """x^power x^index K_index(x) by the scaled Bessel function, and its limit near 0."""
        index = self.nu - order
        m = abs(index)
        exponent = power + index
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            bessel, front = kve(m, x), x**exponent
            product = np.asarray(front * bessel * np.exp(-x))  # a lone x too takes items
        # Where K overflows, x^exponent underflows or x is 0, the ascending series
        # x^m K_m = 2^(m-1) Gamma(m) (1 + ...) is exact to rounding.
        small = ~np.isfinite(bessel) | (front == 0)
        if small.any():
            product[small] = _near_zero(x[small], m, power if index >= 0 else power - 2 * m)
        return self._prefactor(order, power) * product

    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """2^d pi^(d/2) Gamma(nu + d/2) / Gamma(nu) (2 nu)^nu (2 nu + w^2)^-(nu + d/2)."""
        nu, half = self.nu, dimension / 2
        log_front = dimension * np.log(2) + half * np.log(np.pi) + lgamma(nu + half) - lgamma(nu)
        return np.exp(log_front + nu * np.log(2 * nu) - (nu + half) * np.log(2 * nu + frequency**2))

    def spectral_slope(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """-(2 nu + d) w^2 / (2 nu + w^2); see `Kernel.spectral_slope`."""
        square = frequency**2
        return -(2 * self.nu + dimension) * square / (2 * self.nu + square)

    def spectral_moment(
        self, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """See `Correlation.spectral_moment`; power < 2 nu.

        |w|^2 / (2 nu) follows a beta prime law of parameters d/2 and nu, so that x = 2 nu /
        (2 nu + |w|^2) follows a beta law, and the moments are incomplete beta functions.
        """
        a2, p, q = 2 * self.nu, (dimension + power) / 2, self.nu - power / 2
        log_whole = lgamma(p) + lgamma(q) - lgamma(dimension / 2) - lgamma(self.nu)
        return a2 ** (power / 2) * np.exp(log_whole) * betainc(q, p, a2 / (a2 + beyond**2))

    def frequency_beyond(
        self, share: FloatArray | float, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """See `Correlation.frequency_beyond`; power < 2 nu."""
        a2, p, q = 2 * self.nu, (dimension + power) / 2, self.nu - power / 2
        x = betaincinv(q, p, share * betainc(q, p, a2 / (a2 + beyond**2)))
        return np.sqrt(a2 * (1 - x) / x)


@cache
def _primitive_coefficients(kernel: Matern, order: int) -> tuple[FloatArray, ...]:
    r"""Coefficients in x, highest first, of the `order`-fold antiderivative of rho by x.

    With rho = e^-x p_0(x) and p_j the sum of all derivatives of p_(j-1), which are positive,

    .. math:: \sum_{j=1}^{m} (-1)^{j-1} p_j(0) \frac{x^{m-j}}{(m-j)!} + (-1)^m e^{-x} p_m(x)
              = e^{-x} g_m(x), \qquad g_m' = g_m + g_{m-1}, \; g_m(0) = 0, \; g_0 = p_0.

    The power series g_m has positive coefficients, so that nothing cancels where x is small.

    Returns
    -------
    series, rising, decaying : array
        Of g_m, of the first sum and of (-1)^m p_m.
    """
    p = kernel._closed_form(0, 0)[0][::-1]
    g, rising = np.zeros(SERIES_TERMS), np.zeros(1)
    g[: len(p)] = p
    for j in range(1, order + 1):
        p = sum(np.pad(polynomial.polyder(p, i), (0, i)) for i in range(len(p)))
        rising = polynomial.polyint(rising, k=(-1) ** (j - 1) * p[0])
        above = np.zeros(SERIES_TERMS)
        for n in range(SERIES_TERMS - 1):
            above[n + 1] = (above[n] + g[n]) / (n + 1)
        g = above
    terms = g * (np.sqrt(2 * kernel.nu) * SERIES_BELOW) ** np.arange(SERIES_TERMS)
    seen = np.flatnonzero(terms > 1e-18 * terms.sum())
    return g[seen[-1] :: -1], rising[::-1], (-1) ** order * p[::-1]


def _polynomial(x: FloatArray, coefficients: FloatArray, shift: int) -> FloatArray:
    """x^shift times the polynomial with these coefficients, highest first."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    if shift:
        value *= x ** float(shift) if shift < 0 else x**shift
    return value


def _near_zero(x: FloatArray, m: float, power: float) -> FloatArray:
    """x^power times x^m K_m(x) where K_m overflows: eight terms of the ascending series.

    DLMF 10.31.1 and 10.27.4; the terms left out are below 1e-16 wherever K_m(x) > 1e308, m <= 50.
    """
    if m == 0:
        # K_0 grows like -log x: any positive power of x takes the product to 0.
        return np.zeros_like(x) if power > 0 else np.full_like(x, np.inf)
    series, term = np.zeros_like(x), np.ones_like(x)
    for k in range(8):
        series += term
        if m <= k + 1:
            break
        term = term * (x / 2) ** 2 / ((k + 1) * (k + 1 - m))
    with np.errstate(divide="ignore"):
        return x**power * 2 ** (m - 1) * gamma(m) * series
