r"""Likelihoods of a response given the latent field at its site, with all derivatives.

Each response y_i depends on eta_i alone. Laplace's approximation needs, with W the information,

.. math:: \log p(y_i | \eta_i), \quad \frac{d \log p}{d \eta_i}, \quad W_i, \quad
          \frac{d W_i}{d \eta_i}

and the derivatives of the first three by the likelihood's own parameters.

References
----------
Rasmussen and Williams (2006), sec. 3.4 and 5.5.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, erfcx, expit, gammaln, log_ndtr

from womble.arrays import FloatArray

LinkName = Literal["identity", "log", "logit"]


class Terms(NamedTuple):
    """A likelihood at eta, site by site.

    Attributes
    ----------
    value, slope : array, shape (n,)
        log p(y_i | eta_i) and its derivative by eta_i.
    information, information_slope : array, shape (n,)
        W_i > 0 and dW_i / d eta_i. W is minus the second derivative where log p is concave, its
        expectation (the Fisher information) where it is not.
    value_by, slope_by, information_by : array, shape (k, n)
        Derivatives of the first three by each parameter.
    curvature : array, shape (n,), or None
        Minus the second derivative of log p, where W is another.
    """

    value: FloatArray
    slope: FloatArray
    information: FloatArray
    information_slope: FloatArray
    value_by: FloatArray
    slope_by: FloatArray
    information_by: FloatArray
    curvature: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Likelihood(ABC):
    """Responses y (n,), observed independently given the latent field.

    Attributes
    ----------
    y : array, shape (n,)
    offset : array, shape (n,), or float
        Added to the field at each site: a known mean, and the logarithm of the exposure.
    trials : array, shape (n,), or float
        Of a binomial count.
    """

    link: ClassVar[LinkName]
    parameters: ClassVar[tuple[str, ...]] = ()

    y: FloatArray
    offset: FloatArray | float = 0.0
    trials: FloatArray | float = 1.0

    def terms(self, field: FloatArray, parameters: FloatArray) -> Terms:
        """The likelihood and its derivatives at a field (n,) and parameters (k,)."""
        return self._terms(field + self.offset, parameters)

    def at(self, chosen: npt.NDArray[np.intp] | slice) -> Likelihood:
        """That of some of the sites."""
        every = (getattr(self, f.name) for f in fields(self))
        return type(self)(*(np.broadcast_to(x, self.y.shape)[chosen] for x in every))

    @abstractmethod
    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        """The same at eta, the field and the offset."""

    def _without_parameters(self, *terms: FloatArray) -> Terms:
        nothing = np.empty((0, len(self.y)))
        return Terms(*terms, nothing, nothing, nothing)


@dataclass(frozen=True, eq=False)
class Gaussian(Likelihood):
    r"""y ~ N(eta, s^2), s^2 = share noise_sd^2 + known, or known only to lie beyond a limit.

    Where it is censored, y is the limit, and with c = -1 below and 1 above it

    .. math:: p = \Phi(t), \quad t = c (\eta - y) / s.

    Uncensored values alone the dense engine integrates in closed form.

    Attributes
    ----------
    censored : array, shape (n,), or float
        c; 0 where the value is known.
    share, known : array, shape (n,), or float
        See `womble.engines.noise.Noise`.

    References
    ----------
    Tobin (1958), Econometrica 26; Helsel (2012), Statistics for Censored Environmental Data.
    """

    link = "identity"
    parameters = ("noise_sd",)

    censored: FloatArray | float = 0.0
    share: FloatArray | float = 1.0
    known: FloatArray | float = 0.0

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        (tau,) = parameters
        c = np.broadcast_to(self.censored, eta.shape)
        s = np.sqrt(self.share * tau**2 + self.known) * np.ones(len(eta))
        s_by = self.share * tau / s
        z = (self.y - eta) / s
        t = -c * z
        ratio, curvature, curvature_slope = _mills(t)

        def either(known: FloatArray, beyond: FloatArray) -> FloatArray:
            return np.where(c == 0, known, beyond)

        return Terms(
            either(-0.5 * z**2 - np.log(s) - 0.5 * np.log(2 * np.pi), log_ndtr(t)),
            either(z, c * ratio) / s,
            either(1.0, curvature) / s**2,
            either(0.0, c * curvature_slope) / s**3,
            (either(z**2 - 1, -t * ratio) * s_by / s)[None],
            (either(-2 * z, c * (curvature * t - ratio)) * s_by / s**2)[None],
            (either(-2.0, -(curvature_slope * t + 2 * curvature)) * s_by / s**3)[None],
        )


# Below this the terms of `_mills` that nearly cancel are replaced by their series, whose first term
# left out is then 1e-13 of m + t and 1e-6 of g', which is 1e-6 itself.
FAR = -100.0


def _mills(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Derivatives of log Phi at t: m = phi / Phi; g = -m' = m (m + t); and g'.

    .. math:: g' = m [1 - (t + m)(t + 2 m)], \qquad m + t \to -1/t + 2/t^3 - 10/t^5 + 74/t^7,
              \quad g' \to 2/t^3 - 24/t^5
    """
    m = np.sqrt(2 / np.pi) / erfcx(-t / np.sqrt(2))
    far = t < FAR
    # 1 stands in where the series is not used.
    inverse = 1 / np.where(far, t, 1.0)
    sum_ = np.where(far, -inverse + 2 * inverse**3 - 10 * inverse**5 + 74 * inverse**7, m + t)
    slope = np.where(far, 2 * inverse**3 - 24 * inverse**5, m * (1 - sum_ * (sum_ + m)))
    return m, m * sum_, slope


