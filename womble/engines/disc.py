r"""The band of the spectral model: the lattice frequencies of a torus within a disc.

The field is a sum of real features, cosines and sines of half of the lattice (w and -w are one),

.. math:: f(s) = a_0 + \sum_k a_k \sqrt2 \cos(w_k \cdot s) + b_k \sqrt2 \sin(w_k \cdot s), \qquad
          a_k, b_k \sim N(0, S(w_k) / \prod P),

ordered by increasing :math:`|w_k|`, so that the lowest frequencies come first. The sine of
frequency 0 is kept, with the weight 0: all frequencies then have two features side by side, and a
vector of weights is at the same time a vector of complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from womble.arrays import FloatArray
from womble.compiled.waves import HALF_TURN, cosines_and_sines
from womble.covariance import Scale
from womble.engines.fourier import FourierPrior
from womble.engines.torus import Torus, density, derivative_factors
from womble.kernels import Correlation


@dataclass(frozen=True, eq=False)
class Disc:
    """The lattice frequencies 2 pi k / period with |w| <= radius.

    Parameters
    ----------
    centre, period : array, shape (d,)
        Of the torus, in scaled coordinates.
    radius : float
        In radians per unit of the scaled coordinates.
    """

    centre: FloatArray
    period: FloatArray
    radius: float

    @cached_property
    def torus(self) -> Torus:
        """The same frequencies in their smallest box."""
        modes = np.maximum(np.floor(self.radius * self.period / (2 * np.pi)), 1)
        return Torus(self.centre, self.period, tuple(int(m) for m in modes))

    @cached_property
    def numbers(self) -> np.ndarray:
        """Half of the lattice, by increasing |w|, the first 0: integers, shape (K, d)."""
        axes = [np.arange(-m, m + 1) for m in self.torus.modes]
        k = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        square = np.sum((2 * np.pi * k / self.period) ** 2, axis=1)
        first = np.zeros(len(k), dtype=int)  # the last number that is not 0 decides on the half
        for column in k.T:
            first = np.where(column != 0, column, first)
        kept = np.flatnonzero((square <= self.radius**2) & (first >= 0))
        return k[kept[np.argsort(square[kept], kind="stable")]]

    @cached_property
    def frequencies(self) -> FloatArray:
        """w_k, shape (K, d)."""
        return 2 * np.pi * self.numbers / self.period

    @cached_property
    def radii(self) -> FloatArray:
        """|w_k|, ascending, shape (K,)."""
        return np.linalg.norm(self.frequencies, axis=1)

    @property
    def size(self) -> int:
        """Number of features, 2 K."""
        return 2 * len(self.numbers)

    def of_frequencies(self, numbers: FloatArray) -> FloatArray:
        """What belongs to each frequency (..., K), for its two features: (..., 2 K)."""
        features = np.repeat(numbers, 2, axis=-1)
        features[..., 1] = 0.0  # the sine of frequency 0
        return features

    @cached_property
    def _places(self) -> tuple[np.ndarray, ...]:
        return tuple((self.numbers + np.array(self.torus.modes)).T)

    def pack(self, sums: np.ndarray) -> FloatArray:
        """From sums of exp(-i w . s) over the box, of real weights, to sums of features.

        Shapes (..., 2 m + 1, ...) and (..., 2 K).
        """
        out = np.ascontiguousarray(np.sqrt(2) * np.conj(sums[(..., *self._places)]))
        out[..., 0] /= np.sqrt(2)
        return out.view(float)

    def unpack(self, weights: FloatArray) -> np.ndarray:
        """Hermitian coefficients of exp(i w . s) over the box from weights (2 K,) of features."""
        half = np.conj(np.ascontiguousarray(weights).view(complex)) / np.sqrt(2)
        out = np.zeros([2 * m + 1 for m in self.torus.modes], dtype=complex)
        out[self._places] = half
        out += np.conj(np.flip(out))
        out[self.torus.modes] = weights[0]
        return out

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of every feature at `points` (p, d), shape (p, c, 2 K)."""
        factors = np.sqrt(2) * derivative_factors(list(self.frequencies.T), order)
        factors[:, 0] /= np.sqrt(2)
        return wave_jets(points - self.centre, self.frequencies, factors)

    def variances(self, kernel: Correlation, scale: Scale) -> FloatArray:
        """S(w_k) / prod(period), shape (K,)."""
        # 2 cos^2 is 1 on average: half of the lattice stands for all of it.
        return density(kernel, scale, self.radii, len(self.period)) / np.prod(self.period)


def wave_jets(offsets: FloatArray, frequencies: FloatArray, factors: np.ndarray) -> FloatArray:
    """Jets of the cosine and the sine of each frequency, side by side.

    Parameters
    ----------
    offsets : array, shape (p, d)
        From the point where all cosines are 1.
    frequencies : array, shape (J, d)
    factors : complex array, shape (c, J)
        What exp(i w . s) is multiplied by in each component.

    Returns
    -------
    array, shape (p, c, 2 J)
    """
    waves = np.empty((len(offsets), 2 * len(frequencies)))
    cosines_and_sines(offsets, frequencies.T / (2 * np.pi), HALF_TURN, waves)
    cosine, sine = np.split(waves, 2, axis=1)
    out = np.empty((len(offsets), *factors.shape, 2))
    for component, factor in enumerate(factors):
        if factor.imag.any():  # an odd derivative: i times a real number
            out[:, component, :, 0], out[:, component, :, 1] = -sine, cosine
            out[:, component] *= factor.imag[:, None]
        else:
            out[:, component, :, 0], out[:, component, :, 1] = cosine, sine
            out[:, component] *= factor.real[:, None]
    return out.reshape(*out.shape[:2], -1)


@dataclass(frozen=True, eq=False)
class DiscPrior(FourierPrior):
    """The prior whose band is a disc: its tail is what the spectral model has as noise.

    Parameters
    ----------
    disc : Disc
    """

    disc: Disc

    @property
    def torus(self) -> Torus:
        """The disc's."""
        return self.disc.torus

    def _reach(self, directions: FloatArray) -> FloatArray:
        return np.full(directions.shape[1], self.disc.radius)

    def tail_features(self, count: int) -> tuple[FloatArray, FloatArray]:
        r"""Frequencies (count, d) and their variances (count,) that stand for the tail's law.

        Midpoints of `count` sectors, at radii that share out the integral of :math:`S |w|^{d+3}`,
        the Hessian's variance, in the order of the golden ratio: a quadrature of the tail's
        covariance, exact for the variance of the Laplacian.
        """
        d, lengthscale = len(self.disc.period), self.scale.lengthscale
        j = np.arange(count)
        share = 1 - (0.5 + j * (np.sqrt(5) - 1) / 2) % 1
        power = min(2 * self.order, 2 * self.kernel.differentiability - 0.5)
        R = self.disc.radius * lengthscale
        radius = self.kernel.frequency_beyond(share, R, d, power)
        mass = self.kernel.spectral_moment(R, d, power) * radius**-power / count
        angle = np.pi * (j + 0.5) / count
        u = np.ones((count, 1)) if d == 1 else np.column_stack([np.cos(angle), np.sin(angle)])
        return radius[:, None] * u / lengthscale, self.scale.amplitude**2 * mass
