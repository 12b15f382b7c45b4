"""The dense engine: exact Cholesky factors, for up to a few thousand data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import local

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from womble.arrays import FloatArray
from womble.compiled.pairs import EXPONENTIAL, ExponentialPolynomials, triangles
from womble.compiled.triangular import factor
from womble.covariance import parts
from womble.engines.base import Target
from womble.engines.closed_forms import log_normal_density
from womble.engines.conditional import DenseConditional
from womble.engines.factor import Factor
from womble.engines.marginal import Marginal
from womble.engines.observations import Observations
from womble.engines.rounding import (
    LARGEST_ERROR,
    LARGEST_ERROR_OF_DRAWS,
    WORTH_SOLVES,
    expected_error,
    smallest_noise,
)
from womble.hyperparameters import Theta
from womble.slope_covariance import with_slopes

# The radial functions (order, power) of the likelihood: rho and z^2 D rho.
RADIALS = [(0, 0), (1, 2)]


@dataclass(frozen=True)
class DenseEngine(Observations):
    """y ~ N(0, K), K = sum_c sigma_c^2 rho_c(r / l_c) + N + H B H', N diagonal."""

    @cached_property
    def distances(self) -> FloatArray:
        """Distances between the data, shape (n, n)."""
        return squareform(pdist(self.coords))

    @cached_property
    def trend_covariance(self) -> FloatArray:
        """H B H', shape (n, n)."""
        return self.trend_basis @ self.trend_basis.T

    @cached_property
    def _closed_forms(self) -> list[ExponentialPolynomials | None]:
        return [kernel.exponential_polynomials(RADIALS) for kernel in self.kernel.components]

    @cached_property
    def _workspace(self) -> local:
        """Matrices of a thread's last likelihood: fresh ones cost as much as filling them."""
        return local()

    def _radial_matrices(self, theta: Theta) -> list[tuple[FloatArray, FloatArray]]:
        """R and z^2 D rho = -lengthscale dR / d lengthscale of each component.

        At least on and above the diagonal. They are the thread's workspace: good until its next
        call.
        """
        components = parts(self.kernel, theta.scales)
        if not hasattr(self._workspace, "matrices"):
            self._workspace.matrices = [None] * len(components)
        found = []
        for c, (kernel, scale) in enumerate(components):
            closed = self._closed_forms[c]
            if closed is None:
                found.append(tuple(kernel.radials(self.distances / scale.lengthscale, RADIALS)))
                continue
            if self._workspace.matrices[c] is None:
                self._workspace.matrices[c] = np.zeros((2, *self.distances.shape))
            correlation, stretch = self._workspace.matrices[c]
            shape = closed.rate, closed.exponent, closed.coefficients, EXPONENTIAL
            triangles(self.distances, scale.lengthscale, *shape, correlation, stretch)
            found.append((correlation, stretch))
        return found

    def _matrices(self, theta: Theta) -> list[tuple[FloatArray, FloatArray]]:
        """As `_radial_matrices`, for slopes too where there are any."""
        found = self._radial_matrices(theta)
        if self.slopes is None:
            return found
        lengthscales = (scale.lengthscale for scale in theta.scales)
        each = zip(self.kernel.components, lengthscales, found, strict=True)
        return [with_slopes(k, length, self.coords, self.slopes, R) for k, length, R in each]

    def _covariance(
        self, correlations: list[FloatArray], theta: Theta, K: FloatArray
    ) -> FloatArray:
        """K without trend, on and above the diagonal, into `K`: the first correlation perhaps."""
        np.multiply(correlations[0], theta.scales[0].amplitude ** 2, out=K)
        for correlation, scale in zip(correlations[1:], theta.scales[1:], strict=True):
            K += scale.amplitude**2 * correlation
        np.fill_diagonal(K, K.diagonal() + self.noise.variance(theta))
        return K

    def _factor(
        self, correlations: list[FloatArray], theta: Theta
    ) -> tuple[FloatArray, FloatArray] | None:
        """L with K = L L' + H B H', and the diagonal of L L'; None if not positive definite.

        Overwrites the first correlation.
        """
        K = self._covariance(correlations, theta, correlations[0])
        diagonal = K.diagonal().copy()
        # The upper triangle by rows is the lower triangle by columns, which is LAPACK's order.
        if not factor(K.T):
            return None
        # What compiled loops do not fill has always been 0.
        filled = self.slopes is not None or None in self._closed_forms
        return (np.triu(K) if filled else K).T, diagonal

    def isotropic(self, theta: Theta) -> tuple[DenseEngine, Theta]:
        """Itself: its coordinates are those in which the field is isotropic."""
        return self, theta

    def marginal(self, theta: Theta) -> Marginal | None:
        """log p(y) and what its gradient is made of; None where rounding leaves nothing of it."""
        correlations, stretches = zip(*self._matrices(theta), strict=True)
        found = self._factor(correlations, theta)
        if found is None:
            return None
        L, diagonal = found
        if expected_error(L, diagonal, self.noise.variance(theta)) > LARGEST_ERROR_OF_DRAWS:
            return None
        radials = correlations[1:], stretches
        return Marginal.of(theta, L, self.values, self.trend_basis, self.noise, radials)

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Log marginal likelihood and its gradient (see `Marginal`).

        Parameters
        ----------
        theta : Theta
            Without anisotropy.

        Returns
        -------
        value : float
            -inf where K is too ill-conditioned for double precision (`womble.engines.rounding`),
            which NUTS counts as a divergence.
        gradient : array, shape (k,)
            In the order of `Layout`.
        """
        found = self.marginal(theta)
        if found is None:
            return -np.inf, np.zeros(2 * len(theta.scales) + 1)
        return found.value, np.array(found.gradient())

    def log_likelihood_value(self, theta: Theta) -> float:
        """See `Engine.log_likelihood_value`: a third of the arithmetic, and free of the lock."""
        correlations = [R for R, _ in self._matrices(theta)]
        K = self._covariance(correlations, theta, correlations[0])
        diagonal, noise = K.diagonal().copy(), self.noise.variance(theta)
        value = log_normal_density(K.T, self.values, self.trend_basis)
        lost = np.isfinite(value) and expected_error(K.T, diagonal, noise) > LARGEST_ERROR_OF_DRAWS
        return -np.inf if lost else value

    def condition(self, theta: Theta, target: Target = "surface") -> DenseConditional:
        """The field given data and hyperparameters.

        Raises
        ------
        ValueError
            If K is too ill-conditioned for double precision.
        """
        found = self._factor([R for R, _ in self._matrices(theta)], theta)
        if found is None:
            raise self._ill_conditioned(theta, "is not positive definite in double precision")
        L, diagonal = found
        noise = self.noise.variance(theta)
        by_solves = expected_error(L, diagonal, noise) > WORTH_SOLVES
        inverse = Factor.of(L, self.trend_basis, by_solves)
        weights, coefficients = inverse.solve(self.values)
        misfit = self.values @ weights
        error = expected_error(L, diagonal, noise, misfit)
        if error > LARGEST_ERROR:
            how = f"is too ill-conditioned: rounding may move means by {error:.0e} posterior sds"
            raise self._ill_conditioned(theta, how, misfit)
        return DenseConditional(self, theta, target, inverse, weights, coefficients)

    def _ill_conditioned(self, theta: Theta, how: str, misfit: float = 0.0) -> ValueError:
        """Say what is wrong with K and what there is to be done."""
        n, scales = len(self.values), theta.scales
        shortest = min(scale.lengthscale for scale in scales)
        amplitude = np.sqrt(sum(scale.amplitude**2 for scale in scales))
        nearest = cKDTree(self.coords).query(self.coords, k=2)[0][:, 1]
        repeats = np.count_nonzero(nearest == 0)
        told = [
            f"noise_sd / amplitude {theta.noise_sd / amplitude:.2g}",
            f"lengthscale / domain radius {', '.join(f'{s.lengthscale:.2g}' for s in scales)}",
            f"nearest data {nearest.min() / shortest:.1g} lengthscales apart",
        ]
        if repeats:
            told.append(f"{repeats} of {n} data at the place of another")
        if misfit > 100 * n:
            told.append(f"values {np.sqrt(misfit / n):.0f} times as far out as this model has them")
        return ValueError(
            f"the covariance of the data {how}, at {'; '.join(told)}. Expected enough noise to "
            "tell near neighbours apart: give a larger noise_sd (amplitude times "
            f"{smallest_noise(n):.0e} or more always does where the values suit the model), a "
            "shorter lengthscale or a rougher kernel, or average values at the same place."
        )
