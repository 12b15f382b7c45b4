r"""How well mixtures foretold responses that are not Gaussian.

Given draw s, the field at site i is :math:`N(m_{si}, v_{si})` and the response has its law given
the field, so that

.. math:: p(y_i) = \sum_s w_{si} \int p(y_i | \eta, \phi_s) \, N(\eta | m_{si}, v_{si}) \, d\eta.

The integrals are one-dimensional sums. Draws lead, observations trail.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from womble.arrays import FloatArray
from womble.engines.ensemble import WORKERS
from womble.observation_laws import BinomialLaw, ObservationLaw, Parameters

# Standard deviations of the field on either side, which leave out 1e-15.
REACH = 8.0
# Nodes in a standard deviation of the narrower of field and likelihood: equally spaced sums err by
# exp(-2 pi^2 2^2) for normal laws, and by some 1e-6 for Student's, which have poles (Trefethen and
# Weideman 2014, SIAM Review 56). At most so many nodes: enough for likelihoods 12 times as narrow
# as the field, and for normal ones 50 times.
PER_SD, MOST_NODES = 2.0, 401
# Responses drawn for a score that has no sum of its own, and for quantiles.
DRAWS = 1000


class Foretold(NamedTuple):
    """What each draw makes of each observation; arrays of shape (n,), or (S, n) for all draws.

    Attributes
    ----------
    log_density : array
        log p(y_i).
    below, up_to : array
        P(Y_i < y_i) and P(Y_i <= y_i).
    mean, variance : array
        Of the response.
    """

    log_density: FloatArray
    below: FloatArray
    up_to: FloatArray
    mean: FloatArray
    variance: FloatArray


def foretold(
    law: ObservationLaw, y: FloatArray, mean: FloatArray, sd: FloatArray, parameters: Parameters
) -> Foretold:
    """Integrals over a field N(mean, sd^2) at each site, shape (n,) each; sd may be 0."""
    z, log_weights = _nodes(law, mean, sd, parameters)
    eta, weights = mean + sd * z, np.exp(log_weights)
    below, up_to = (np.sum(weights * part, axis=0) for part in law.interval(y, eta, parameters))
    means, variances = law.moments(eta, parameters)
    expected = np.sum(weights * means, axis=0)
    spread = np.sum(weights * (variances + (means - expected) ** 2), axis=0)
    log_density = logsumexp(log_weights + law.log_density(y, eta, parameters), axis=0)
    return Foretold(log_density, below, up_to, expected, spread)


def _nodes(
    law: ObservationLaw, mean: FloatArray, sd: FloatArray, parameters: Parameters
) -> tuple[FloatArray, FloatArray]:
    """Nodes of a standard normal variable and logarithms of their weights, shape (q, 1)."""
    if not sd.any():
        return np.zeros((1, 1)), np.zeros((1, 1))
    near = mean + sd * np.array([-2.0, 0.0, 2.0])[:, None]
    sharpest = np.sqrt(1 + np.max(sd**2 * law.information(near, parameters)))
    half = int(min(np.ceil(REACH * PER_SD * sharpest), MOST_NODES // 2))
    z = np.linspace(-REACH, REACH, 2 * half + 1)[:, None]
    return z, -0.5 * z**2 - logsumexp(-0.5 * z**2)


@dataclass(frozen=True, eq=False)
class FieldDraws:
    """Normal laws of the field at n sites, one of each draw, and the draws' parameters.

    Attributes
    ----------
    means, sds : array, shape (S, n)
        Link scale.
    parameters : array, shape (S, k)
        The likelihood's own, in user units.
    """

    means: FloatArray
    sds: FloatArray
    parameters: FloatArray

    def foretold(self, law: ObservationLaw, y: FloatArray) -> Foretold:
        """Of all draws, shape (S, n) each."""

        def one(mean: FloatArray, sd: FloatArray, parameters: FloatArray) -> Foretold:
            return foretold(law, y, mean, sd, parameters)

        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(one, self.means, self.sds, self.parameters))
        return Foretold(*(np.array(part) for part in zip(*found, strict=True)))


@dataclass(frozen=True, eq=False)
class ResponsePredictive:
    """Predictive mixtures of n observations, as `womble.scores.Predictive` has them for normals.

    Attributes
    ----------
    law : ObservationLaw
    observed : array, shape (n,)
    field : FieldDraws
    parts : Foretold
        Shape (S, n) each.
    weights : array, shape (S, n)
        Sum to 1 over the draws.
    rng : Generator
        Of randomised PITs, and of responses drawn.
    """

    law: ObservationLaw
    observed: FloatArray
    field: FieldDraws
    parts: Foretold
    weights: FloatArray
    rng: np.random.Generator

    def _mixed(self, part: FloatArray) -> FloatArray:
        # Sums of weights round to 1 + 1e-16.
        return np.sum(self.weights * part, axis=0)

    @property
    def mean(self) -> FloatArray:
        """Predictive mean, shape (n,)."""
        return self._mixed(self.parts.mean)

    @property
    def sd(self) -> FloatArray:
        """Predictive standard deviation, shape (n,)."""
        deviation = self.parts.mean - self.mean
        return np.sqrt(self._mixed(self.parts.variance + deviation**2))

    @property
    def log_density(self) -> FloatArray:
        """Log predictive probability or density of what was observed, shape (n,)."""
        return logsumexp(self.parts.log_density, axis=0, b=self.weights)

    @cached_property
    def pit(self) -> FloatArray:
        """P(Y < y) + u P(Y = y), u uniform, shape (n,); of a censored value within what it can be.

        References
        ----------
        Smith (1985), Journal of Forecasting 4, 283-291, for the randomised transform.
        """
        below, up_to = self._mixed(self.parts.below), self._mixed(self.parts.up_to)
        u = self.rng.uniform(size=len(below))
        return np.clip(below + u * (up_to - below), 0.0, 1.0)

    @property
    def covered(self) -> np.ndarray:
        """Whether the central 95% interval holds the observation, shape (n,).

        Its ends are the 2.5% and 97.5% quantiles, both of them in it: of discrete responses it
        holds more than 95%.
        """
        below, up_to = self._mixed(self.parts.below), self._mixed(self.parts.up_to)
        return (up_to >= 0.025) & (below < 0.975)

    @cached_property
    def draws(self) -> FloatArray:
        """Responses drawn from the predictive mixtures and sorted, shape (DRAWS, n)."""
        n = len(self.observed)
        places = (np.arange(DRAWS) + self.rng.uniform()) / DRAWS
        ends = np.cumsum(self.weights, axis=0)
        last = len(ends) - 1
        chosen = np.stack([np.searchsorted(ends[:, i], places) for i in range(n)], axis=1)
        chosen = np.minimum(chosen, last)  # sums of weights may round to less than 1
        means, sds = (
            np.take_along_axis(x, chosen, axis=0) for x in (self.field.means, self.field.sds)
        )
        eta = means + sds * self.rng.standard_normal(chosen.shape)
        parameters = [column[chosen] for column in self.field.parameters.T]
        return np.sort(self.law.draw(eta, parameters, self.rng), axis=0)

    @property
    def quantiles(self) -> tuple[FloatArray, FloatArray]:
        """2.5% and 97.5% quantiles, from draws, shape (n,) each."""
        low, high = np.quantile(self.draws, (0.025, 0.975), axis=0, method="inverted_cdf")
        return low, high

    @property
    def crps(self) -> FloatArray:
        r"""Continuous ranked probability score, in the observations' units, shape (n,).

        Of presence and absence :math:`(p - y)^2`, the Brier score. Of other responses from M draws
        :math:`x_{(1)} \le x_{(2)} \le \dots`, without bias,

        .. math:: \frac1M \sum_j |x_j - y| - \frac1{M (M - 1)} \sum_j (2j - M - 1) x_{(j)}

        References
        ----------
        Gneiting and Raftery (2007), JASA 102, 359-378, eq. (21); Ferro (2014), Quarterly Journal of
        the Royal Meteorological Society 140, 1917-1923, for the divisor.
        """
        if isinstance(self.law, BinomialLaw) and np.all(np.asarray(self.law.amount) == 1):
            return (self.mean - self.observed) ** 2
        x = self.draws
        ranks = 2 * np.arange(1, DRAWS + 1) - DRAWS - 1
        return np.abs(x - self.observed).mean(axis=0) - ranks @ x / (DRAWS * (DRAWS - 1))
