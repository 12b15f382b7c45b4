"""Laws of a response given the field at its site: densities, distribution functions and draws.

In the user's units, site by site; every function broadcasts, so that draws may lead. The formulas
of the densities are those of `womble.likelihoods`, which has their derivatives too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import (
    bdtr,
    betainc,
    expit,
    gammainc,
    gammaincc,
    gammaln,
    log_ndtr,
    ndtr,
    stdtr,
    xlogy,
)

from womble.arrays import FloatArray

# Of the likelihood's parameters: numbers, or arrays that broadcast with the field.
Parameters = Sequence[FloatArray | float]


@dataclass(frozen=True, eq=False)
class ObservationLaw(ABC):
    """How responses at n sites are observed given the field there.

    Attributes
    ----------
    amount : array, shape (n,), or float
        Exposure of counts, trials of binomial ones.
    """

    discrete: ClassVar[bool] = False
    amount: FloatArray | float = 1.0

    @abstractmethod
    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """log p(y | eta): of a probability where the response is discrete."""

    @abstractmethod
    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """P(Y <= y | eta); y whole numbers from -1 on where the response is discrete."""

    def interval(
        self, y: FloatArray, eta: FloatArray, parameters: Parameters
    ) -> tuple[FloatArray, FloatArray]:
        """P(Y < y | eta) and P(Y <= y | eta): the same where the response is continuous."""
        up_to = self.distribution(y, eta, parameters)
        return self.distribution(y - 1, eta, parameters) if self.discrete else up_to, up_to

    @abstractmethod
    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the response, infinite where there is none."""

    @abstractmethod
    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """Fisher information on eta: its inverse root is how narrow p(y | eta) is."""

    @abstractmethod
    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """A response for each entry of eta."""


@dataclass(frozen=True, eq=False)
class GaussianLaw(ObservationLaw):
    """y ~ N(eta, share noise_sd^2 + known), or known only to lie beyond a limit.

    Attributes
    ----------
    share, known : array, shape (n,), or float
        See `womble.engines.noise.Noise`.
    censored : array, shape (n,), or float
        -1 or 1 where y is a limit that the value is below or above, 0 where it is known.
    """

    share: FloatArray | float = 1.0
    known: FloatArray | float = 0.0
    censored: FloatArray | float = 0.0

    def _sd(self, parameters: Parameters) -> FloatArray:
        return np.sqrt(self.share * np.square(parameters[0]) + self.known)

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`; of a censored value log P(beyond the limit)."""
        sd = self._sd(parameters)
        z = (y - eta) / sd
        known = -0.5 * z**2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
        return np.where(self.censored == 0, known, log_ndtr(-self.censored * z))

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        return ndtr((y - eta) / self._sd(parameters))

    def interval(
        self, y: FloatArray, eta: FloatArray, parameters: Parameters
    ) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.interval`."""
        at = self.distribution(y, eta, parameters)
        return np.where(self.censored == -1, 0.0, at), np.where(self.censored == 1, 1.0, at)

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`."""
        return eta, np.broadcast_to(self._sd(parameters) ** 2, np.shape(eta))

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`; at most this where censored."""
        return np.broadcast_to(1 / self._sd(parameters) ** 2, np.shape(eta))

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`; the values themselves, not whether they pass a limit."""
        return eta + self._sd(parameters) * rng.standard_normal(np.shape(eta))


class StudentTLaw(ObservationLaw):
    """y = eta + noise_scale t with degrees_of_freedom."""

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`."""
        scale, nu = parameters
        front = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(scale)
        return front - 0.5 * (nu + 1) * np.log1p(((y - eta) / scale) ** 2 / nu)

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        scale, nu = parameters
        return stdtr(nu, (y - eta) / scale)

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`: the mean is the centre, though there is none at nu <= 1."""
        scale, nu = (np.asarray(p, dtype=float) for p in parameters)
        finite = nu > 2
        factor = np.where(finite, nu / np.where(finite, nu - 2, 1.0), np.inf)
        return eta, np.broadcast_to(scale**2 * factor, np.shape(eta))

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`."""
        scale, nu = parameters
        return np.broadcast_to((nu + 1) / ((nu + 3) * scale**2), np.shape(eta))

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`."""
        scale, nu = parameters
        return eta + scale * rng.standard_t(nu, np.shape(eta))


