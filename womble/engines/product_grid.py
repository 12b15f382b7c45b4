r"""Sums of plane waves on the points of a grid, one coordinate at a time.

A wave is a product, so that on a grid of x and y

.. math:: \mathrm{Re} \sum_k e^{i v_k y} \sum_j c_{kj} e^{i u_j x}

is two products of matrices: 0.4 us a point for a jet of 100,000 waves, where sums over points
anywhere take 2 us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from womble import jet
from womble.arrays import FloatArray

# Cells of the whole grid for each point that is asked for, at most: masks leave some out.
MOST_CELLS = 4
# Points that tell at once that there is no grid: no two share a coordinate.
SAMPLE = 256


class Waves(NamedTuple):
    """Waves along y with amplitudes that depend on x.

    Attributes
    ----------
    frequencies : array, shape (K,)
        v.
    along_y : complex array, shape (ny, K)
        exp(i v y).
    rows : list of three complex arrays, shape (K, nx)
        Sums over the waves along x, and their first and second derivatives.
    """

    frequencies: FloatArray
    along_y: np.ndarray
    rows: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class ProductGrid:
    """Points that are cells of a grid: all of them, or some.

    Attributes
    ----------
    x, y : array, shape (nx,) and (ny,)
        Ascending.
    cells : int array, shape (p,)
        The cell of each point, x running fastest.
    """

    x: FloatArray
    y: FloatArray
    cells: np.ndarray

    @classmethod
    def of(cls, points: FloatArray) -> ProductGrid | None:
        """The grid of `points` (p, d); None where they are on none, or on one that is too large."""
        p, d = points.shape
        if d != 2 or p < SAMPLE:
            return None
        if min(len(np.unique(column)) for column in points[:SAMPLE].T) == SAMPLE:
            return None
        x, y = (np.unique(column) for column in points.T)
        if len(x) * len(y) > MOST_CELLS * p:
            return None
        column, row = np.searchsorted(x, points[:, 0]), np.searchsorted(y, points[:, 1])
        return cls(x, y, row * len(x) + column)

    def jets(self, parts: Sequence[Waves], order: int) -> FloatArray:
        """Jets (p, c) of the real part of a sum of waves."""
        v = np.concatenate([part.frequencies for part in parts])
        along_y = np.concatenate([part.along_y for part in parts], axis=1)
        columns = []
        for b in range(order + 1):
            turned = along_y * (1j * v) ** b
            columns.append(np.concatenate([turned.real, -turned.imag], axis=1))
        rows = []
        for a in range(order + 1):
            stacked = np.concatenate([part.rows[a] for part in parts])
            rows.append(np.concatenate([stacked.real, stacked.imag]))
        components = jet.components(2, order)
        out = np.empty((len(self.cells), len(components)))
        for c, indices in enumerate(components):
            a, b = indices.count(0), indices.count(1)
            out[:, c] = (columns[b] @ rows[a]).ravel()[self.cells]
        return out
