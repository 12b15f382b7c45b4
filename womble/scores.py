r"""How well mixtures of normals foretold what was observed.

Observation i has the predictive distribution :math:`\sum_s w_{si} N(m_{si}, v_{si})`. Draws lead,
observations trail; weights sum to 1 over the draws.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr

from womble.arrays import FloatArray
from womble.compiled.scores import expected_distance
from womble.engines.ensemble import WORKERS


@dataclass(frozen=True, eq=False)
class Predictive:
    """Predictive mixtures of n observations.

    Attributes
    ----------
    observed : array, shape (n,)
    means, sds, weights : array, shape (S, n)
        `sds` positive.
    """

    observed: FloatArray
    means: FloatArray
    sds: FloatArray
    weights: FloatArray

    @property
    def standardised(self) -> FloatArray:
        """(y - m) / sd by component, shape (S, n)."""
        return (self.observed - self.means) / self.sds

    @property
    def mean(self) -> FloatArray:
        """Predictive mean, shape (n,)."""
        return np.sum(self.weights * self.means, axis=0)

    @property
    def sd(self) -> FloatArray:
        """Predictive standard deviation, shape (n,)."""
        deviations = self.means - self.mean
        return np.sqrt(np.sum(self.weights * (self.sds**2 + deviations**2), axis=0))

    @property
    def pit(self) -> FloatArray:
        """Predictive probability of a smaller value than was observed, shape (n,)."""
        return np.sum(self.weights * ndtr(self.standardised), axis=0)

    @property
    def covered(self) -> np.ndarray:
        """Whether the central 95% interval holds the observation, shape (n,)."""
        return (self.pit >= 0.025) & (self.pit <= 0.975)

    @property
    def log_density(self) -> FloatArray:
        """Log predictive density of what was observed, shape (n,)."""
        return logsumexp(
            component_log_density(self.observed, self.means, self.sds), axis=0, b=self.weights
        )

    @property
    def crps(self) -> FloatArray:
        r"""Continuous ranked probability score, in the observations' units, shape (n,).

        .. math:: \sum_s w_s A(y - m_s, v_s) - \tfrac12 \sum_{st} w_s w_t A(m_s - m_t, v_s + v_t),
                  \quad A(m, v) = E |N(m, v)|

        References
        ----------
        Grimit, Gneiting, Berrocal and Johnson (2006), Quarterly Journal of the Royal
        Meteorological Society 132, 2925-2942, eq. (5).
        """
        z = self.standardised
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        to_observed = np.sum(
            self.weights * self.sds * (2 * density + z * (2 * ndtr(z) - 1)), axis=0
        )
        columns = [np.ascontiguousarray(x.T) for x in (self.means, self.sds, self.weights)]
        with ThreadPoolExecutor(WORKERS) as pool:
            among_draws = np.array(list(pool.map(expected_distance, *columns)))
        return to_observed - 0.5 * among_draws


def component_log_density(observed: FloatArray, means: FloatArray, sds: FloatArray) -> FloatArray:
    """Log density of `observed` (n,) under each of the normals (S, n)."""
    return -0.5 * ((observed - means) / sds) ** 2 - np.log(sds) - 0.5 * np.log(2 * np.pi)
