"""Sums over sparse rows, and products of matrices of which only a part is wanted."""

from __future__ import annotations

import numpy as np
from numba import njit

from womble.arrays import FloatArray


@njit(nogil=True, cache=True)
def weighted_rows(
    derivative: FloatArray,
    first: int,
    start: np.ndarray,
    row: np.ndarray,
    component: np.ndarray,
    weight: FloatArray,
    out: FloatArray,
) -> None:
    """Add to out[row] the weight times derivative[i, component], for every entry of a node.

    `derivative` is of the nodes from `first` on.
    """
    for i in range(len(derivative)):
        for e in range(start[first + i], start[first + i + 1]):
            total, values, w = out[row[e]], derivative[i, component[e]], weight[e]
            for j in range(len(total)):
                total[j] += w * values[j]


@njit(nogil=True, cache=True)
def weighted_pairs(
    derivative: FloatArray,
    first: int,
    place: np.ndarray,
    signs: FloatArray,
    start: np.ndarray,
    row: np.ndarray,
    component: np.ndarray,
    weight: FloatArray,
    out: FloatArray,
) -> None:
    """Add w v signs[b] derivative[i, place[a, b], j] to out[rows] for all pairs of entries.

    `derivative` is of the nodes from `first` on with all nodes; an entry of the one node has
    weight w and component a, one of the other v and b.
    """
    m, c = len(start) - 1, len(place)
    along = np.empty((c, m))
    for i in range(len(derivative)):
        first_entry, last = start[first + i], start[first + i + 1]
        for e in range(first_entry, last):
            here, seen = row[e], False
            for f in range(first_entry, e):
                seen = seen or row[f] == here
            if seen:
                continue
            # The node's part of this row with each component at all nodes, before the others'.
            along[:] = 0.0
            for f in range(e, last):
                if row[f] == here:
                    for b in range(c):
                        w, values, sums = (
                            weight[f] * signs[b],
                            derivative[i, place[component[f], b]],
                            along[b],
                        )
                        for j in range(m):
                            sums[j] += w * values[j]
            total = out[here]
            for j in range(m):
                for f in range(start[j], start[j + 1]):
                    total[row[f]] += weight[f] * along[component[f], j]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def subtract_grams(A: FloatArray, out: FloatArray) -> None:
    """out[i] -= A[i] A[i]' for a batch (g, k, n) of matrices with few rows."""
    g, k, n = A.shape
    for i in range(g):
        for a in range(k):
            for b in range(a + 1):
                x, y, total = A[i, a], A[i, b], 0.0
                for j in range(n):
                    total += x[j] * y[j]
                out[i, a, b] -= total
                if a != b:
                    out[i, b, a] -= total


@njit(nogil=True, cache=True)
def weighted_axes(
    matrix: FloatArray, a: FloatArray, inverse: FloatArray, coords: FloatArray
) -> FloatArray:
    """sum_ij (a a' - inverse)_ij matrix_ij u u', shape (2, 2), u the unit vector between sites.

    From the upper triangles, for `coords` (n, 2); sites at the same place are passed over.
    """
    xx, xy, yy = 0.0, 0.0, 0.0
    for i in range(len(a)):
        for j in range(i + 1, len(a)):
            x, y = coords[i, 0] - coords[j, 0], coords[i, 1] - coords[j, 1]
            square = x * x + y * y
            if square > 0.0:
                weight = 2.0 * matrix[i, j] * (a[i] * a[j] - inverse[i, j]) / square
                xx += weight * x * x
                xy += weight * x * y
                yy += weight * y * y
    return np.array([[xx, xy], [xy, yy]])


@njit(nogil=True, cache=True)
def weighted_trace(matrix: FloatArray, a: FloatArray, inverse: FloatArray) -> float:
    """tr[(a a' - inverse) matrix] from the upper triangles, `matrix` with zero diagonal."""
    total = 0.0
    for i in range(len(a)):
        for j in range(i + 1, len(a)):
            total += matrix[i, j] * (a[i] * a[j] - inverse[i, j])
    return 2.0 * total
