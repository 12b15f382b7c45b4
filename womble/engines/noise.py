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
        1 for values, 0 for slopes, whose noise is known.
    known : array, shape (n,)
        Variances of measurement.
    """

    share: FloatArray
    known: FloatArray

    def variance(self, theta: Theta) -> FloatArray:
        """Of each observation, shape (n,)."""
        return self.share * theta.noise_sd**2 + self.known

    def draw(self, theta: Theta, rng: np.random.Generator) -> FloatArray:
        """Noise of each observation, shape (n,)."""
        return np.sqrt(self.variance(theta)) * rng.standard_normal(len(self.known))
