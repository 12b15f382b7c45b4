"""A random sample of rows that does not depend on how they are read.

Every row has a number that its location and value are scrambled to, and those with the smallest
numbers are the sample: the same rows whatever the parts, their order and who reads them.

References
----------
Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, for the scrambling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import FloatArray

if TYPE_CHECKING:
    import pandas as pd

# Rows kept: 6 MB of locations and values. Of them blocks of neighbours are 0.014 of the domain
# wide, about the shortest lengthscale that the spectral engine's waves can follow.
SAMPLE = 250_000


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows with the smallest numbers.

    Attributes
    ----------
    numbers : array, shape (m, 3)
        Coordinates and value.
    table : DataFrame or None
        Covariates; None of no rows.
    order : int array, shape (m,)
        Goes up with the row in the data.
    key : uint64 array, shape (m,)
    """

    numbers: FloatArray | None = None
    table: pd.DataFrame | None = None
    order: np.ndarray | None = None
    key: np.ndarray | None = None

    @classmethod
    def of(cls, columns: FloatArray, table: pd.DataFrame, order: np.ndarray) -> Sample:
        """Of rows (n, 3)."""
        return cls(columns, table, order, scrambled(columns))._smallest()

    def merged(self, other: Sample) -> Sample:
        """Of both."""
        import pandas as pd

        pairs = ((self.numbers, other.numbers), (self.order, other.order), (self.key, other.key))
        columns, order, key = (np.concatenate(pair) for pair in pairs)
        table = pd.concat([self.table, other.table], ignore_index=True)
        return Sample(columns, table, order, key)._smallest()

    def _smallest(self) -> Sample:
        if len(self.key) <= SAMPLE:
            return self
        return self._at(np.argpartition(self.key, SAMPLE)[:SAMPLE])

    @property
    def in_order(self) -> Sample:
        """In the order of the data."""
        return self._at(np.argsort(self.order))

    def _at(self, rows: np.ndarray) -> Sample:
        table = self.table.iloc[rows].reset_index(drop=True)
        return Sample(self.numbers[rows], table, self.order[rows], self.key[rows])


def scrambled(columns: FloatArray) -> np.ndarray:
    """A number for each row (n, c), as good as uniform on the integers below 2^64."""
    key = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        key = _mixed(key ^ np.ascontiguousarray(column).view(np.uint64))
    return key


def _mixed(x: np.ndarray) -> np.ndarray:
    """splitmix64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
