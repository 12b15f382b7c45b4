"""A field to be searched: on a grid to find lines, exact wherever it is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from womble.arrays import FloatArray
from womble.contour import level_lines
from womble.grid import Grid


class Field(ABC):
    """A function of location on a grid's whole box, and exact jets of it anywhere.

    The grid finds lines and profiles; what is reported is evaluated exactly at the points found.

    Attributes
    ----------
    grid : Grid
    order : {0, 1, 2}
        Of the jets on the grid.
    """

    grid: Grid
    order: int

    @abstractmethod
    def exact(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at `points` (m, 2), shape (m, c)."""

    @cached_property
    def jets(self) -> FloatArray:
        """Jets at every cell centre, shape (ny, nx, c)."""
        x, y = np.meshgrid(self.grid.x, self.grid.y)
        points = np.column_stack([x.ravel(), y.ravel()])
        return self.exact(points, self.order).reshape(*x.shape, -1)

    def interpolated(self, cells: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Cubic spline through values at all cells (ny, nx), as a function of points (m, 2)."""
        coefficients = spline_filter(cells)
        x, y = self.grid.x, self.grid.y

        def at(points: FloatArray) -> FloatArray:
            columns = (points[:, 0] - x[0]) / (x[1] - x[0])
            rows = (points[:, 1] - y[0]) / (y[1] - y[0])
            return map_coordinates(coefficients, [rows, columns], prefilter=False, mode="nearest")

        return at

    def contours(self, cells: FloatArray, level: float) -> list[FloatArray]:
        """Contour lines (m, 2) of values at cells (ny, nx), cut at the mask."""
        return level_lines(self.grid.x, self.grid.y, cells, level, self.grid.inside)

    @property
    def step(self) -> float:
        """Half a cell: the distance between the points looked at along a profile."""
        return 0.5 * min(self.grid.spacing)

    @property
    def steps(self) -> int:
        """Steps that span the whole box."""
        width, height = np.ptp(self.grid.x), np.ptp(self.grid.y)
        return int(np.ceil(np.hypot(width, height) / self.step))


@dataclass(frozen=True, eq=False)
class FunctionField(Field):
    """A field that is a function: a path, or a surface that is known.

    Parameters
    ----------
    function : function of points (m, 2) and order
        Jets, shape (m, c).
    grid : Grid
    order : {0, 1, 2}
    """

    function: Callable[[FloatArray, int], FloatArray]
    grid: Grid
    order: int

    def exact(self, points: FloatArray, order: int) -> FloatArray:
        """See `Field.exact`."""
        return self.function(points, order)
