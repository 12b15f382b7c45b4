"""Means, variances and extents of columns that add up over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Moments:
    """Of columns, shape (c,) each.

    Attributes
    ----------
    count : int
    mean : array
    squares : array
        Sums of squared deviations from the mean.
    low, high : array
        Extents; infinite where there is no row.

    References
    ----------
    Chan, Golub and LeVeque (1983), The American Statistician 37, 242-247.
    """

    count: int
    mean: FloatArray
    squares: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> Moments:
        """Of rows (n, c)."""
        n, c = columns.shape
        if n == 0:
            return cls(0, np.zeros(c), np.zeros(c), np.full(c, np.inf), np.full(c, -np.inf))
        mean = columns.mean(axis=0)
        squares = np.sum((columns - mean) ** 2, axis=0)
        return cls(n, mean, squares, columns.min(axis=0), columns.max(axis=0))

    def merged(self, other: Moments) -> Moments:
        """Of the rows of both."""
        count = self.count + other.count
        if count == 0:
            return self
        step = other.mean - self.mean
        return Moments(
            count,
            self.mean + step * (other.count / count),
            self.squares + other.squares + step**2 * (self.count * other.count / count),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def variance(self) -> FloatArray:
        """Over all rows."""
        return self.squares / self.count
