"""The dense engine: exact closed forms by Cholesky factors, for up to a few thousand data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import local
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri
from scipy.spatial.distance import pdist, squareform

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.pairs import EXPONENTIAL, ExponentialPolynomials, triangles
from womble.compiled.rows import subtract_grams
from womble.compiled.triangular import times_transposed
from womble.covariance import cross_covariance, jet_covariance, parts
from womble.engines.base import Target
from womble.engines.marginal import Marginal
from womble.engines.paths import DensePath, draw_path
from womble.functional import Functional
from womble.functional_covariance import (
    functional_covariance,
    functional_cross_covariance,
    segment_variances,
)
from womble.hyperparameters import Theta
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
    r"""y ~ N(0, K), K = sum_c sigma_c^2 rho_c(r / l_c) + tau^2 I + H B H'.

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
    def _closed_forms(self) -> list[ExponentialPolynomials | None]:
        return [kernel.exponential_polynomials(RADIALS) for kernel in self.kernel.components]

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: all but the workspace, which is a thread's own."""
        return {name: x for name, x in self.__dict__.items() if name != "_workspace"}

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
            triangles(
                self.distances,
                scale.lengthscale,
                closed.rate,
                closed.exponent,
                closed.coefficients,
                EXPONENTIAL,
                correlation,
                stretch,
            )
            found.append((correlation, stretch))
        return found

    def _factor(self, correlations: list[FloatArray], theta: Theta) -> tuple[FloatArray, int]:
        """L with K = L L', and LAPACK's word on it (0: positive definite).

        Overwrites the first correlation.
        """
        K = correlations[0]
        K *= theta.scales[0].amplitude ** 2
        for correlation, scale in zip(correlations[1:], theta.scales[1:], strict=True):
            K += scale.amplitude**2 * correlation
        K += self.trend_covariance
        np.fill_diagonal(K, K.diagonal() + theta.noise_sd**2)
        # The upper triangle by rows is the lower triangle by columns, which is LAPACK's order.
        return dpotrf(K.T, lower=1, clean=1, overwrite_a=1)

    def isotropic(self, theta: Theta) -> tuple[DenseEngine, Theta]:
        """Itself: its coordinates are those in which the field is isotropic."""
        return self, theta

    def marginal(self, theta: Theta) -> Marginal | None:
        """log p(y) and what its gradient is made of; None where K is not positive definite."""
        correlations, stretches = zip(*self._radial_matrices(theta), strict=True)
        L, info = self._factor(correlations, theta)
        if info != 0:
            return None
        radials = correlations[1:], stretches
        return Marginal.of(theta, L, self.values, self.trend_basis, radials)

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Log marginal likelihood and its gradient (see `Marginal`).

        Parameters
        ----------
        theta : Theta
            Without anisotropy.

        Returns
        -------
        value : float
            -inf where K is not positive definite in double precision, which NUTS counts as a
            divergence.
        gradient : array, shape (k,)
            In the order of `Layout`.
        """
        found = self.marginal(theta)
        if found is None:
            return -np.inf, np.zeros(2 * len(theta.scales) + 1)
        return found.value, np.array(found.gradient())

    def condition(self, theta: Theta, target: Target = "surface") -> DenseConditional:
        """The field given data and hyperparameters.

        Raises
        ------
        ValueError
            If K is not positive definite in double precision.
        """
        L, info = self._factor([R for R, _ in self._radial_matrices(theta)], theta)
        if info != 0:
            lengths = ", ".join(f"{scale.lengthscale:.3g}" for scale in theta.scales)
            raise ValueError(
                "the covariance of the data is not positive definite in double precision at "
                f"lengthscale / domain radius {lengths}, noise_sd / data sd "
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

    @property
    def values(self) -> FloatArray:
        """y, shape (n,)."""
        return self.engine.values

    @property
    def noise_sd(self) -> FloatArray | float:
        """Of y, shape (n,) or one for all."""
        return self.theta.noise_sd

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
        return cross_covariance(self.engine.kernel, self.theta.scales, points, coords, order, trend)

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
        V = jet_covariance(self.engine.kernel, self.theta.scales, h, order)
        return V.transpose(0, 1, 3, 2, 4).reshape(g, k * V.shape[-1], k * V.shape[-1])

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        C, basis = self._rows(functional)
        mean = C @ self.weights
        V = (
            functional_covariance(self.engine.kernel, self.theta.scales, functional)
            + basis @ basis.T
        )
        subtract_grams(self._whiten(C)[None], V[None])
        return mean, V

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        if functional.segments is None:
            mean, covariance = self.joint(functional)
            return mean, np.diag(covariance)
        C, basis = self._rows(functional)
        mean = C @ self.weights
        V = segment_variances(self.engine.kernel, self.theta.scales, functional.segments)
        return mean, V + np.sum(basis**2, axis=1) - np.sum(self._whiten(C) ** 2, axis=1)

    def _rows(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Prior covariance of the rows with the data (q, n), and their trend's basis (q, k)."""
        engine = self.engine
        C = functional_cross_covariance(engine.kernel, self.theta.scales, functional, engine.coords)
        if self.target == "process":
            return C, np.zeros((functional.size, 0))
        basis = functional.apply(self._trend_jets(functional.nodes, functional.order))
        return C + basis @ engine.trend_basis.T, basis

    def path(self, rng: np.random.Generator, domain: FloatArray) -> DensePath:
        """See `Conditional.path`."""
        return draw_path(self, rng, domain)
