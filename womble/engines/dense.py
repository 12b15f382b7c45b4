"""The dense engine: exact closed forms by Cholesky factors, for up to a few thousand data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import local
from typing import Any, ClassVar

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtri, dtrtrs
from scipy.spatial.distance import pdist, squareform

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.pairs import EXPONENTIAL, ExponentialPolynomials, triangles
from womble.compiled.rows import subtract_grams, weighted_trace
from womble.compiled.triangular import times_transposed
from womble.covariance import (
    Scale,
    cross_covariance,
    jet_covariance,
)
from womble.engines.base import Target, Theta
from womble.engines.paths import DensePath, draw_path
from womble.functional import Functional
from womble.functional_covariance import (
    functional_covariance,
    functional_cross_covariance,
    segment_variances,
)
from womble.kernels import Kernel
from womble.trend import COEFFICIENT_SD, Trend

# The radial functions (order, power) of the likelihood: rho and z^2 D rho.
RADIALS = [(0, 0), (1, 2)]

# Numbers in the largest array of one block of points, 1 MB: it stays in a core's cache. At least so
# many points, as each block reads the whole Cholesky factor.
BLOCK_ENTRIES = 125_000
FEWEST_POINTS = 32


@dataclass(frozen=True)
class DenseEngine:
    r"""y ~ N(0, K), K = sigma^2 rho(r / lengthscale) + tau^2 I + H B H'.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Scaled: centred, with rms radius 1.
    values : array, shape (n,)
        Scaled: centred, with sd 1.
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    values: FloatArray

    @cached_property
    def distances(self) -> FloatArray:
        """Distances between the data, shape (n, n)."""
        return squareform(pdist(self.coords))

    @cached_property
    def trend_basis(self) -> FloatArray:
        """H B^(1/2), shape (n, k)."""
        return COEFFICIENT_SD * self.trend.jets(self.coords, 0)[:, 0, :]

    @cached_property
    def trend_covariance(self) -> FloatArray:
        """H B H', shape (n, n)."""
        return self.trend_basis @ self.trend_basis.T

    @cached_property
    def _closed_forms(self) -> ExponentialPolynomials | None:
        return self.kernel.exponential_polynomials(RADIALS)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: all but the workspace, which is a thread's own."""
        return {name: x for name, x in self.__dict__.items() if name != "_workspace"}

    @cached_property
    def _workspace(self) -> local:
        """Matrices of a thread's last likelihood: fresh ones cost as much as filling them."""
        return local()

    def _radial_matrices(self, lengthscale: float) -> tuple[FloatArray, FloatArray]:
        """R and z^2 D rho = -lengthscale dR / d lengthscale, at least on and above the diagonal.

        They are the thread's workspace: good until its next call.
        """
        closed = self._closed_forms
        if closed is None:
            return tuple(self.kernel.radials(self.distances / lengthscale, RADIALS))
        if not hasattr(self._workspace, "matrices"):
            self._workspace.matrices = np.zeros((2, *self.distances.shape))
        correlation, stretch = self._workspace.matrices
        triangles(
            self.distances,
            lengthscale,
            closed.rate,
            closed.exponent,
            closed.coefficients,
            EXPONENTIAL,
            correlation,
            stretch,
        )
        return correlation, stretch

    def _factor(self, correlation: FloatArray, theta: Theta) -> tuple[FloatArray, int]:
        """L with K = L L', and LAPACK's word on it (0: positive definite); overwrites R."""
        K = correlation
        K *= theta.amplitude**2
        K += self.trend_covariance
        np.fill_diagonal(K, K.diagonal() + theta.noise_sd**2)
        # The upper triangle by rows is the lower triangle by columns, which is LAPACK's order.
        return dpotrf(K.T, lower=1, clean=1, overwrite_a=1)

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        r"""Log marginal likelihood and its gradient.

        .. math:: \log p(y) = -\tfrac12 y' a - \tfrac12 \log |2 \pi K|, \qquad a = K^{-1} y, \qquad
                  d \log p / d\theta = \tfrac12 \mathrm{tr} [(a a' - K^{-1})\, dK / d\theta]

        Only the lengthscale needs a product of matrices entry by entry: for the amplitude
        sigma^2 R = K - tau^2 I - H B H', and K a = y, K^-1 K = I.

        Parameters
        ----------
        theta : Theta

        Returns
        -------
        value : float
            -inf where K is not positive definite in double precision, which NUTS counts as a
            divergence.
        gradient : array, shape (3,)
            By lengthscale, amplitude and noise_sd.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.30) and (5.9).
        """
        correlation, stretch = self._radial_matrices(theta.lengthscale)
        L, info = self._factor(correlation, theta)
        if info != 0:
            return -np.inf, np.zeros(len(theta))
        a, _ = dpotrs(L, self.values, lower=1)
        n = len(a)
        log_determinant = 2 * np.log(np.diag(L)).sum()
        value = -0.5 * (self.values @ a + log_determinant + n * np.log(2 * np.pi))
        # tr[(a a' - K^-1) M] for M = K, H B H', I and z^2 D rho = -l dR/dl in turn.
        of_covariance = self.values @ a - n
        half, _ = dtrtrs(L, self.trend_basis, lower=1)
        of_trend = np.sum((a @ self.trend_basis) ** 2) - np.sum(half**2)
        inverse, _ = dpotri(L, lower=1, overwrite_c=1)  # lower triangle, zeros above
        of_identity = a @ a - np.trace(inverse)
        of_stretch = weighted_trace(stretch, a, inverse.T)
        gradient = [
            -0.5 * theta.amplitude**2 / theta.lengthscale * of_stretch,
            (of_covariance - theta.noise_sd**2 * of_identity - of_trend) / theta.amplitude,
            theta.noise_sd * of_identity,
        ]
        return value, np.array(gradient)

    def condition(self, theta: Theta, target: Target = "surface") -> DenseConditional:
        """The field given data and hyperparameters.

        Raises
        ------
        ValueError
            If K is not positive definite in double precision.
        """
        L, info = self._factor(self._radial_matrices(theta.lengthscale)[0], theta)
        if info != 0:
            raise ValueError(
                "the covariance of the data is not positive definite in double precision at "
                f"lengthscale / domain radius {theta.lengthscale:.3g}, noise_sd / data sd "
                f"{theta.noise_sd:.3g}. Expected enough noise to tell near neighbours apart: "
                "give a larger noise_sd, a shorter lengthscale or a rougher kernel."
            )
        whitener, _ = dtrtri(L, lower=1)
        weights = whitener.T @ (whitener @ self.values)
        return DenseConditional(self, theta, target, whitener, weights)


