"""Prior laws in closed form, on coordinates without bounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, lgamma, log, pi
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from womble.arrays import FloatArray

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

# exp overflows beyond.
LARGEST_LOGARITHM = 700.0


class LawAt(NamedTuple):
    """A law of a hyperparameter x at a coordinate q.

    Attributes
    ----------
    value, gradient : float
        Log density of q, the Jacobian of x(q) included, and its derivative by q.
    x, slope : float
        The hyperparameter, and dx / dq.
    """

    value: float
    gradient: float
    x: float
    slope: float


# Where x or its powers leave double precision.
NOWHERE = LawAt(-inf, 0.0, inf, inf)


class Law(Protocol):
    """Prior law of one hyperparameter."""

    @property
    def start(self) -> float:
        """A coordinate in the law's bulk."""
        ...

    def at(self, q: float) -> LawAt:
        """The law at the coordinate `q`."""
        ...

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Independent hyperparameters x, shape (count,)."""
        ...

    def as_pymc(self) -> TensorVariable:
        """The same law as a PyMC distribution."""
        ...


@dataclass(frozen=True)
class InverseGamma:
    r"""Inverse gamma law of x = e^q.

    .. math:: \log p(q) = \alpha \log \beta - \log \Gamma(\alpha) - \alpha q - \beta e^{-q}
    """

    alpha: float
    beta: float

    @property
    def start(self) -> float:
        """The mode of x."""
        return log(self.beta / (self.alpha + 1))

    def at(self, q: float) -> LawAt:
        """See `Law.at`."""
        if abs(q) > LARGEST_LOGARITHM:
            return NOWHERE
        x = exp(q)
        decay = self.beta / x
        value = self.alpha * (log(self.beta) - q) - lgamma(self.alpha) - decay
        return LawAt(value, decay - self.alpha, x, x)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """See `Law.draw`."""
        return self.beta / rng.standard_gamma(self.alpha, count)

    def as_pymc(self) -> TensorVariable:
        """See `Law.as_pymc`."""
        import pymc as pm

        return pm.InverseGamma.dist(alpha=self.alpha, beta=self.beta)


@dataclass(frozen=True)
class HalfNormal:
    r"""Half normal law of x = e^q.

    .. math:: \log p(q) = \tfrac12 \log \tfrac2\pi - \log s - \tfrac12 (e^q / s)^2 + q
    """

    scale: float

    @property
    def start(self) -> float:
        """The scale of x."""
        return log(self.scale)

    def at(self, q: float) -> LawAt:
        """See `Law.at`."""
        if abs(q) > LARGEST_LOGARITHM / 2:
            return NOWHERE
        x = exp(q)
        square = (x / self.scale) ** 2
        value = 0.5 * log(2 / pi) - log(self.scale) - 0.5 * square + q
        return LawAt(value, 1.0 - square, x, x)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """See `Law.draw`."""
        return self.scale * np.abs(rng.standard_normal(count))

    def as_pymc(self) -> TensorVariable:
        """See `Law.as_pymc`."""
        import pymc as pm

        return pm.HalfNormal.dist(sigma=self.scale)


@dataclass(frozen=True)
class Gamma:
    r"""Gamma law of x = e^q.

    .. math:: \log p(q) = \alpha \log \beta - \log \Gamma(\alpha) + \alpha q - \beta e^q
    """

    alpha: float
    beta: float

    @property
    def start(self) -> float:
        """The mean of x."""
        return log(self.alpha / self.beta)

    def at(self, q: float) -> LawAt:
        """See `Law.at`."""
        if abs(q) > LARGEST_LOGARITHM:
            return NOWHERE
        x = exp(q)
        value = self.alpha * (log(self.beta) + q) - lgamma(self.alpha) - self.beta * x
        return LawAt(value, self.alpha - self.beta * x, x, x)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """See `Law.draw`."""
        return rng.standard_gamma(self.alpha, count) / self.beta

    def as_pymc(self) -> TensorVariable:
        """See `Law.as_pymc`."""
        import pymc as pm

        return pm.Gamma.dist(alpha=self.alpha, beta=self.beta)


@dataclass(frozen=True)
class Frechet:
    r"""Frechet law of x = e^q: the power x^-a has an exponential law with mean s^-a.

    .. math:: P(x < t) = e^{-(t / s)^{-a}}, \quad
              \log p(q) = \log a - u - e^{-u}, \quad u = a (q - \log s)
    """

    shape: float
    scale: float

    @property
    def start(self) -> float:
        """The mode of q."""
        return log(self.scale)

    def at(self, q: float) -> LawAt:
        """See `Law.at`."""
        u = self.shape * (q - log(self.scale))
        if max(abs(q), -u) > LARGEST_LOGARITHM:
            return NOWHERE
        x, power = exp(q), exp(-u)
        return LawAt(log(self.shape) - u - power, self.shape * (power - 1.0), x, x)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """See `Law.draw`."""
        return self.scale * rng.standard_exponential(count) ** (-1 / self.shape)

    def as_pymc(self) -> TensorVariable:
        """See `Law.as_pymc`; PyMC has no such law, and gives this one no transform."""
        import pymc as pm

        def reciprocal(shape: object, scale: object, size: object) -> TensorVariable:
            return pm.Weibull.dist(alpha=shape, beta=1 / scale, size=size) ** -1.0

        return pm.CustomDist.dist(self.shape, self.scale, dist=reciprocal)


@dataclass(frozen=True)
class Normal:
    """Normal law of x = q with mean 0."""

    sd: float

    @property
    def start(self) -> float:
        """The mean."""
        return 0.0

    def at(self, q: float) -> LawAt:
        """See `Law.at`."""
        z = q / self.sd
        return LawAt(-0.5 * (log(2 * pi) + z * z) - log(self.sd), -z / self.sd, q, 1.0)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """See `Law.draw`."""
        return self.sd * rng.standard_normal(count)

    def as_pymc(self) -> TensorVariable:
        """See `Law.as_pymc`."""
        import pymc as pm

        return pm.Normal.dist(mu=0.0, sigma=self.sd)
