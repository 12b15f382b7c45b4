r"""Plane waves of a disc of frequencies on a torus, as features with independent weights.

.. math:: Z(s) = \sqrt{v_0}\, w_0 + \sum_k \sqrt{2 v_k}\,
                 [w_k \cos \omega_k \cdot s + w_{-k} \sin \omega_k \cdot s], \qquad
          v_k = S(\omega_k) / \prod P

over half of the lattice :math:`\omega_k = 2 \pi k / P`, all w standard normal, is the periodic
repetition of the kernel without the frequencies beyond the disc: those are the tail. The waves do
not depend on the hyperparameters, their variances do.

References
----------
Solin and Sarkka (2020), Hilbert space methods; Greengard, Rachh and Barnett (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from womble import jet
from womble.arrays import FloatArray
from womble.covariance import Scale, parts
from womble.engines.fourier import NEGLIGIBLE, image_distance
from womble.engines.torus import Tail, Torus
from womble.kernels import Kernel

# Share of the value's variance that may be left to the tail at the shortest plausible lengthscale.
TAIL_SHARE = 1e-3
# Correlation of two jet components with their nearest image, at opposite ends of the domain, at the
# longest plausible lengthscale.
IMAGE_CORRELATION = 1e-2
# Waves at most: a factor of their precision, which Laplace's approximation and the metric of NUTS
# need, then takes 0.1 s and 11 MB.
MOST_WAVES = 1200
# Room around the data's box, as a share of its longest side: there the field can be asked too.
MARGIN = 0.2
# Of the tail's covariance between separate points, and of a path's.
TAIL_FREQUENCIES = 256
# Steps through angles of frequencies that are ordered by radius: 1 / golden ratio.
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class Band:
    """The lattice's frequencies in a disc, half of them, as the others repeat these.

    Parameters
    ----------
    domain : array, shape (2, d)
        Corners of the box in which the series stands for the field.
    period : array, shape (d,)
    cutoff : float
        Radius of the disc, radians per coordinate unit.
    """

    domain: FloatArray
    period: FloatArray
    cutoff: float

    @classmethod
    def of(
        cls, kernel: Kernel, coords: FloatArray, shortest: float, longest: float, most: int
    ) -> Band:
        """The band for data at `coords` (n, d) and lengthscales in a range.

        Of at most about `most` features. The disc is as wide as the tail's share asks for at the
        shortest, if that many will do; otherwise as wide as they reach.
        """
        low, high = coords.min(axis=0), coords.max(axis=0)
        margin = MARGIN * (high - low).max()
        domain = np.stack([low - margin, high + margin])
        d, order = coords.shape[1], 2 if kernel.differentiability > 2 else 1
        images = [image_distance(k, order, IMAGE_CORRELATION) for k in kernel.components]
        period = np.ptp(domain, axis=0) + max(images) * longest
        beyond = [k.frequency_beyond(TAIL_SHARE, 0.0, d, 0) for k in kernel.components]
        enough = max(beyond) / shortest
        # Lattice points have density prod(period / 2 pi); an interval or a disc.
        unit_ball = {1: 2.0, 2: np.pi}[d]
        affordable = 2 * np.pi * (most / unit_ball / np.prod(period)) ** (1 / d)
        return cls(domain, period, float(min(enough, affordable)))

    def to_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it."""
        arrays = {"domain": self.domain.tolist(), "period": self.period.tolist()}
        return arrays | {"cutoff": self.cutoff}

    @classmethod
    def from_dict(cls, stated: dict[str, Any]) -> Band:
        """From what `to_dict` wrote."""
        arrays = (np.array(stated[name]) for name in ("domain", "period"))
        return cls(*arrays, stated["cutoff"])

    @cached_property
    def indices(self) -> npt.NDArray[np.int64]:
        """k of each wave, shape (m, d): the half of the disc after 0 in lexicographic order."""
        reach = np.floor(self.cutoff * self.period / (2 * np.pi)).astype(int)
        grids = np.meshgrid(*(np.arange(-m, m + 1) for m in reach), indexing="ij")
        every = np.stack([grid.ravel() for grid in grids], axis=1)
        later = every[len(every) // 2 + 1 :]
        return later[np.linalg.norm(2 * np.pi * later / self.period, axis=1) <= self.cutoff]

    @cached_property
    def frequencies(self) -> FloatArray:
        """Of each wave, shape (m, d)."""
        return 2 * np.pi * self.indices / self.period

    @property
    def size(self) -> int:
        """Number of features: the constant, cosines and sines."""
        return 1 + 2 * len(self.indices)

    @property
    def centre(self) -> FloatArray:
        """Of the domain, shape (d,)."""
        return self.domain.mean(axis=0)

    @cached_property
    def _radius(self) -> FloatArray:
        """|w| of each feature, shape (M,)."""
        radius = np.linalg.norm(self.frequencies, axis=1)
        return np.concatenate([[0.0], radius, radius])

    def variances(self, kernel: Kernel, scales: tuple[Scale, ...]) -> FloatArray:
        """Prior variance S / prod(period) of each coefficient, by component, shape (K, M)."""
        d, volume = len(self.period), np.prod(self.period)
        rows = []
        for component, scale in parts(kernel, scales):
            density = component.spectral_density(scale.lengthscale * self._radius, d)
            rows.append(scale.amplitude**2 * scale.lengthscale**d / volume * density)
        return np.stack(rows)

    def stretches(self, kernel: Kernel, scales: tuple[Scale, ...]) -> FloatArray:
        """Derivative of the logarithm of `variances` by that of its lengthscale, shape (K, M)."""
        d = len(self.period)
        pairs = parts(kernel, scales)
        slopes = [k.spectral_slope(scale.lengthscale * self._radius, d) for k, scale in pairs]
        return d + np.stack(slopes)

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the features at `points` (p, d), shape (p, c, M)."""
        waves = wave_jets(self.frequencies, points - self.centre, order)
        out = np.zeros((*waves.shape[:2], self.size))
        out[:, 0, 0] = 1.0
        np.multiply(np.sqrt(2), waves, out=out[:, :, 1:])
        return out

    @cached_property
    def torus(self) -> Torus:
        """A box of modes that holds the disc: for sums at many points."""
        reach = np.abs(self.indices).max(axis=0, initial=1)
        return Torus(self.centre, self.period, tuple(int(m) for m in reach))

    def series(self, coefficients: FloatArray) -> np.ndarray:
        """Coefficients (M,) of the features as those of the torus's complex series."""
        out = np.zeros([2 * m + 1 for m in self.torus.modes], dtype=complex)
        cosines, sines = coefficients[1:].reshape(2, -1) / np.sqrt(2)
        middle = np.array(self.torus.modes)
        out[tuple(middle)] = coefficients[0]
        out[tuple((middle + self.indices).T)] = cosines - 1j * sines
        out[tuple((middle - self.indices).T)] = cosines + 1j * sines
        return out

    def tail_share(self, kernel: Kernel, lengthscale: float, order: int) -> float:
        """Share of the variance of derivatives of this order that lies beyond the disc.

        Of one component with this lengthscale.
        """
        d, cutoff = len(self.period), self.cutoff * lengthscale
        parts = (kernel.spectral_moment(beyond, d, 2 * order) for beyond in (cutoff, 0.0))
        return float(np.divide(*parts))

    def tail_waves(
        self, kernel: Kernel, scales: tuple[Scale, ...], shift: tuple[float, float] = (0.5, 0.0)
    ) -> tuple[FloatArray, FloatArray]:
        """Frequencies (d, J) beyond the disc and the sd (J,) of cosine and sine of each.

        With a `shift` uniform in [0, 1)^2 their covariance is in expectation that of the spectrum
        beyond the disc.
        """
        found = [self._tail_of(*part, shift) for part in parts(kernel, scales)]
        frequencies, sds = zip(*found, strict=True)
        return np.concatenate(frequencies, axis=1), np.concatenate(sds)

    def _tail_of(
        self, kernel: Kernel, scale: Scale, shift: tuple[float, float]
    ) -> tuple[FloatArray, FloatArray]:
        """The same of one component; J = 0 where its tail is negligible.

        Radii at equal steps of their law, proportional to S |w|^(d - 1 + power) beyond the cutoff
        R, each with the spectral mass M(R) |w|^-power / J; directions turn by the golden section.

        References
        ----------
        Cranley and Patterson (1976), SIAM J. Numer. Anal. 13, on shifted lattices.
        """
        d, order = len(self.period), 2 if kernel.differentiability > 2 else 1
        if self.tail_share(kernel, scale.lengthscale, order) <= NEGLIGIBLE:
            return np.empty((d, 0)), np.empty(0)
        # A density must have an integral; the 1/2 keeps its tail within reach of double precision.
        power = min(2 * order, 2 * kernel.differentiability - 0.5)
        cutoff = self.cutoff * scale.lengthscale
        count = np.arange(TAIL_FREQUENCIES)
        share = 1.0 - (count + shift[0]) / TAIL_FREQUENCIES
        radius = kernel.frequency_beyond(share, cutoff, d, power)
        angle = np.pi * ((count * GOLDEN + shift[1]) % 1.0)
        directions = np.stack([np.cos(angle), np.sin(angle)])[:d] if d > 1 else np.ones((1, 1))
        mass = kernel.spectral_moment(cutoff, d, power) * radius**-power / TAIL_FREQUENCIES
        return directions * radius / scale.lengthscale, scale.amplitude * np.sqrt(mass)

    def draw_tail(
        self, kernel: Kernel, scales: tuple[Scale, ...], rng: np.random.Generator
    ) -> Tail:
        """A prior function of the spectrum beyond the disc."""
        frequencies, sd = self.tail_waves(kernel, scales, tuple(rng.random(2)))
        noise = rng.standard_normal((2, len(sd)))
        return Tail(self.centre, frequencies, sd * (noise[0] + 1j * noise[1]))

    def tail_jets(
        self, kernel: Kernel, scales: tuple[Scale, ...], points: FloatArray, order: int
    ) -> FloatArray:
        """Features (p, c, 2 J) whose products are the tail's prior covariances."""
        frequencies, sd = self.tail_waves(kernel, scales)
        return wave_jets(frequencies.T, points - self.centre, order) * np.tile(sd, 2)


def wave_jets(frequencies: FloatArray, points: FloatArray, order: int) -> FloatArray:
    """Jets of cos(w . s) and sin(w . s) at `points` (p, d), shape (p, c, 2 m).

    Parameters
    ----------
    frequencies : array, shape (m, d)
    """
    phase = points @ frequencies.T
    m = len(frequencies)
    components = jet.components(points.shape[1], order)
    out = np.empty((len(points), len(components), 2 * m))
    cosine, sine = np.cos(phase), np.sin(phase)
    # The k-th derivative turns a wave by k quarters.
    turned = [(cosine, sine), (-sine, cosine), (-cosine, -sine)]
    for a, indices in enumerate(components):
        factor = np.prod(frequencies[:, list(indices)], axis=1)
        for half, wave in zip((slice(None, m), slice(m, None)), turned[len(indices)], strict=True):
            np.multiply(wave, factor, out=out[:, a, half])
    return out
