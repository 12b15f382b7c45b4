"""Laplace's approximation with the kernel itself, site by site: exact but for the approximation.

At the mode, responses look like normal ones, y = eta + g / W with known noise variances 1 / W: all
that the dense engine knows of such data holds for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpotrf, dtrtrs

from womble.arrays import FloatArray
from womble.covariance import parts
from womble.engines.approximation import BySites, Mode, find_mode, like_normal, no_mode
from womble.engines.base import Target, parameters
from womble.engines.cavity import cavities
from womble.engines.conditional import DenseConditional
from womble.engines.dense import RADIALS, DenseEngine
from womble.engines.evidence import gradient_by_sites
from womble.engines.factor import Factor
from womble.engines.observations import CovariateTerms
from womble.engines.rounding import EPS, LARGEST_ERROR, SAFETY
from womble.hyperparameters import State, Theta
from womble.kernels import Kernel
from womble.likelihoods import Likelihood
from womble.trend import Trend


def _error(state: State, mode: Mode) -> float:
    """`expected_error` of the normal responses that look like these at the mode."""
    variance = sum(scale.amplitude**2 for scale in state.scales)
    information = float(mode.terms.information.max())
    return SAFETY * EPS * len(mode.eta) * (1 + information * variance)


@dataclass(frozen=True, eq=False)
class SitesEngine:
    """y_i | eta_i by a likelihood, eta = H b + Z, by the covariance of eta at the data.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Scaled: centred, with rms radius 1.
    likelihood : Likelihood
        With the responses, on the scale of the scaled field.
    covariates : CovariateTerms, optional
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    likelihood: Likelihood
    covariates: CovariateTerms | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: not what they can work out."""
        return parameters(self)

    @cached_property
    def dense(self) -> DenseEngine:
        """Of the same sites and prior."""
        nothing = np.zeros(len(self.coords))
        return DenseEngine(
            self.kernel, self.trend, self.coords, nothing, covariates=self.covariates
        )

    def of(self, kept: npt.NDArray[np.intp]) -> SitesEngine:
        """The same model with some of the data."""
        covariates = None if self.covariates is None else self.covariates.at(kept)
        likelihood = self.likelihood.at(kept)
        return replace(self, coords=self.coords[kept], likelihood=likelihood, covariates=covariates)

    def _covariance(self, state: State) -> tuple[FloatArray, list[FloatArray]]:
        """K (n, n) and its derivatives by lengthscale and amplitude of each component in turn."""
        K, derivatives = self.dense.trend_covariance.copy(), []
        for kernel, scale in parts(self.kernel, state.scales):
            # rho and z^2 D rho = -lengthscale d rho / d lengthscale.
            R, stretch = kernel.radials(self.dense.distances / scale.lengthscale, RADIALS)
            K += scale.amplitude**2 * R
            derivatives.append(-(scale.amplitude**2) / scale.lengthscale * stretch)
            derivatives.append(2 * scale.amplitude * R)
        return K, derivatives

    def log_likelihood(self, state: State) -> tuple[float, FloatArray]:
        """Laplace's approximation of the log marginal likelihood, and its gradient.

        Returns
        -------
        value : float
            -inf where the mode is not found.
        gradient : array, shape (k,)
            In the order of `LatentLayout`.
        """
        K, derivatives = self._covariance(state)
        found = find_mode(BySites(K), self.likelihood, np.array(state.parameters))
        if found is None or _error(state, found) > LARGEST_ERROR:
            return -np.inf, np.zeros(len(derivatives) + len(state.parameters))
        return found.log_evidence, np.concatenate(gradient_by_sites(K, derivatives, found))

    def log_likelihood_value(self, state: State) -> float:
        """See `Engine.log_likelihood_value`."""
        K, _ = self._covariance(state)
        found = find_mode(BySites(K), self.likelihood, np.array(state.parameters))
        lost = found is None or _error(state, found) > LARGEST_ERROR
        return -np.inf if lost else found.log_evidence

    def mode(self, state: State) -> Mode:
        """The mode of eta given the hyperparameters.

        Raises
        ------
        ValueError
            If it is not found.
        """
        K, _ = self._covariance(state)
        found = find_mode(BySites(K), self.likelihood, np.array(state.parameters))
        if found is None:
            raise no_mode(state)
        error = _error(state, found)
        if error > LARGEST_ERROR:
            raise ValueError(
                "the responses tell the field too exactly for Laplace's approximation in double "
                f"precision: rounding may move its mean by {error:.0e} posterior sds, where one "
                f"has an sd of {found.terms.information.max() ** -0.5:.0e} by itself. Counts that "
                "large are as good as Gaussian: use their logarithms or logits with "
                "likelihood='gaussian'."
            )
        return found

    def cavities(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of eta at each site without its response, shape (n,) each.

        Raises
        ------
        ValueError
            If the mode is not found.

        See Also
        --------
        womble.engines.cavity
        """
        K, _ = self._covariance(state)
        found = self.mode(state)
        root = np.sqrt(found.terms.information)
        # K - A'A with A = L^-1 W^1/2 K, where L L' = I + W^1/2 K W^1/2.
        A, _ = dtrtrs(found.factor, root[:, None] * K, lower=1)
        return cavities(found.eta, found.terms, K.diagonal() - np.sum(A**2, axis=0))

    def condition(self, state: State, target: Target = "surface") -> DenseConditional:
        """The field given data and hyperparameters, as Laplace's approximation has it.

        Raises
        ------
        ValueError
            If the mode is not found.
        """
        found = self.mode(state)
        values, information = like_normal(found.terms, found.eta)
        normal = replace(self.dense, values=values, measurement_sd=1 / np.sqrt(information))
        # L L' = I + D^-1/2 K_0 D^-1/2, D the noise's variances, where K_0 has no trend.
        root = np.sqrt(information)
        L, _ = dpotrf(np.eye(len(root)) + root[:, None] * self._process(state) * root, lower=1)
        factor = Factor.of(np.asfortranarray(L / root[:, None]), normal.trend_basis, by_solves=True)
        theta = Theta(state.scales, 0.0)
        # At the mode values - eta = slope / W: what eta lacks in digits the values do not.
        return DenseConditional(normal, theta, target, factor, *factor.solve(values))

    def _process(self, state: State) -> FloatArray:
        """K without the trend's part."""
        pairs = parts(self.kernel, state.scales)
        z = (self.dense.distances / scale.lengthscale for _, scale in pairs)
        each = zip(pairs, z, strict=True)
        return sum(s.amplitude**2 * kernel.radials(x, RADIALS[:1])[0] for (kernel, s), x in each)
