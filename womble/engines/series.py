"""The field of the spectral engine given data and hyperparameters: its moments and paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.triangular import times_transposed
from womble.engines.base import Target, has_process
from womble.engines.disc import DiscPrior, wave_jets
from womble.engines.observations import Terms
from womble.engines.precision import Equations, Precision
from womble.engines.torus import Tail, Torus, derivative_factors, series_jets
from womble.functional import Functional
from womble.trend import Trend

if TYPE_CHECKING:
    from womble.engines.spectral import SpectralEngine

# Waves that stand for the tail in moments: a quadrature of its covariance.
TAIL_WAVES = 256
# Numbers in the largest array of one block of points, 16 MB.
BLOCK_ENTRIES = 2_000_000


@dataclass(frozen=True, eq=False)
class Series:
    """A function of location: trend and covariates, a Fourier series on the band, perhaps a tail.

    Attributes
    ----------
    torus : Torus
    coefficients : complex array, shape (2 m + 1, ...)
        Hermitian.
    trend : Trend or Terms
    trend_weights : array, shape (k,)
    tails : tuple of Tail
        Of the kernel's components; none for means.
    """

    torus: Torus
    coefficients: np.ndarray
    trend: Trend | Terms
    trend_weights: FloatArray
    tails: tuple[Tail, ...]

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c); see `Path.jets`."""
        out = series_jets(self.torus, self.coefficients, self.tails, points, order)
        if self.trend_weights.any():
            out += self.trend.jets(points, order) @ self.trend_weights
        return out

    def at_sites(self, points: FloatArray, design: FloatArray) -> FloatArray:
        """See `Path.at_sites`."""
        return self.jets(points, 0)[:, 0] + design @ self.trend_weights[-design.shape[1] :]


