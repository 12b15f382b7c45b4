r"""What the spectral model needs to know of the data: sums over them, of any number of rows.

With the features :math:`F = [H, \Phi]` of trend and field, the values y and S vectors z of unit
normal noise, these are F'F, F'y, y'y, F'z and the number of rows. None depends on hyperparameters,
and all add up over parts of the data. :math:`\Phi'\Phi` is made of sums of waves at the differences
and sums of two frequencies: a table of twice the band's sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.fft import fft, ifft, irfft, irfftn, next_fast_len, rfft

from womble.arrays import FloatArray
from womble.engines.disc import Disc
from womble.engines.sums import NOISE_PRECISION, PRECISION, chunks, feature_sums, wave_sums
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
        H'F.
    values : array, shape (k + 2 K,)
        F'y.
    squares : float
        y'y.
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
    noise: FloatArray

    @classmethod
    def of(
        cls,
        disc: Disc,
        trend: Trend,
        coords: FloatArray,
        values: FloatArray,
        noise: FloatArray | None = None,
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
        noise : array, shape (S, n), optional
            Unit normal numbers.
        """
        if noise is None:
            noise = np.empty((0, len(coords)))
        parts = (
            cls._of_chunk(disc, trend, coords[rows], values[rows], noise[:, rows])
            for rows in chunks(len(coords))
        )
        total = next(parts)
        for part in parts:
            total = total.merged(part)
        return total

    @classmethod
    def _of_chunk(
        cls, disc: Disc, trend: Trend, coords: FloatArray, values: FloatArray, noise: FloatArray
    ) -> Statistics:
        modes = tuple(2 * m for m in disc.torus.modes)
        ones = np.ones((1, len(coords)), dtype=complex)
        H = trend.jets(coords, 0)[:, 0].T
        sums = feature_sums(disc, trend, coords, np.concatenate([H, values[None]]), PRECISION)
        return cls(
            disc,
            trend,
            len(coords),
            wave_sums(disc, coords, ones, modes, PRECISION)[0],
            sums[:-1],
            sums[-1],
            float(values @ values),
            feature_sums(disc, trend, coords, noise, NOISE_PRECISION),
        )

    def merged(self, other: Statistics) -> Statistics:
        """The statistics of both data sets together.

        Raises
        ------
        ValueError
            If the bands or trends differ, or one has noise for more draws.
        """
        same = (
            np.array_equal(self.disc.period, other.disc.period)
            and np.array_equal(self.disc.centre, other.disc.centre)
            and self.disc.radius == other.disc.radius
            and self.trend == other.trend
            and len(self.noise) == len(other.noise)
        )
        if not same:
            raise ValueError(
                "statistics add up only over the same frequencies, trend and number of noise "
                f"vectors; got {self.described} and {other.described}. Make both with the same "
                "band."
            )
        return Statistics(
            self.disc,
            self.trend,
            self.count + other.count,
            self.table + other.table,
            self.trend_rows + other.trend_rows,
            self.values + other.values,
            self.squares + other.squares,
            self.noise + other.noise,
        )

    @property
    def described(self) -> str:
        """Band, trend and noise in words."""
        period = ", ".join(f"{p:.6g}" for p in self.disc.period)
        return (
            f"(period {period}; radius {self.disc.radius:.6g}; trend {self.trend.name}; "
            f"{len(self.noise)} noise vectors)"
        )

    def save(self, path: str | Path) -> None:
        """Write all of it to a NumPy archive that `Statistics.load` reads."""
        disc = self.disc
        np.savez(
            path,
            centre=disc.centre,
            period=disc.period,
            radius=disc.radius,
            trend=self.trend.name,
            count=self.count,
            table=self.table,
            trend_rows=self.trend_rows,
            values=self.values,
            squares=self.squares,
            noise=self.noise,
        )

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read what `save` wrote."""
        with np.load(path) as file:
            disc = Disc(file["centre"], file["period"], float(file["radius"]))
            names = ("table", "trend_rows", "values")
            return cls(
                disc,
                Trend(str(file["trend"])),
                int(file["count"]),
                *(file[name] for name in names),
                float(file["squares"]),
                file["noise"],
            )

    # -- F'F -----------------------------------------------------------------------------------

    @property
    def trend_size(self) -> int:
        """Number of trend features k; they come before the waves."""
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
