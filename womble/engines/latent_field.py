"""The field of the latent engine given data and hyperparameters: moments and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.triangular import times_transposed
from womble.engines.base import Target, has_process
from womble.engines.fourier import FourierPath
from womble.functional import Functional

if TYPE_CHECKING:
    from womble.engines.latent import LatentEngine
    from womble.hyperparameters import State

# Numbers in the largest array of one block of points, 16 MB; at least so many points, as each block
# reads the whole factor.
BLOCK_ENTRIES = 2_000_000
FEWEST_POINTS = 8


@dataclass(frozen=True, eq=False)
class LatentConditional:
    """f | y, hyperparameters: normal weights of the features, and a tail that data do not tell of.

    Parameters
    ----------
    engine : LatentEngine
    state : State
    target : {"surface", "process", "total", "covariates"}
    weights : array, shape (m,)
        Their mean.
    whitener : array, shape (m, m), or None
        Lower triangular L^-1, where L L' is the precision of the weights; None where they are
        known.
    """

    engine: LatentEngine
    state: State
    target: Target
    weights: FloatArray
    whitener: FloatArray | None

    @property
    def domain(self) -> FloatArray:
        """See `Conditional.domain`: beyond it the waves repeat."""
        return self.engine.band.domain

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        return self._series(self.weights, points, order)

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        g, k, d = points.shape
        size = k * jet.size(d, order)
        mean = self._series(self.weights, points.reshape(-1, d), order).reshape(g, size)
        covariance = np.empty((g, size, size))
        # Single points are all alike, as the tail is stationary: one stands for them.
        alike = self._tail(points[:1], order) if k == 1 else None
        for b in self._blocks(g, size):
            covariance[b] = self._tail(points[b], order) if alike is None else alike
            if self.whitener is not None:
                X = self._features(points[b].reshape(-1, d), order)
                Y = self._whiten(X.reshape(-1, X.shape[-1])).reshape(-1, size, X.shape[-1])
                covariance[b] += Y @ Y.transpose(0, 2, 1)
        return mean, covariance

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.at_sites`."""
        engine, sds = self.engine, self.engine.sds(self.state.scales)
        mean, variance = np.empty(len(points)), np.empty(len(points))
        for b in self._blocks(len(points), 1):
            waves = engine.band.jets(points[b], 0)[:, 0]
            basis = engine.regression.site_basis(points[b], None if design is None else design[b])
            X = np.hstack([waves, basis]) * sds
            mean[b] = X @ self.weights
            variance[b] = self._tail(points[b, None], 0)[:, 0, 0]
            if self.whitener is not None:
                variance[b] += np.sum(self._whiten(X) ** 2, axis=1)
        return mean, variance

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        mean, rows = self._rows(functional)
        return mean, rows @ rows.T

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        mean, rows = self._rows(functional)
        return mean, np.sum(rows**2, axis=1)

    def path(self, rng: np.random.Generator, domain: FloatArray) -> LatentPath:
        """See `Conditional.path`."""
        engine, weights = self.engine, self.weights
        if self.whitener is not None:
            weights = weights + self.whitener.T @ rng.standard_normal(len(weights))
        waves, fixed = self._coefficients(weights)
        if not has_process(self.target):
            return LatentPath(engine, self.target, None, fixed)
        tail = engine.band.draw_tail(engine.kernel, self.state.scales, rng)
        series = FourierPath(engine.band.torus, engine.band.series(waves), tail)
        return LatentPath(engine, self.target, series, fixed)

    def coefficient_law(self) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.coefficient_law`."""
        _, mean = self._coefficients(self.weights)
        if self.whitener is None:
            return mean, np.zeros((len(mean), len(mean)))
        columns = self.whitener[:, self.engine.band.size :]
        return mean, columns.T @ columns

    def _coefficients(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of the waves (M,), and of trend and covariates in units of their prior sd (k,)."""
        scaled = weights * self.engine.sds(self.state.scales)
        waves, fixed = np.split(scaled, [self.engine.band.size])
        return waves, fixed

    def _series(self, weights: FloatArray, points: FloatArray, order: int) -> FloatArray:
        engine = self.engine
        waves, fixed = self._coefficients(weights)
        out = engine.regression.terms(points, order, self.target) @ fixed
        if has_process(self.target):
            out += engine.band.torus.jets(engine.band.series(waves), points, order)
        return out

    def _features(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the features times their prior sds, shape (p, c, m)."""
        engine = self.engine
        fixed = engine.regression.terms(points, order, self.target)
        waves = engine.band.jets(points, order) * has_process(self.target)
        return np.concatenate([waves, fixed], axis=-1) * engine.sds(self.state.scales)

    def _whiten(self, X: FloatArray) -> FloatArray:
        """X L'^-1 for rows X, which it overwrites."""
        times_transposed(X, self.whitener)
        return X

    def _tail(self, points: FloatArray, order: int) -> FloatArray:
        """Prior covariance of the tail's jets within groups (g, k, d), shape (g, k c, k c)."""
        g, k, d = points.shape
        engine = self.engine
        T = engine.band.tail_jets(engine.kernel, self.state.scales, points.reshape(-1, d), order)
        T = T.reshape(g, k * T.shape[1], T.shape[-1]) * has_process(self.target)
        return T @ T.transpose(0, 2, 1)

    def _rows(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Mean (q,) of a Functional, and rows (q, ..) whose products are its covariance."""
        engine, nodes, order = self.engine, functional.nodes, functional.order
        c = functional.weights.shape[1] // len(nodes)
        mean = functional.apply(self._series(self.weights, nodes, order))
        X, T = 0.0, 0.0
        for b in self._blocks(len(nodes), c):
            weights = functional.weights[:, b.start * c : b.stop * c]
            if self.whitener is not None:
                jets = self._features(nodes[b], order)
                X = X + weights @ jets.reshape(-1, jets.shape[-1])
            tail = engine.band.tail_jets(engine.kernel, self.state.scales, nodes[b], order)
            T = T + weights @ tail.reshape(-1, tail.shape[-1]) * has_process(self.target)
        return mean, T if self.whitener is None else np.hstack([self._whiten(X), T])

    def _blocks(self, count: int, components: int) -> list[slice]:
        """Slices of `count` groups with this many jet components each."""
        step = max(FEWEST_POINTS, BLOCK_ENTRIES // (components * self.engine.size))
        return [slice(i, min(i + step, count)) for i in range(0, count, step)]


@dataclass(frozen=True, eq=False)
class LatentPath:
    """One posterior path of the latent engine.

    Attributes
    ----------
    engine : LatentEngine
    target : {"surface", "process", "total", "covariates"}
    series : FourierPath or None
        Waves of the band and the tail; None where the process is no part of the target.
    coefficients : array, shape (k,)
        Of trend and covariates, in units of their prior sd.
    """

    engine: LatentEngine
    target: Target
    series: FourierPath | None
    coefficients: FloatArray

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c)."""
        fixed = self.engine.regression.terms(points, order, self.target) @ self.coefficients
        return fixed if self.series is None else self.series.jets(points, order) + fixed

    def at_sites(self, points: FloatArray, design: FloatArray) -> FloatArray:
        """See `Path.at_sites`."""
        fixed = self.engine.regression.site_basis(points, design) @ self.coefficients
        return self.series.jets(points, 0)[:, 0] + fixed
