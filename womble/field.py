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
from womble.transect import Transect


class Field(ABC):
    """A function of location on a grid's or transect's whole box, and exact jets of it anywhere.

    The grid finds lines and profiles; what is reported is evaluated exactly at the points found.

    Attributes
    ----------
    grid : Grid or Transect
    order : {0, 1, 2}
        Of the jets on the grid.
    """

    grid: Grid | Transect
    order: int

    @abstractmethod
    def exact(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at `points` (m, d), shape (m, c)."""

    @cached_property
    def jets(self) -> FloatArray:
        """Jets at every cell centre, shape (ny, nx, c); (nx, c) on a line."""
        return self.exact(self.grid.every_point, self.order).reshape(*self.grid.shape, -1)

    def interpolated(self, cells: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Cubic spline through values at all cells, as a function of points (m, d)."""
        coefficients = spline_filter(cells)

        def at(points: FloatArray) -> FloatArray:
            positions = self.grid.cell_positions(points)
            return map_coordinates(coefficients, positions, prefilter=False, mode="nearest")

        return at

    def contours(self, cells: FloatArray, level: float) -> list[FloatArray]:
        """Contour lines (m, 2) of values at cells (ny, nx) in the plane, cut at the mask."""
        return level_lines(self.grid.x, self.grid.y, cells, level, self.grid.inside)

    @property
    def step(self) -> float:
        """Half a cell: the distance between the points looked at along a profile."""
        return 0.5 * float(self.grid.steps.min())

    @property
    def steps(self) -> int:
        """Steps that span the whole box."""
        sides = (np.array(self.grid.shape[::-1]) - 1) * self.grid.steps
        return int(np.ceil(np.linalg.norm(sides) / self.step))


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
