"""The field given data and hyperparameters, in closed form by the data's Cholesky factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.rows import subtract_grams
from womble.covariance import cross_covariance, jet_covariance
from womble.engines.base import Blocks, Target, has_process, has_trend
from womble.engines.closed_forms import left_out
from womble.engines.factor import Factor
from womble.engines.paths import DensePath, draw_path
from womble.engines.rounding import without_negative_variances
from womble.functional import Functional
from womble.functional_covariance import (
    functional_covariance,
    functional_cross_covariance,
    segment_variances,
)
from womble.hyperparameters import Theta
from womble.primitive import OnLine
from womble.slope_covariance import functional_slope_covariance, slope_cross_covariance
from womble.trend import COEFFICIENT_SD

if TYPE_CHECKING:
    from womble.engines.dense import DenseEngine

# Numbers in the largest array of one block of points, 1 MB: it stays in a core's cache. At least so
# many points, as each block reads the whole Cholesky factor.
BLOCK_ENTRIES = 125_000
FEWEST_POINTS = 32
# Rows times n^2 of a block, half a ms: below, what Python does between blocks counts more than the
# cache, as long as one takes less than 5 MB.
BLOCK_WORK, LARGE_BLOCK = 25_000_000, 600_000


@dataclass(frozen=True)
class DenseConditional:
    """f | y, theta in closed form: mean C' K^-1 y, covariance V - C' K^-1 C.

    `surface` is H b + Z, `process` is Z alone, `covariates` x' g, `total` the sum of all; the
    coefficients are integrated out in each.

    Attributes
    ----------
    factor : Factor
        Of K, the trend's part kept apart.
    weights : array, shape (n,)
        K^-1 y.
    coefficients : array, shape (k,)
        H' K^-1 y: means of the coefficients of trend and covariates, in units of their prior sd.
    """

    engine: DenseEngine
    theta: Theta
    target: Target
    factor: Factor
    weights: FloatArray
    coefficients: FloatArray
    domain: ClassVar[None] = None

    @property
    def whitener(self) -> FloatArray:
        """V with V' V = K^-1, shape (n, n)."""
        return self.factor.whole

    def _trend_jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the basis times the prior sd of its coefficients, shape (p, c, k)."""
        return self.engine.terms(points, order, self.target)

    def _cross(self, points: FloatArray, order: int) -> FloatArray:
        """Prior covariance of the process's jets with the data, shape (p, c, n)."""
        kernel, scales, engine = self.engine.kernel, self.theta.scales, self.engine
        wanted = tuple(jet.components(points.shape[1], order))
        if not has_process(self.target):
            return np.zeros((len(points), len(wanted), len(self.weights)))
        of_values = cross_covariance(kernel, scales, points, engine.coords, order)
        if engine.slopes is None:
            return of_values
        of_slopes = slope_cross_covariance(kernel, scales, points, engine.slopes, wanted)
        return np.concatenate([of_values, of_slopes], axis=2)

    def _blocks(self, count: int, columns: int) -> list[slice]:
        """Slices of `count` groups with `columns` jet components each."""
        n = len(self.weights)
        rows = max(FEWEST_POINTS * 6, BLOCK_ENTRIES // n, columns)
        rows = max(rows, min(BLOCK_WORK // n**2, LARGE_BLOCK // n))
        step = rows // columns
        return [slice(start, start + step) for start in range(0, count, step)]

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        mean = self._trend_jets(points, order) @ self.coefficients
        if has_process(self.target):
            for b in self._blocks(len(points), 6):
                mean[b] += self._cross(points[b], order) @ self.weights
        return mean

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        g, k, d = points.shape
        # Single points are all alike, as the process is stationary: one stands for them.
        alike = self._prior(points[:1], order) if k == 1 else None
        size = k * jet.size(d, order)
        mean, covariance = np.empty((g, size)), np.empty((g, size, size))
        for b in self._blocks(g, 6 * k):
            covariance[b] = self._prior(points[b], order) if alike is None else alike
            at = points[b].reshape(-1, d)
            A = self._cross(at, order).reshape(-1, len(self.weights))
            basis = self._trend_jets(at, order).reshape(len(A), -1)
            mean[b] = (A @ self.weights + basis @ self.coefficients).reshape(-1, size)
            left = self.factor.whiten(A, basis).reshape(len(at) // k, size, -1)
            subtract_grams(A.reshape(-1, size, A.shape[1]), covariance[b])
            covariance[b] += left @ left.transpose(0, 2, 1)
        return mean, without_negative_variances(covariance)

    def _prior(self, points: FloatArray, order: int) -> FloatArray:
        """Covariance of the process's jets within each group (g, k, d), shape (g, k c, k c)."""
        g, k, d = points.shape
        if not has_process(self.target):
            return np.zeros((g, *(k * jet.size(d, order),) * 2))
        h = points[:, :, None, :] - points[:, None, :, :]
        V = jet_covariance(self.engine.kernel, self.theta.scales, h, order)
        return V.transpose(0, 1, 3, 2, 4).reshape(g, k * V.shape[-1], k * V.shape[-1])

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        prior = np.zeros((functional.size, functional.size))
        if has_process(self.target):
            prior += functional_covariance(self.engine.kernel, self.theta.scales, functional)
        return self.given_data(*self._rows(functional), prior)

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        if functional.segments is None:
            mean, covariance = self.joint(functional)
            return mean, np.diag(covariance)
        prior = np.zeros(functional.size)
        if has_process(self.target):
            prior += segment_variances(self.engine.kernel, self.theta.scales, functional.segments)
        return self.given_data(*self._rows(functional), prior)

    def _rows(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Prior covariance of the process's rows with the data (q, n), and of the trend (q, k)."""
        engine, basis = self.engine, self._trend_jets(functional.nodes, functional.order)
        if not has_process(self.target):
            return np.zeros((functional.size, len(self.weights))), functional.apply(basis)
        C = functional_cross_covariance(engine.kernel, self.theta.scales, functional, engine.coords)
        if engine.slopes is not None:
            of_slopes = functional_slope_covariance(
                engine.kernel, self.theta.scales, functional, engine.slopes
            )
            C = np.concatenate([C, of_slopes], axis=1)
        return C, functional.apply(basis)

    def on_line(self, rows: OnLine, *, joint: bool) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.on_line`."""
        engine = self.engine
        kernel, scales = engine.kernel, self.theta.scales
        C = rows.cross_covariance(kernel, scales, engine.coords)
        if engine.slopes is not None:
            x, directions = engine.slopes.coords, engine.slopes.directions[:, 0]
            C = np.concatenate(
                [C, directions * rows.cross_covariance(kernel, scales, x, 1)], axis=1
            )
        prior = (rows.covariance if joint else rows.variances)(kernel, scales)
        basis = np.zeros((len(C), engine.trend_basis.shape[1]))
        polynomials = rows.basis(engine.trend)
        basis[:, : polynomials.shape[1]] = COEFFICIENT_SD * polynomials * has_trend(self.target)
        return self.given_data(C, basis, prior)

    def given_data(
        self, cross: FloatArray, basis: FloatArray, prior: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Mean (q,) and covariance or variances, as `prior`, of linear functionals of the field.

        Of the process's part: `cross` (q, n) with the data, and `prior`, (q, q) or (q,) for each
        row by itself; both are overwritten. `basis` (q, k) is the rows of `_trend_jets`.
        """
        mean = cross @ self.weights + basis @ self.coefficients
        left = self.factor.whiten(cross, basis)
        if prior.ndim == 1:
            variance = prior - np.sum(cross**2, axis=1) + np.sum(left**2, axis=1)
            return mean, np.maximum(variance, 0.0)  # see without_negative_variances
        subtract_grams(cross[None], prior[None])
        return mean, without_negative_variances(prior + left @ left.T)

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.at_sites`."""
        mean, variance = np.empty(len(points)), np.empty(len(points))
        amplitudes = sum(scale.amplitude**2 for scale in self.theta.scales)
        for b in self._blocks(len(points), 1):
            basis = self.engine.site_basis(points[b], None if design is None else design[b])
            basis *= self.target != "process"
            cross, prior = self._process_cross(points[b]), np.full(len(basis), amplitudes)
            mean[b], variance[b] = self.given_data(cross, basis, prior)
        return mean, variance

    def _process_cross(self, points: FloatArray) -> FloatArray:
        """Prior covariance of the process's values with the data, shape (p, n)."""
        return np.ascontiguousarray(self._cross(points, 0)[:, 0])

    def coefficient_law(self) -> tuple[FloatArray, FloatArray]:
        r"""See `Conditional.coefficient_law`.

        With :math:`\tilde H = H B^{1/2}`, the engine's `trend_basis`,

        .. math:: E[b | y] = \tilde H' K^{-1} y, \qquad
                  Var[b | y] = I - \tilde H' K^{-1} \tilde H.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.41) and (2.42).
        """
        return self.coefficients, self.factor.coefficient_covariance

    def left_out(self, blocks: Blocks = None) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.left_out`."""
        n = len(self.engine.coords)
        parts = left_out(self.whitener, self.weights, self.engine.values, blocks)
        return tuple(part[:n] for part in parts)

    def path(self, rng: np.random.Generator, domain: FloatArray) -> DensePath:
        """See `Conditional.path`."""
        return draw_path(self, rng, domain)