class StudentT(Likelihood):
    """y = eta + noise_scale t, t of Student's law: robust against outliers.

    Its logarithm is not concave: W is the Fisher information (nu + 1) / ((nu + 3) scale^2).

    References
    ----------
    Hartmann and Vanhatalo (2019), Statistics and Computing 29, on the Fisher information here.
    """

    link = "identity"
    parameters = ("noise_scale", "degrees_of_freedom")

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        s, nu = parameters
        error, one = self.y - eta, np.ones(len(eta))
        square = error**2
        whole = nu * s**2 + square
        front = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(s)
        spread = np.log1p(square / (nu * s**2))
        slope = (nu + 1) * error / whole
        by_nu = 0.5 * (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / nu - spread)
        information = (nu + 1) / ((nu + 3) * s**2) * one
        return Terms(
            front - 0.5 * (nu + 1) * spread,
            slope,
            information,
            0 * one,
            np.stack([(slope * error - 1) / s, by_nu + 0.5 * slope * error / nu]),
            np.stack([-2 * nu * s * slope / whole, (error - slope * s**2) / whole]),
            np.stack([-2 * information / s, 2 / ((nu + 3) * s) ** 2 * one]),
            (nu + 1) * (nu * s**2 - square) / whole**2,
        )


class Poisson(Likelihood):
    """Counts with mean exposure e^eta."""

    link = "log"

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        # By t = log(mean / y), -y (e^t - 1 - t) + log p(y | mean y): large counts do not cancel.
        y, mean = self.y, np.exp(eta)
        t = eta - np.log(np.maximum(y, 1))
        value = np.where(y > 0, y * (t - np.expm1(t)) + _log_highest(y), -mean)
        slope = np.where(y > 0, -y * np.expm1(t), -mean)
        return self._without_parameters(value, slope, mean, mean)


def _log_highest(y: FloatArray) -> FloatArray:
    """y log y - y - log y!, for whole y >= 1 (0 counts as 1); by Stirling's series where large."""
    y = np.maximum(y, 1.0)
    series = -0.5 * np.log(2 * np.pi * y) - (1 / 12 - 1 / (360 * y**2)) / y
    # The term left out is 1 / (1260 y^5): below 1e-18 there.
    return np.where(y < 1000, y * np.log(y) - y - gammaln(y + 1), series)


class NegativeBinomial(Likelihood):
    """Counts with mean m = exposure e^eta and variance m + dispersion m^2."""

    link = "log"
    parameters = ("dispersion",)

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        # Gamma(y + 1/a) a^y / Gamma(1/a) is the product of 1 + a j over j < y, which stays exact as
        # the dispersion a goes to 0.
        (a,) = parameters
        y, mean = self.y, np.exp(eta)
        factors = 1 + a * mean
        log_factor = np.log1p(a * mean)
        steps, count = np.arange(y.max()), y.astype(int)
        rising = np.concatenate([[0.0], np.cumsum(np.log1p(a * steps))])[count]
        rising_by = np.concatenate([[0.0], np.cumsum(steps / (1 + a * steps))])[count]
        value = rising - gammaln(y + 1) + y * eta - (1 / a + y) * log_factor
        of_power = (log_factor - a * mean / factors) / a**2
        information = mean * (1 + a * y) / factors**2
        return Terms(
            value,
            (y - mean) / factors,
            information,
            information * (1 - a * mean) / factors,
            (rising_by + of_power - y * mean / factors)[None],
            (-(y - mean) * mean / factors**2)[None],
            (mean * (y - 2 * mean * (1 + a * y) / factors) / factors**2)[None],
        )


class Binomial(Likelihood):
    """Counts of successes in known numbers of trials, each with odds e^eta."""

    link = "logit"

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        y, m, p = self.y, self.trials, expit(eta)
        ways = gammaln(np.add(m, 1.0)) - gammaln(y + 1) - gammaln(m - y + 1)
        information = m * p * expit(-eta)
        value = ways + y * eta - m * np.logaddexp(0, eta)
        return self._without_parameters(value, y - m * p, information, information * (1 - 2 * p))


class Bernoulli(Binomial):
    """Presence and absence, 1 and 0, with odds e^eta: one trial each."""


class Gamma(Likelihood):
    """Positive responses with mean e^eta and variance mean^2 / shape."""

    link = "log"
    parameters = ("shape",)

    def _terms(self, eta: FloatArray, parameters: FloatArray) -> Terms:
        (a,) = parameters
        ratio = self.y * np.exp(-eta)
        log_ratio = np.log(self.y) - eta
        value = a * (np.log(a) + log_ratio - ratio) - gammaln(a) - np.log(self.y)
        return Terms(
            value,
            a * (ratio - 1),
            a * ratio,
            -a * ratio,
            (np.log(a) + 1 - digamma(a) + log_ratio - ratio)[None],
            (ratio - 1)[None],
            ratio[None],
        )


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "bernoulli": Bernoulli,
    "binomial": Binomial,
    "gamma": Gamma,
}
