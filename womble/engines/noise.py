"""The noise of every observation: what is known of it, and what is a hyperparameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble.arrays import FloatArray
from womble.hyperparameters import Theta


@dataclass(frozen=True, eq=False)
class Noise:
    """Independent noise of variance share tau^2 + known.

    Attributes
    ----------
    share : array, shape (n,)
        1 for values, 1 / m for means of m measurements, 0 for slopes, whose noise is known.
    known : array, shape (n,)
        Variances of measurement.
    """

    share: FloatArray
    known: FloatArray

    @classmethod
    def of(cls, n: int, measurement_sd: FloatArray | None, weights: FloatArray | None) -> Noise:
        """That of n values; parameters as of `Observations`."""
        known = np.zeros(n) if measurement_sd is None else measurement_sd**2
        return cls(np.ones(n) if weights is None else 1 / weights, known)

    def with_known(self, sds: FloatArray) -> Noise:
        """The same, and behind it that of observations whose noise is known, of sds (m,)."""
        share = np.concatenate([self.share, np.zeros(len(sds))])
        return Noise(share, np.concatenate([self.known, sds**2]))

    def variance(self, theta: Theta) -> FloatArray:
        """Of each observation, shape (n,)."""
        return self.share * theta.noise_sd**2 + self.known

    def draw(self, theta: Theta, rng: np.random.Generator) -> FloatArray:
        """Noise of each observation, shape (n,)."""
        return np.sqrt(self.variance(theta)) * rng.standard_normal(len(self.known))