@dataclass(frozen=True, eq=False)
class SpectralConditional:
    """f | y, theta: the posterior of the weights of trend and waves, and a tail that is prior.

    Parameters
    ----------
    engine : SpectralEngine
    precision : Precision
        Of the weights, in units of their prior sds.
    priors : tuple of DiscPrior
        Of the kernel's components.
    target : {"surface", "process", "total", "covariates"}
    """

    engine: SpectralEngine
    precision: Precision
    priors: tuple[DiscPrior, ...]
    target: Target

    @property
    def domain(self) -> FloatArray:
        """See `Conditional.domain`."""
        return self.engine.domain

    @property
    def _data_term(self) -> FloatArray:
        """W F'y / t."""
        precision = self.precision
        return precision.sds * self.engine.statistics.values / precision.noise_variance

    @cached_property
    def weights(self) -> FloatArray:
        """Posterior mean of the weights, shape (k + 2 K,)."""
        return self.precision.sds * self.precision.solve(self._data_term[None])[0]

    def series(self, weights: FloatArray, tails: tuple[Tail, ...] = ()) -> Series:
        """The function with these weights (k + 2 K,) of trend and waves."""
        stats = self.engine.statistics
        k, disc = stats.trend_size, stats.disc
        waves = weights[k:] * has_process(self.target)
        return Series(disc.torus, disc.unpack(waves), self._terms, weights[:k], tails)

    @cached_property
    def _terms(self) -> Terms:
        """What the target has of trend and covariates."""
        return Terms(self.engine.statistics.trend, self.engine.covariates, self.target)

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.at_sites`."""
        stats, mean, variance = self.engine.statistics, np.empty(len(points)), np.empty(len(points))
        step = max(1, BLOCK_ENTRIES // max(len(self.precision.sds), 2 * TAIL_WAVES))
        for start in range(0, len(points), step):
            b = slice(start, start + step)
            basis = stats.trend.jets(points[b], 0)[:, 0]
            if design is not None:
                basis = np.concatenate([basis, design[b]], axis=1)
            rows = np.concatenate([basis, stats.disc.jets(points[b], 0)[:, 0]], axis=1)
            mean[b] = rows @ self.weights
            rows *= self.precision.sds
            variance[b] = self._covariance(rows[:, None])[:, 0, 0]
            variance[b] += np.sum(self._tail_features(points[b], 0)[:, 0] ** 2, axis=1)
        return mean, variance

    def coefficient_law(self) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.coefficient_law`."""
        k = self.engine.statistics.trend_size
        unit = np.zeros((k, len(self.precision.sds)))
        np.fill_diagonal(unit, 1.0)
        covariance = self.precision.solve(unit)[:, :k]
        return self.weights[:k] / self.precision.sds[:k], 0.5 * (covariance + covariance.T)

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        return self.series(self.weights).jets(points, order)

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        g, k, d = points.shape
        size = k * jet.size(d, order)
        mean = self.mean(points.reshape(-1, d), order).reshape(g, size)
        covariance = np.empty((g, size, size))
        columns = size * max(len(self.precision.sds), 2 * TAIL_WAVES)
        step = max(1, BLOCK_ENTRIES // columns)
        for start in range(0, g, step):
            block = slice(start, start + step)
            here = points[block]
            rows = self._features(here.reshape(-1, d), order).reshape(len(here), size, -1)
            waves = self._tail_features(here.reshape(-1, d), order).reshape(len(here), size, -1)
            covariance[block] = self._covariance(rows) + waves @ waves.transpose(0, 2, 1)
        return mean, covariance

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        nodes, order = functional.nodes, functional.order
        mean = functional.apply(self.mean(nodes, order))
        c = jet.size(nodes.shape[1], order)
        rows = np.zeros((functional.size, len(self.precision.sds)))
        tail = np.zeros((functional.size, 2 * len(self._tail[0])))
        step = max(1, BLOCK_ENTRIES // (c * max(rows.shape[1], tail.shape[1])))
        for start in range(0, len(nodes), step):
            here = nodes[start : start + step]
            weights = functional.weights[:, start * c : (start + len(here)) * c]
            rows += weights @ self._features(here, order).reshape(-1, rows.shape[1])
            tail += weights @ self._tail_features(here, order).reshape(-1, tail.shape[1])
        return mean, self._covariance(rows[None])[0] + tail @ tail.T

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        mean, covariance = self.joint(functional)
        return mean, np.diag(covariance)

    def _features(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of all features times their prior sds, shape (p, c, k + 2 K)."""
        waves = self.engine.statistics.disc.jets(points, order) * has_process(self.target)
        out = np.concatenate([self._terms.jets(points, order), waves], axis=-1)
        out *= self.precision.sds
        return out

    def _covariance(self, rows: FloatArray) -> FloatArray:
        """rows A^-1 rows' for groups of rows (g, q, k + 2 K), shape (g, q, q); overwrites them."""
        precision, flat = self.precision, rows.reshape(-1, rows.shape[-1])
        if not precision.iterative:
            times_transposed(flat, precision.whitener)
            return rows @ rows.transpose(0, 2, 1)
        covariance = precision.solve(flat).reshape(rows.shape) @ rows.transpose(0, 2, 1)
        return 0.5 * (covariance + covariance.transpose(0, 2, 1))

    @cached_property
    def _tail(self) -> tuple[FloatArray, np.ndarray]:
        """Frequencies (J, d) of the waves that stand for the tails, and their factors (c, J)."""
        found = [prior.tail_features(TAIL_WAVES // len(self.priors)) for prior in self.priors]
        frequencies, variances = (np.concatenate(part) for part in zip(*found, strict=True))
        factors = derivative_factors(list(frequencies.T), 2)
        return frequencies, np.sqrt(variances) * factors

    def _tail_features(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the tails' waves times their sds, shape (p, c, 2 J)."""
        frequencies, factors = self._tail
        c = jet.size(points.shape[1], order)
        centre = self.engine.statistics.disc.centre
        return wave_jets(points - centre, frequencies, factors[:c]) * has_process(self.target)

    def path(self, rng: np.random.Generator, domain: FloatArray) -> Series:
        """See `Conditional.path`: by the factor where there is one, or as `draw_together`."""
        if self.precision.iterative:
            return draw_together([self], [rng])[0]
        unit = rng.standard_normal(len(self.precision.sds))
        weights = self.weights + self.precision.sds * (unit @ self.precision.whitener)
        return self._path(weights, rng)

    def _path(self, weights: FloatArray, rng: np.random.Generator) -> Series:
        tails = tuple(prior.draw_tail(rng) for prior in self.priors if has_process(self.target))
        return self.series(weights, tails)


def means_together(conditionals: Sequence[SpectralConditional]) -> FloatArray:
    """Posterior means of the weights of each, shape (V, k + 2 K), by iteration."""
    right = np.stack([f._data_term for f in conditionals])
    equations = Equations.of([f.precision for f in conditionals])
    return equations.sds * equations.solve(right)[0]


def draw_together(
    conditionals: Sequence[SpectralConditional], streams: Sequence[np.random.Generator]
) -> list[Series]:
    r"""A path of each conditional from its own stream: perturb and solve.

    .. math:: A x = W (F'y + t^{1/2} F'z) / t + \xi

    Nothing but time depends on which are drawn together.
    """
    unit = np.stack([rng.standard_normal(len(conditionals[0].precision.sds)) for rng in streams])
    noise = conditionals[0].engine.noise(streams)
    equations = Equations.of([f.precision for f in conditionals])
    unit += equations.sds * noise / np.sqrt(equations.noise_variance)
    unit += np.stack([f._data_term for f in conditionals])
    weights = equations.sds * equations.solve(unit)[0]
    return [f._path(w, rng) for f, w, rng in zip(conditionals, weights, streams, strict=True)]
