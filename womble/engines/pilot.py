"""Laplace's approximation with the kernel itself: finds which lengthscales are plausible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import pdist, squareform

from womble.arrays import FloatArray
from womble.engines.approximation import BySites, find_mode, gradient_by_sites
from womble.engines.latent import State
from womble.kernels import Kernel
from womble.likelihoods import Likelihood
from womble.trend import COEFFICIENT_SD, Trend


@dataclass(frozen=True, eq=False)
class PilotEngine:
    """The latent model without waves: an n x n covariance, whatever the lengthscale.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Scaled; a few hundred.
    likelihood : Likelihood
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    likelihood: Likelihood

    @cached_property
    def _distances(self) -> FloatArray:
        return squareform(pdist(self.coords))

    @cached_property
    def _trend_covariance(self) -> FloatArray:
        basis = COEFFICIENT_SD * self.trend.jets(self.coords, 0)[:, 0]
        return basis @ basis.T

    def log_likelihood(self, state: State) -> tuple[float, FloatArray]:
        """As `LatentEngine.log_likelihood`."""
        scale, parameters = state.scale, np.array(state.parameters)
        # rho and z^2 D rho = -lengthscale d rho / d lengthscale.
        correlation, stretch = self.kernel.radials(
            self._distances / scale.lengthscale, [(0, 0), (1, 2)]
        )
        K = scale.amplitude**2 * correlation + self._trend_covariance
        found = find_mode(BySites(K), self.likelihood, parameters)
        if found is None:
            return -np.inf, np.zeros(2 + len(parameters))
        derivatives = [
            -(scale.amplitude**2) / scale.lengthscale * stretch,
            2 * scale.amplitude * correlation,
        ]
        gradient = gradient_by_sites(K, derivatives, found)
        return found.log_evidence, np.concatenate(gradient)