class PoissonLaw(ObservationLaw):
    """Counts with mean amount e^eta."""

    discrete = True

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`."""
        mean = self.amount * np.exp(eta)
        return xlogy(y, self.amount) + y * eta - mean - gammaln(y + 1)

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        # At -1 the incomplete gamma function is asked for a shape of 0, and gives 0.
        return gammaincc(y + 1, self.amount * np.exp(eta))

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`."""
        mean = self.amount * np.exp(eta)
        return mean, mean

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`."""
        return self.amount * np.exp(eta)

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`."""
        return rng.poisson(self.amount * np.exp(eta)).astype(float)


class NegativeBinomialLaw(ObservationLaw):
    """Counts with mean m = amount e^eta and variance m + dispersion m^2."""

    discrete = True

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`."""
        (a,) = parameters
        spread = a * self.amount * np.exp(eta)
        ways = gammaln(y + 1 / a) - gammaln(1 / a) - gammaln(y + 1)
        # (m a / (1 + m a))^y (1 + m a)^(-1/a)
        return ways + xlogy(y, spread) - (y + 1 / a) * np.log1p(spread)

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        (a,) = parameters
        none = 1 / (1 + a * self.amount * np.exp(eta))
        return np.where(y < 0, 0.0, betainc(1 / a, np.maximum(y, 0) + 1, none))

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`."""
        mean = self.amount * np.exp(eta)
        return mean, mean + parameters[0] * mean**2

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`."""
        mean = self.amount * np.exp(eta)
        return mean / (1 + parameters[0] * mean)

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`."""
        (a,) = parameters
        rates = rng.gamma(1 / a, a * self.amount * np.exp(eta))
        return rng.poisson(rates).astype(float)


class BinomialLaw(ObservationLaw):
    """Successes in `amount` trials with odds e^eta; presence and absence where that is 1."""

    discrete = True

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`."""
        m = np.asarray(self.amount, dtype=float)
        ways = gammaln(m + 1) - gammaln(y + 1) - gammaln(m - y + 1)
        return ways + y * eta - m * np.logaddexp(0, eta)

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        m = np.asarray(self.amount, dtype=int)
        return np.where(y < 0, 0.0, bdtr(np.maximum(y, 0), m, expit(eta)))

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`."""
        p = expit(eta)
        return self.amount * p, self.amount * p * expit(-eta)

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`."""
        return self.amount * expit(eta) * expit(-eta)

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`."""
        return rng.binomial(np.asarray(self.amount, dtype=int), expit(eta)).astype(float)


class GammaLaw(ObservationLaw):
    """Positive responses with mean e^eta and variance mean^2 / shape."""

    def log_density(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.log_density`."""
        (a,) = parameters
        log_ratio = np.log(y) - eta
        return a * (np.log(a) + log_ratio - np.exp(log_ratio)) - gammaln(a) - np.log(y)

    def distribution(self, y: FloatArray, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.distribution`."""
        (a,) = parameters
        return gammainc(a, a * y * np.exp(-eta))

    def moments(self, eta: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """See `ObservationLaw.moments`."""
        mean = np.exp(eta)
        return mean, mean**2 / parameters[0]

    def information(self, eta: FloatArray, parameters: Parameters) -> FloatArray:
        """See `ObservationLaw.information`."""
        return np.broadcast_to(parameters[0], np.shape(eta))

    def draw(self, eta: FloatArray, parameters: Parameters, rng: np.random.Generator) -> FloatArray:
        """See `ObservationLaw.draw`."""
        (a,) = parameters
        return rng.gamma(a, np.exp(eta) / a)


OBSERVATION_LAWS: dict[str, type[ObservationLaw]] = {
    "student_t": StudentTLaw,
    "poisson": PoissonLaw,
    "negative_binomial": NegativeBinomialLaw,
    "bernoulli": BinomialLaw,
    "binomial": BinomialLaw,
    "gamma": GammaLaw,
}


def observation_law(likelihood: str, amount: FloatArray | float) -> ObservationLaw:
    """The law of a likelihood that is not Gaussian, by name; what responses are proportional to."""
    return OBSERVATION_LAWS[likelihood](amount)