@dataclass(frozen=True)
class DenseConditional:
    """f | y, theta in closed form: mean C' K^-1 y, covariance V - C' K^-1 C.

    `surface` is H b + Z, `process` is Z alone; b is integrated out in both.
    """

    engine: DenseEngine
    theta: Theta
    target: Target
    whitener: FloatArray  # L^-1 with K = L L': products with it run twice as fast as solves
    weights: FloatArray  # K^-1 y
    domain: ClassVar[None] = None

    @property
    def _scale(self) -> Scale:
        return Scale(self.theta.amplitude, self.theta.lengthscale)

    def _trend_jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the basis times the prior sd of its coefficients, shape (p, c, k)."""
        return COEFFICIENT_SD * self.engine.trend.jets(points, order)

    def _cross(self, points: FloatArray, order: int) -> FloatArray:
        """Prior covariance of the target's jets with the data, shape (p, c, n)."""
        coords = self.engine.coords
        trend = None
        if self.target == "surface":
            basis = self._trend_jets(points, order)
            trend = np.zeros((*basis.shape[:2], len(coords)))
            for component in np.flatnonzero(basis.any(axis=(0, 2))):  # a constant has a value only
                trend[:, component] = basis[:, component] @ self.engine.trend_basis.T
        return cross_covariance(self.engine.kernel, self._scale, points, coords, order, trend)

    def _blocks(self, count: int, columns: int) -> list[slice]:
        """Slices of `count` groups with `columns` jet components each."""
        step = max(
            FEWEST_POINTS * 6 // columns, BLOCK_ENTRIES // (columns * len(self.engine.coords)), 1
        )
        return [slice(start, start + step) for start in range(0, count, step)]

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        blocks = self._blocks(len(points), 6)
        return np.concatenate([self._cross(points[b], order) @ self.weights for b in blocks])

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        g, k, d = points.shape
        # Single points are all alike, as the process is stationary: one stands for them.
        alike = self._prior(points[:1], order) if k == 1 else None
        size = k * jet.size(d, order)
        mean, covariance = np.empty((g, size)), np.empty((g, size, size))
        for b in self._blocks(g, 6 * k):
            covariance[b] = self._prior(points[b], order) if alike is None else alike
            C = self._cross(points[b].reshape(-1, d), order)
            mean[b] = (C @ self.weights).reshape(-1, size)
            A = self._whiten(C.reshape(-1, C.shape[-1]))
            subtract_grams(A.reshape(-1, size, C.shape[-1]), covariance[b])
        if self.target == "surface":
            basis = self._trend_jets(points.reshape(-1, d), order).reshape(g, size, -1)
            covariance += basis @ basis.transpose(0, 2, 1)
        return mean, covariance

    def _whiten(self, C: FloatArray) -> FloatArray:
        """C L'^-1 for rows C, which it overwrites."""
        times_transposed(C, self.whitener)
        return C

    def _prior(self, points: FloatArray, order: int) -> FloatArray:
        """Covariance of the process's jets within each group (g, k, d), shape (g, k c, k c)."""
        g, k, _ = points.shape
        h = points[:, :, None, :] - points[:, None, :, :]
        V = jet_covariance(self.engine.kernel, self._scale, h, order)
        return V.transpose(0, 1, 3, 2, 4).reshape(g, k * V.shape[-1], k * V.shape[-1])

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        C, basis = self._rows(functional)
        mean = C @ self.weights
        V = functional_covariance(self.engine.kernel, self._scale, functional) + basis @ basis.T
        subtract_grams(self._whiten(C)[None], V[None])
        return mean, V

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        if functional.segments is None:
            mean, covariance = self.joint(functional)
            return mean, np.diag(covariance)
        C, basis = self._rows(functional)
        mean = C @ self.weights
        V = segment_variances(self.engine.kernel, self._scale, functional.segments)
        return mean, V + np.sum(basis**2, axis=1) - np.sum(self._whiten(C) ** 2, axis=1)

    def _rows(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Prior covariance of the rows with the data (q, n), and their trend's basis (q, k)."""
        engine = self.engine
        C = functional_cross_covariance(engine.kernel, self._scale, functional, engine.coords)
        if self.target == "process":
            return C, np.zeros((functional.size, 0))
        basis = functional.apply(self._trend_jets(functional.nodes, functional.order))
        return C + basis @ engine.trend_basis.T, basis

    def path(self, rng: np.random.Generator, domain: FloatArray) -> DensePath:
        """See `Conditional.path`."""
        return draw_path(self, rng, domain)
