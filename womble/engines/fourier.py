r"""Prior paths: a Fourier series on a torus, and its tail by random frequencies.

A kernel repeated with periods P has all its spectrum on the lattice w_k = 2 pi k / P,

.. math:: \tilde k(h) = \sum_j k(h + j P) = \frac{1}{\prod P} \sum_k S(w_k) e^{i w_k \cdot h},

and equals k as long as no image j comes near. The band |k_i| <= m_i is summed in full. Of the
lattice outside of it a few frequencies are drawn at random, so that the covariance of band and tail
together is exactly the repeated kernel in expectation.

References
----------
Greengard, Rachh and Barnett (2022), Equispaced Fourier representations for efficient Gaussian
process regression; Rahimi and Recht (2007) for the random frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import finufft
import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.waves import HALF_TURN, cosines_and_sines
from womble.covariance import Scale, Scales, jet_covariance, parts
from womble.engines.product_grid import ProductGrid, Waves
from womble.kernels import Correlation, Kernel

# Largest correlation of any two jet components with their nearest image, at opposite ends of the
# domain. Near pairs, and all pairs once conditioned on data, err by far less.
IMAGE_CORRELATION = 1e-5
# Modes along a coordinate, on average: 121 x 121 in the plane cost about as much as the tail at
# 10,000 points. A line has as many in all.
MOST_MODES = 121
# A tail with a smaller share than this of the variance of every component is left out.
NEGLIGIBLE = 1e-6
# Random frequencies of a tail: the variance of its Hessian scatters by about 15% from path to path.
TAIL_FREQUENCIES = 64
# Of the NUFFT, relative to the root mean square of a component.
PRECISION = 1e-11
# Up to this product of points and modes along a coordinate (130 points at 121 modes), plain sums
# are faster than a NUFFT, which has a fixed cost.
FEW_TERMS = 16_000
# Points at which a series is evaluated at a time, and at which the tail's waves are held, 8 MB.
SERIES_TILE = 131_072
TAIL_TILE = 8_192


@cache
def image_distance(kernel: Correlation, order: int, least: float = IMAGE_CORRELATION) -> float:
    """Distance in lengthscales from which on no two jet components correlate by `least`.

    Measured along an axis, where a Hessian's correlations reach furthest.
    """
    z = np.linspace(0.0, 200.0, 20_001)[:, None]
    covariance = np.abs(jet_covariance(kernel, Scale(1.0, 1.0), z, order))
    sd = np.sqrt(np.diagonal(covariance[0]))
    correlated = (covariance > least * np.outer(sd, sd)).any(axis=(1, 2))
    return float(z[np.flatnonzero(correlated)[-1] + 1, 0])


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


@dataclass(frozen=True, eq=False)
class FourierPath:
    """A periodic function: a series on the band and its tail."""

    torus: Torus
    coefficients: np.ndarray  # Hermitian, on the band
    tail: Tail

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c)."""
        return series_jets(self.torus, self.coefficients, (self.tail,), points, order)


