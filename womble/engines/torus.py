"""Fourier series on a torus: their spectrum, their adjoint, and their jets at any points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import finufft
import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.waves import HALF_TURN, cosines_and_sines
from womble.covariance import Scale
from womble.engines.product_grid import ProductGrid, Waves
from womble.kernels import Correlation

# Of the NUFFT, relative to the root mean square of a component.
PRECISION = 1e-11
# Up to this product of points and modes along a coordinate (130 points at 121 modes), plain sums
# are faster than a NUFFT, which has a fixed cost.
FEW_TERMS = 16_000
# Points at which a series is evaluated at a time, and at which the tail's waves are held, 8 MB.
SERIES_TILE = 131_072
TAIL_TILE = 8_192


def density(kernel: Correlation, scale: Scale, w: FloatArray, d: int) -> FloatArray:
    """Spectral density of the covariance at |w| in radians per coordinate unit."""
    units = scale.amplitude**2 * scale.lengthscale**d
    return units * kernel.spectral_density(scale.lengthscale * w, d)


def derivative_factors(frequencies: list[FloatArray], order: int) -> np.ndarray:
    """What e^(i w . s) is multiplied by in each component of its jet: products of i w.

    `frequencies` has one array per coordinate, of shapes that broadcast; shape (c, ...).
    """
    shape = np.broadcast_shapes(*(w.shape for w in frequencies))
    out = np.ones((jet.size(len(frequencies), order), *shape), dtype=complex)
    for factor, indices in zip(out, jet.components(len(frequencies), order), strict=True):
        for i in indices:
            factor *= 1j * frequencies[i]
    return out


@dataclass(frozen=True, eq=False)
class Torus:
    """A box of periods and the band of modes on it.

    Attributes
    ----------
    centre, period : array, shape (d,)
        In coordinate units.
    modes : tuple of d int
        m: frequencies 2 pi (-m .. m) / period along each coordinate.
    """

    centre: FloatArray
    period: FloatArray
    modes: tuple[int, ...]

    @cached_property
    def frequencies(self) -> list[FloatArray]:
        """One array per coordinate, each along its own axis."""
        grids = np.ix_(*(np.arange(-m, m + 1.0) for m in self.modes))
        return [2 * np.pi / length * k for length, k in zip(self.period, grids, strict=True)]

    @property
    def edge(self) -> FloatArray:
        """Half the sides of the band's box of frequencies, (m + 1/2) 2 pi / period, shape (d,)."""
        return (np.array(self.modes) + 0.5) * 2 * np.pi / self.period

    def spectrum(self, kernel: Correlation, scale: Scale) -> FloatArray:
        """S(w_k) / prod(period) on the band: the variance of each mode, shape (2 m + 1, ...)."""
        radius = np.sqrt(sum(w * w for w in self.frequencies))
        return density(kernel, scale, radius, len(self.modes)) / np.prod(self.period)

    def angles(self, points: FloatArray) -> FloatArray:
        """Coordinates in which the torus has sides 2 pi, shape (d, p)."""
        return np.ascontiguousarray(((points - self.centre) * (2 * np.pi / self.period)).T)

    def adjoint(self, points: FloatArray, weights: FloatArray) -> np.ndarray:
        """sum_i weights[i] exp(-i w_k . s_i) on the band, shape (2 m + 1, ...)."""
        shape = tuple(2 * m + 1 for m in self.modes)
        plan = finufft.Plan(1, shape, 1, PRECISION, -1, nthreads=1)
        plan.setpts(*self.angles(points))
        return plan.execute(weights.astype(complex))

    def jets(self, coefficients: np.ndarray, points: FloatArray, order: int) -> FloatArray:
        """Jets of sum_k coefficients[k] exp(i w_k . s), coefficients Hermitian; shape (p, c)."""
        parts = coefficients * derivative_factors(self.frequencies, order)
        c = len(parts)
        # Each part is Hermitian, so its series is real: two share a complex one.
        paired = parts[0::2].copy()
        paired[: c // 2] += 1j * parts[1::2]
        angles = self.angles(points)
        if len(points) * max(coefficients.shape) <= FEW_TERMS:
            values = self._sums(paired, angles)
        else:
            plan = finufft.Plan(2, paired.shape[1:], len(paired), PRECISION, 1, nthreads=1)
            plan.setpts(*angles)
            values = plan.execute(paired).reshape(len(paired), -1)
        out = np.empty((len(points), c))
        out[:, 0::2] = values.real.T
        out[:, 1::2] = values.imag[: c // 2].T
        return out

    def _sums(self, coefficients: np.ndarray, angles: FloatArray) -> np.ndarray:
        """The same sums one coordinate at a time, shape (len(coefficients), p)."""
        waves = [
            np.exp(1j * np.multiply.outer(np.arange(-m, m + 1), angle))
            for m, angle in zip(self.modes, angles, strict=True)
        ]
        values = coefficients @ waves[-1]
        for wave in waves[-2::-1]:
            values = np.einsum("...kp,kp->...p", values, wave)
        return values


@dataclass(frozen=True, eq=False)
class Tail:
    """Re sum_j coefficients[j] exp(i w_j . (s - centre)) at frequencies outside the band.

    Attributes
    ----------
    centre : array, shape (d,)
    frequencies : array, shape (d, J)
        J = 0 where the tail is negligible.
    coefficients : complex array, shape (J,)
    """

    centre: FloatArray
    frequencies: FloatArray
    coefficients: np.ndarray

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c)."""
        waves = np.empty((len(points), 2 * len(self.coefficients)))
        cycles = self.frequencies / (2 * np.pi)
        cosines_and_sines(points - self.centre, cycles, HALF_TURN, waves)
        factors = self.coefficients * derivative_factors(list(self.frequencies), order)
        return waves @ np.concatenate([factors.real, -factors.imag], axis=1).T


def series_jets(
    torus: Torus, coefficients: np.ndarray, tails: Sequence[Tail], points: FloatArray, order: int
) -> FloatArray:
    """Jets (p, c) of a series on the band and its tails: by products on grids, else by NUFFT.

    Parameters
    ----------
    coefficients : complex array, shape (2 m + 1, ...)
        Hermitian.
    points : array, shape (p, d)
    """
    grid = ProductGrid.of(points)
    if grid is not None:
        waves = [_band_waves(torus, coefficients, grid), *(_tail_waves(t, grid) for t in tails)]
        return grid.jets(waves, order)
    out = np.empty((len(points), jet.size(points.shape[1], order)))
    for start in range(0, len(points), SERIES_TILE):
        tile = slice(start, start + SERIES_TILE)
        out[tile] = torus.jets(coefficients, points[tile], order)
    for tail in tails:
        for start in range(0, len(points), TAIL_TILE):
            tile = slice(start, start + TAIL_TILE)
            out[tile] += tail.jets(points[tile], order)
    return out


def _band_waves(torus: Torus, coefficients: np.ndarray, grid: ProductGrid) -> Waves:
    """The series line by line: its half of last frequencies >= 0 stands for the other one too."""
    half = coefficients[:, torus.modes[1] :].T.copy()
    half[1:] *= 2.0
    x, y = grid.x - torus.centre[0], grid.y - torus.centre[1]
    along_x, along_y = (w.ravel() for w in torus.frequencies)
    along_y = along_y[torus.modes[1] :]
    waves = np.exp(1j * np.multiply.outer(along_x, x))
    rows = [(half * (1j * along_x) ** a) @ waves for a in range(3)]
    return Waves(along_y, np.exp(1j * np.multiply.outer(y, along_y)), rows)


def _tail_waves(tail: Tail, grid: ProductGrid) -> Waves:
    """The tail's waves, each with a row of its own."""
    x, y = grid.x - tail.centre[0], grid.y - tail.centre[1]
    along_x, along_y = tail.frequencies
    waves = tail.coefficients[:, None] * np.exp(1j * np.multiply.outer(along_x, x))
    rows = [(1j * along_x[:, None]) ** a * waves for a in range(3)]
    return Waves(along_y, np.exp(1j * np.multiply.outer(y, along_y)), rows)
