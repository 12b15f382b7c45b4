"""The latent engine: a field of plane waves, seen through any likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dtrtri, dtrtrs

from womble.arrays import FloatArray
from womble.covariance import Scale
from womble.engines.approximation import (
    BySites,
    ByWeights,
    find_mode,
    no_mode,
    precision_factor,
)
from womble.engines.band import Band
from womble.engines.base import Target, parameters
from womble.engines.cavity import cavities
from womble.engines.evidence import gradient_by_weights
from womble.engines.latent_field import LatentConditional
from womble.engines.observations import CovariateTerms, Observations
from womble.hyperparameters import State
from womble.kernels import Kernel
from womble.likelihoods import Likelihood
from womble.trend import Trend


@dataclass(frozen=True, eq=False)
class LatentEngine:
    """y_i | eta_i by a likelihood, eta = H b + Z: waves with independent standard normal weights.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Scaled: centred, with rms radius 1.
    likelihood : Likelihood
        With the responses, on the scale of the scaled field.
    band : Band
    covariates : CovariateTerms, optional
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    likelihood: Likelihood
    band: Band
    covariates: CovariateTerms | None = None

    @cached_property
    def regression(self) -> Observations:
        """Trend and covariates, at the data and away from them."""
        nothing = np.zeros(len(self.coords))
        return Observations(
            self.kernel, self.trend, self.coords, nothing, covariates=self.covariates
        )

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: not what they can work out."""
        return parameters(self)

    @cached_property
    def features(self) -> FloatArray:
        """Waves, trend and covariates at the data, shape (n, m)."""
        waves = self.band.jets(self.coords, 0)[:, 0]
        return np.hstack([waves, self.regression.trend_basis])

    def of(self, kept: npt.NDArray[np.intp]) -> LatentEngine:
        """The same model with some of the data."""
        covariates = None if self.covariates is None else self.covariates.at(kept)
        likelihood = self.likelihood.at(kept)
        return replace(self, coords=self.coords[kept], likelihood=likelihood, covariates=covariates)

    @property
    def size(self) -> int:
        """Number of weights m."""
        return self.features.shape[1]

    def sds(self, scales: tuple[Scale, ...]) -> FloatArray:
        """Prior standard deviation of each feature's coefficient, shape (m,)."""
        return self._sds(self.band.variances(self.kernel, scales))

    def _sds(self, variances: FloatArray) -> FloatArray:
        out = np.ones(self.size)
        out[: self.band.size] = np.sqrt(variances.sum(axis=0))
        return out

    def sds_and_slopes(self, scales: tuple[Scale, ...]) -> tuple[FloatArray, FloatArray]:
        """`sds`, and derivatives of their logarithms by each component's lengthscale and amplitude.

        Returns
        -------
        sds : array, shape (m,)
        slopes : array, shape (2 * components, m)
        """
        variances = self.band.variances(self.kernel, scales)
        # A wave far out may have no variance left in double precision: nothing depends on it.
        whole = variances.sum(axis=0)
        shares = np.divide(variances, whole, out=np.zeros_like(variances), where=whole > 0)
        stretches = self.band.stretches(self.kernel, scales)
        out = np.zeros((2 * len(scales), self.size))
        for c, (scale, share, stretch) in enumerate(zip(scales, shares, stretches, strict=True)):
            out[2 * c, : self.band.size] = 0.5 * share * stretch / scale.lengthscale
            out[2 * c + 1, : self.band.size] = share / scale.amplitude
        return self._sds(variances), out

    def design(self, state: State) -> FloatArray:
        """F, where eta = F w, shape (n, m)."""
        return self.features * self.sds(state.scales)

    def log_likelihood(self, state: State) -> tuple[float, FloatArray]:
        """Laplace's approximation of the log marginal likelihood, and its gradient.

        Returns
        -------
        value : float
            -inf where the mode is not found.
        gradient : array, shape (k,)
            In the order of `LatentLayout`.
        """
        sds, slopes = self.sds_and_slopes(state.scales)
        F, parameters = self.features * sds, np.array(state.parameters)
        found = find_mode(ByWeights(F), self.likelihood, parameters)
        if found is None:
            return -np.inf, np.zeros(2 * len(state.scales) + len(parameters))
        by_logarithm, by_parameters = gradient_by_weights(F, found)
        return found.log_evidence, np.concatenate([slopes @ by_logarithm, by_parameters])

    def log_likelihood_value(self, state: State) -> float:
        """See `Engine.log_likelihood_value`."""
        found = find_mode(
            ByWeights(self.design(state)), self.likelihood, np.array(state.parameters)
        )
        return -np.inf if found is None else found.log_evidence

    def peak(self, state: State) -> tuple[FloatArray, FloatArray]:
        """The mode of the weights given the hyperparameters (m,), and W (n,) there.

        Raises
        ------
        ValueError
            If it is not found.
        """
        F, parameters = self.design(state), np.array(state.parameters)
        n, m = F.shape
        coordinates = ByWeights(F) if m <= n else BySites(F @ F.T)
        found = find_mode(coordinates, self.likelihood, parameters)
        if found is None:
            raise no_mode(state)
        return (found.x if m <= n else F.T @ found.x), found.terms.information

    def cavities(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of eta at each site without its response, shape (n,) each.

        Of Laplace's approximation, whatever weights the draw has.

        Raises
        ------
        ValueError
            If the mode is not found.

        See Also
        --------
        womble.engines.cavity
        """
        weights, information = self.peak(state)
        F = self.design(state)
        eta = F @ weights
        A, _ = dtrtrs(precision_factor(F, information), F.T, lower=1)
        terms = self.likelihood.terms(eta, np.array(state.parameters))
        return cavities(eta, terms, np.sum(A**2, axis=0))

    def condition(self, state: State, target: Target = "surface") -> LatentConditional:
        """The field given the data and one draw.

        Where the draw has no weights they have the normal law with the mode and the curvature of
        their posterior density.

        Raises
        ------
        ValueError
            If that mode is not found.
        """
        if state.weights is not None:
            return LatentConditional(self, state, target, state.weights, None)
        weights, information = self.peak(state)
        factor = precision_factor(self.design(state), information)
        whitener, _ = dtrtri(factor, lower=1)
        return LatentConditional(self, state, target, weights, whitener)