@dataclass(frozen=True, eq=False)
class FourierPrior:
    """The prior as a distribution of functions, good in a box of coordinates.

    Parameters
    ----------
    kernel : Correlation
    scale : Scale
    domain : array, shape (2, d)
        Lowest and highest corner of the box that holds all points asked for.
    """

    kernel: Correlation
    scale: Scale
    domain: FloatArray

    @property
    def order(self) -> int:
        """Highest derivative of the kernel's paths that is kept true: 1 or 2."""
        return 2 if self.kernel.differentiability > 2 else 1

    @cached_property
    def torus(self) -> Torus:
        """Period: side + distance at which images are no longer seen, in each coordinate.

        Band: as wide as NEGLIGIBLE asks for, with about MOST_MODES modes along a coordinate at
        most, and equally far out along all of them.
        """
        low, high = self.domain
        d = len(low)
        enough = self.kernel.frequency_beyond(NEGLIGIBLE, 0.0, d, 2 * self.order)
        period = high - low + image_distance(self.kernel, self.order) * self.scale.lengthscale
        affordable = np.pi * MOST_MODES ** max(1.0, 2 / d) / np.prod(period) ** (1 / d)
        edge = min(enough / self.scale.lengthscale, affordable)
        # 2 m + 1 modes reach to (2 m + 1) pi / period.
        modes = np.ceil((edge * period / np.pi - 1) / 2 - 1e-9)
        return Torus((low + high) / 2, period, tuple(int(max(1, m)) for m in modes))

    @cached_property
    def spectrum(self) -> FloatArray:
        """Variance of each mode of the band."""
        return self.torus.spectrum(self.kernel, self.scale)

    def _reach(self, directions: FloatArray) -> FloatArray:
        """Where the band ends in the directions of unit vectors (d, J), shape (J,)."""
        with np.errstate(divide="ignore"):
            return np.min(self.torus.edge[:, None] / np.abs(directions), axis=0)

    def tail_share(self, order: int) -> float:
        """Share of the variance of derivatives of this order that the tail has, at most."""
        cutoff = self._reach(np.eye(self.domain.shape[1])).min() * self.scale.lengthscale
        parts = (
            self.kernel.spectral_moment(beyond, self.domain.shape[1], 2 * order)
            for beyond in (cutoff, 0.0)
        )
        return float(np.divide(*parts))

    def draw(self, rng: np.random.Generator) -> FourierPath:
        """One path: independent normal coefficients, variance S(w_k) / prod(period)."""
        noise = rng.standard_normal((2, *self.spectrum.shape))
        c = np.sqrt(self.spectrum) * (noise[0] + 1j * noise[1])
        # Re sum_k c_k exp(i w_k . s), written with Hermitian coefficients.
        return FourierPath(self.torus, 0.5 * (c + np.conj(np.flip(c))), self.draw_tail(rng))

    def draw_tail(self, rng: np.random.Generator) -> Tail:
        r"""Frequencies outside the band, and normal coefficients.

        In the direction u(angle) the band ends at radius R. A radius drawn from the density
        proportional to S |w|^(d - 1 + power) beyond R, where M(R) is the integral, stands for a
        spectral mass of M(R) |w|^-power: the covariance is an average over directions,

        .. math:: \int_{outside} S(w) \cos(w \cdot h) \frac{dw}{(2 \pi)^d} =
                  E\, M(R) E [ |w|^{-power} \cos(w \cdot h) ].

        The power is that of the Hessian's variance, which the tail matters for most. Moving each
        frequency to the nearest of the lattice, with the ratio of the spectra, makes the integral
        a sum over the lattice outside of the band.
        """
        torus, scale, d = self.torus, self.scale, self.domain.shape[1]
        if self.tail_share(self.order) <= NEGLIGIBLE:
            return Tail(torus.centre, np.empty((d, 0)), np.empty(0, dtype=complex))
        # A density must have an integral; the 1/2 keeps its tail within reach of double precision.
        power = min(2 * self.order, 2 * self.kernel.differentiability - 0.5)
        u = _directions(d, TAIL_FREQUENCIES, rng)
        R = self._reach(u) * scale.lengthscale
        share = 1.0 - rng.random(TAIL_FREQUENCIES)  # in (0, 1]
        radius = self.kernel.frequency_beyond(share, R, d, power)
        step = 2 * np.pi / torus.period[:, None]
        frequencies = step * np.round(radius * u / scale.lengthscale / step)
        mass = self.kernel.spectral_moment(R, d, power) * radius**-power / TAIL_FREQUENCIES
        moved = np.linalg.norm(frequencies, axis=0) * scale.lengthscale
        mass *= self.kernel.spectral_density(moved, d) / self.kernel.spectral_density(radius, d)
        noise = rng.standard_normal((2, TAIL_FREQUENCIES))
        coefficients = scale.amplitude * np.sqrt(mass) * (noise[0] + 1j * noise[1])
        return Tail(torus.centre, frequencies, coefficients)


def component_priors(kernel: Kernel, scale: Scales, domain: FloatArray) -> list[FourierPrior]:
    """The prior of each component of a kernel: a path of the field is the sum of their paths."""
    return [FourierPrior(*part, domain) for part in parts(kernel, scale)]


def density(kernel: Correlation, scale: Scale, w: FloatArray, d: int) -> FloatArray:
    """Spectral density of the covariance at |w| in radians per coordinate unit."""
    units = scale.amplitude**2 * scale.lengthscale**d
    return units * kernel.spectral_density(scale.lengthscale * w, d)


def _directions(dimension: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Unit vectors over half a turn, one at random in each of `count` sectors, shape (d, count)."""
    if dimension == 1:
        return np.ones((1, count))
    angle = np.pi * (np.arange(count) + rng.random(count)) / count
    return np.stack([np.cos(angle), np.sin(angle)])
