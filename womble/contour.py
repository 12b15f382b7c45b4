"""Lines of zero on a grid: of a number, and of a number whose sign is known up to an axis."""

from __future__ import annotations

import contourpy
import numpy as np
import shapely

from womble.arrays import BoolArray, FloatArray

# Cosine of 30 degrees: a component of a vector of length g along axes that turn by an angle t from
# cell to cell errs by g t^2 / 8 on a straight line between them, 3% of g.
RESOLVED = np.sqrt(0.75)


def level_lines(
    x: FloatArray, y: FloatArray, cells: FloatArray, level: float, inside: BoolArray
) -> list[FloatArray]:
    """Contour lines (m, 2) of values at cells (ny, nx), cut where a cell is not `inside`."""
    masked = np.ma.masked_where(~inside, cells)
    lines = contourpy.contour_generator(x, y, masked).lines(level)
    return [line for line in lines if len(line) > 1]


def axis_lines(
    x: FloatArray, y: FloatArray, vectors: FloatArray, axes: FloatArray, inside: BoolArray
) -> list[FloatArray]:
    """Lines where a vector field has no component along a field of axes.

    The component changes sign with the axis, which has no direction of its own: neighbours are
    compared after turning their axes the same way, unless these differ by more than 30 degrees,
    which the grid does not resolve. A square of four cells is passed straight where two of its
    sides are; where the axis makes half a turn around the square (an odd number of sides), or two
    lines meet in it (four), nothing is drawn.

    Parameters
    ----------
    x, y : array, shape (nx,) and (ny,)
        Cell centres.
    vectors, axes : array, shape (ny, nx, 2)
        Axes are unit vectors of either sign.
    inside : bool array, shape (ny, nx)
        Squares with a corner elsewhere are left out.

    Returns
    -------
    list of array, shape (m, 2)
        Points where the component is 0 along the sides, by linear interpolation, in order.
    """
    cells = np.stack(np.meshgrid(x, y), axis=-1)
    flat = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    steep = (slice(None, -1), slice(None)), (slice(1, None), slice(None))
    along_x, crossed_x = _sides(cells, vectors, axes, *flat)
    along_y, crossed_y = _sides(cells, vectors, axes, *steep)
    points = np.stack([along_x[:-1], along_x[1:], along_y[:, :-1], along_y[:, 1:]], axis=2)
    crossed = np.stack([crossed_x[:-1], crossed_x[1:], crossed_y[:, :-1], crossed_y[:, 1:]], axis=2)
    whole = inside[:-1, :-1] & inside[:-1, 1:] & inside[1:, :-1] & inside[1:, 1:]
    passed = whole & (crossed.sum(axis=2) == 2)
    ends = points[passed][crossed[passed]].reshape(-1, 2, 2)
    # Neighbouring squares share the very point on their common side: the pieces join exactly.
    merged = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(ends)))
    return [shapely.get_coordinates(part) for part in shapely.get_parts(merged)]


def _sides(
    cells: FloatArray, vectors: FloatArray, axes: FloatArray, first: tuple, second: tuple
) -> tuple[FloatArray, BoolArray]:
    """Where the component is 0 between neighbouring cells, and whether it changes sign there."""
    a = np.sum(vectors[first] * axes[first], axis=-1)
    b = np.sum(vectors[second] * axes[second], axis=-1)
    cosine = np.sum(axes[first] * axes[second], axis=-1)
    b = np.where(cosine < 0, -b, b)
    crossed = ((a < 0) != (b < 0)) & (np.abs(cosine) > RESOLVED)
    share = np.divide(a, a - b, out=np.zeros_like(a), where=crossed)[..., None]
    return cells[first] + share * (cells[second] - cells[first]), crossed
