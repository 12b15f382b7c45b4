"""Unit noise for rows of data that are read in parts: the same whatever the parts.

Each block of row numbers has streams of random numbers of its own, so that neither the size of the
parts nor the order in which they are read, nor who reads them, changes a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble.arrays import FloatArray

# Rows and vectors of one stream: 65,536 numbers take 0.5 ms, to start a stream 0.1 ms.
ROWS = 8192
TOGETHER = 8
ENTROPY = 6


@dataclass(frozen=True)
class NoiseStreams:
    """Vectors of unit normal numbers, one for each row of the data.

    Parameters
    ----------
    count : int
        Number of vectors S. The first are the same whatever S is.
    delivery : int
        Which of the data sets that are added up it is: each has noise of its own.
    """

    count: int
    delivery: int = 0

    @property
    def groups(self) -> list[slice]:
        """Vectors that are made together."""
        starts = range(0, self.count, TOGETHER)
        return [slice(start, min(start + TOGETHER, self.count)) for start in starts]

    def of(self, group: slice, rows: np.ndarray) -> FloatArray:
        """The numbers of a group of vectors for row numbers (n,), ascending; shape (g, n)."""
        first, last = rows[0] // ROWS, rows[-1] // ROWS
        every = np.concatenate([self._block(group, b) for b in range(first, last + 1)], axis=1)
        return every[: group.stop - group.start, rows - first * ROWS]

    def _block(self, group: slice, block: int) -> FloatArray:
        key = (self.delivery, int(block), group.start)
        stream = np.random.Generator(
            np.random.SFC64(np.random.SeedSequence(ENTROPY, spawn_key=key))
        )
        return stream.standard_normal((TOGETHER, ROWS))
