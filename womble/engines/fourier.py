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

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from womble.arrays import FloatArray
from womble.covariance import Scale, Scales, jet_covariance, parts
from womble.engines.torus import Tail, Torus, series_jets
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


def _directions(dimension: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Unit vectors over half a turn, one at random in each of `count` sectors, shape (d, count)."""
    if dimension == 1:
        return np.ones((1, count))
    angle = np.pi * (np.arange(count) + rng.random(count)) / count
    return np.stack([np.cos(angle), np.sin(angle)])
