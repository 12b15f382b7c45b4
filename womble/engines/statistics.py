r"""What the spectral model needs to know of the data: sums over them, of any number of rows.

With the features :math:`F = [H, X, \Phi]` of trend, covariates and field, the values y and S
vectors z of unit normal noise, these are F'F, F'y, y'y, F'z and the number of rows. None depends on
hyperparameters, and all add up over parts of the data. :math:`\Phi'\Phi` is made of sums of waves
at the differences and sums of two frequencies: a table of twice the band's sides.

A value that is the mean of m measurements has the noise of one over m: its row and its value are
multiplied by :math:`m^{1/2}`, and so m counts in all of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.fft import fft, ifft, irfft, irfftn, next_fast_len, rfft

from womble.arrays import FloatArray
from womble.engines.disc import Disc
from womble.engines.noise_streams import TOGETHER, NoiseStreams
from womble.engines.sums import (
    NOISE_PRECISION,
    PRECISION,
    FeatureSums,
    chunks,
    feature_sums,
    wave_sums,
)
from womble.trend import Trend


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over the data that determine the spectral model's posterior.

    Attributes
    ----------
    disc : Disc
    trend : Trend
    count : int
        Number of rows n.
    table : complex array, shape (4 m + 1, ...)
        Sums of exp(-i w_k . s) for |k_i| <= 2 m_i.
    trend_rows : array, shape (k, k + 2 K)
        [H, X]'F.
    values : array, shape (k + 2 K,)
        F'y.
    squares : float
        y'y.
    log_weights : float
        Sum of log m: 0 for single measurements.
    noise : array, shape (S, k + 2 K)
        F'z for S independent vectors of unit noise: what paths need of data that are no longer
        at hand. S is 0 where the data are kept, as paths then draw noise of their own.
    """

    disc: Disc
    trend: Trend
    count: int
    table: np.ndarray
    trend_rows: FloatArray
    values: FloatArray
    squares: float
    log_weights: float
    noise: FloatArray

    @classmethod
    def of(
        cls,
        disc: Disc,
        trend: Trend,
        coords: FloatArray,
        values: FloatArray,
        *,
        design: FloatArray | None = None,
        weights: FloatArray | None = None,
        noise: NoiseStreams | None = None,
        rows: np.ndarray | None = None,
    ) -> Statistics:
        """The sums over rows.

        Parameters
        ----------
        disc : Disc
        trend : Trend
        coords : array, shape (n, d)
            Scaled, inside the torus.
        values : array, shape (n,)
            Scaled.
        design : array, shape (n, q), optional
            Standardised covariates.
        weights : array, shape (n,), optional
            Number m of measurements behind each value.
        noise : NoiseStreams, optional
        rows : int array, shape (n,), optional
            Numbers of the rows, ascending, that noise goes by; by default from 0.
        """
        q = 0 if design is None else design.shape[1]
        noise = NoiseStreams(0) if noise is None else noise
        rows = np.arange(len(coords)) if rows is None else rows
        nothing = cls.empty(disc, trend, q, noise.count)
        return nothing.plus(coords, values, design, noise, rows, weights)

    @classmethod
    def empty(cls, disc: Disc, trend: Trend, covariates: int, vectors: int) -> Statistics:
        """Of no rows, with that many columns of covariates and vectors of noise."""
        k = trend.size(len(disc.period)) + covariates
        size = k + disc.size
        table = np.zeros([4 * m + 1 for m in disc.torus.modes], dtype=complex)
        noise = np.zeros((vectors, size))
        return cls(disc, trend, 0, table, np.zeros((k, size)), np.zeros(size), 0.0, 0.0, noise)

    def plus(
        self,
        coords: FloatArray,
        values: FloatArray,
        design: FloatArray | None,
        noise: NoiseStreams,
        rows: np.ndarray,
        weights: FloatArray | None = None,
    ) -> Statistics:
        """With more rows; the arrays of these sums become those of the result.

        Parameters are those of `of`.
        """
        m = np.ones(len(coords)) if weights is None else weights
        for c in chunks(len(coords)):
            H = self.trend.jets(coords[c], 0)[:, 0]
            basis = H if design is None else np.concatenate([H, design[c]], axis=1)
            self._add(coords[c], values[c], m[c], basis, noise, rows[c])
        return replace(
            self,
            count=self.count + len(coords),
            squares=self.squares + float(m @ values**2),
            log_weights=self.log_weights + float(np.log(m).sum()),
        )

    def _add(
        self,
        coords: FloatArray,
        values: FloatArray,
        weights: FloatArray,
        basis: FloatArray,
        noise: NoiseStreams,
        rows: np.ndarray,
    ) -> None:
        """Add rows to the arrays. A vector of noise may take 4 MB: they are never held twice."""
        disc, k = self.disc, self.trend_size
        vectors = weights * np.concatenate([basis.T, values[None]])
        sums = feature_sums(disc, basis, coords, vectors, PRECISION)
        self.trend_rows[:] += sums[:k]
        self.values[:] += sums[k]
        modes = tuple(2 * m for m in disc.torus.modes)
        self.table[:] += wave_sums(disc, coords, weights[None], modes, PRECISION)[0]
        if noise.count:
            features = FeatureSums(disc, basis, coords, TOGETHER, NOISE_PRECISION)
            for group in noise.groups:
                self.noise[group] += features.of(np.sqrt(weights) * noise.of(group, rows))

    def merged(self, other: Statistics) -> Statistics:
        """The statistics of both data sets together.

        Raises
        ------
        ValueError
            If the bands, trends or numbers of covariates differ, or one has noise for more draws.
        """
        same = (
            np.array_equal(self.disc.period, other.disc.period)
            and np.array_equal(self.disc.centre, other.disc.centre)
            and self.disc.radius == other.disc.radius
            and self.trend == other.trend
            and self.trend_size == other.trend_size
            and len(self.noise) == len(other.noise)
        )
        if not same:
            raise ValueError(
                "statistics add up only over the same frequencies, trend and numbers of covariates "
                f"and noise vectors; got {self.described} and {other.described}. Make both with "
                "the same band."
            )
        return Statistics(
            self.disc,
            self.trend,
            self.count + other.count,
            self.table + other.table,
            self.trend_rows + other.trend_rows,
            self.values + other.values,
            self.squares + other.squares,
            self.log_weights + other.log_weights,
            self.noise + other.noise,
        )

    @property
    def described(self) -> str:
        """Band, trend and noise in words."""
        period = ", ".join(f"{p:.6g}" for p in self.disc.period)
        return (
            f"(period {period}; radius {self.disc.radius:.6g}; trend {self.trend.name}; "
            f"{self.trend_size - self.trend.size(len(self.disc.period))} covariates; "
            f"{len(self.noise)} noise vectors)"
        )

    # -- F'F -----------------------------------------------------------------------------------

    @property
    def trend_size(self) -> int:
        """Number k of features of trend and covariates; they come before the waves."""
        return len(self.trend_rows)

    @property
    def size(self) -> int:
        """Number of features k + 2 K."""
        return len(self.values)

    @cached_property
    def _density(self) -> FloatArray:
        """The table as a function on a grid: multiplying by it is what Phi'Phi does to a series.

        Products of the band with the table reach 3 m; with 4 m + 1 points a side what wraps around
        lies outside of the band.
        """
        modes = self.disc.torus.modes
        shape = [next_fast_len(4 * m + 1, real=True) for m in modes]
        padded = np.zeros((*shape[:-1], shape[-1] // 2 + 1), dtype=complex)
        half = self.table[..., 2 * modes[-1] :]
        rows = [np.arange(-2 * m, 2 * m + 1) for m in modes[:-1]]
        padded[np.ix_(*rows, np.arange(half.shape[-1]))] = half
        return irfftn(padded, shape, norm="forward")

    @cached_property
    def _places(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], np.ndarray]:
        """Where each frequency is on the half grid of a real series; and where its negative is,

        for the frequencies whose negative is there too, which come third.
        """
        k = self.disc.numbers
        both = np.flatnonzero((k[:, -1] == 0) & (k != 0).any(axis=1))
        return tuple(k.T), tuple(-k[both].T), both

    def gram_product(self, x: FloatArray) -> FloatArray:
        """F'F x for a batch of vectors, shape (S, k + 2 K), without making F'F."""
        k = self.trend_size
        out = np.empty_like(x)
        out[:, :k] = x @ self.trend_rows.T
        out[:, k:] = self._wave_product(x[:, k:])
        if k:
            out[:, k:] += x[:, :k] @ self.trend_rows[:, k:]
        return out

    def _wave_product(self, x: FloatArray) -> FloatArray:
        """Phi'Phi x: a series, times the density of the data, back to the band.

        Vector by vector, which stays in a core's cache. Along the last axis the band is half of
        what the grid holds: the transforms along the other are of that half only.
        """
        density, (here, there, both) = self._density, self._places
        half = np.conj(np.ascontiguousarray(x).view(complex)) / np.sqrt(2)
        half[:, 0] = x[:, 0]
        series = np.empty((*density.shape[:-1], self.disc.torus.modes[-1] + 1), dtype=complex)
        for vector in half:
            series[:] = 0.0
            series[here] = vector
            series[there] = np.conj(vector[both])
            lines = series if series.ndim == 1 else ifft(series, axis=0, norm="forward")
            on_grid = irfft(lines, density.shape[-1], norm="forward")
            on_grid *= density
            lines = rfft(on_grid, norm="forward")[..., : series.shape[-1]]
            found = lines if series.ndim == 1 else fft(lines, axis=0, norm="forward")
            vector[:] = found[here]
        np.conj(half, out=half)
        half[:, 1:] *= np.sqrt(2)
        half.imag[:, 0] = 0.0
        return half.view(float)

    def gram(self, count: int) -> FloatArray:
        """F'F of the trend and the `count` lowest frequencies, shape (k + 2 count,) twice.

        2 cos a cos b = cos(a - b) + cos(a + b), and so on; the table has minus the sum of sines as
        its imaginary part.
        """
        k, numbers = self.trend_size, self.disc.numbers[:count]
        size = k + 2 * count
        out = np.empty((size, size))
        out[:k], out[:, :k] = self.trend_rows[:, :size], self.trend_rows[:, :size].T
        middle = 2 * np.array(self.disc.torus.modes)
        for i in range(count):  # row by row: the sums of all pairs at once would take four times it
            minus = self.table[tuple((numbers[i] - numbers + middle).T)]
            plus = self.table[tuple((numbers[i] + numbers + middle).T)]
            cosine, sine = out[k + 2 * i, k:], out[k + 2 * i + 1, k:]
            np.add(minus.real, plus.real, out=cosine[0::2])
            np.subtract(minus.real, plus.real, out=sine[1::2])
            np.subtract(minus.imag, plus.imag, out=cosine[1::2])
            np.add(-minus.imag, -plus.imag, out=sine[0::2])
        # The constant is 1 where the others have the factor sqrt(2).
        out[k, k:] /= np.sqrt(2)
        out[k:, k] /= np.sqrt(2)
        return out
