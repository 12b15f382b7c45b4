"""The posterior mean surface: on a grid to search it, exact wherever it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import contourpy
import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from womble.arrays import FloatArray
from womble.engines.ensemble import Ensemble
from womble.grid import Grid


@dataclass(frozen=True, eq=False)
class MeanField:
    """The posterior mean on a grid's whole box, and exact jets of it anywhere.

    The grid finds lines and profiles; what is reported is evaluated exactly at the points found.
    """

    ensemble: Ensemble
    grid: Grid
    order: int
    progress: bool

    @cached_property
    def jets(self) -> FloatArray:
        """Mean jets at every cell centre, shape (ny, nx, c)."""
        x, y = np.meshgrid(self.grid.x, self.grid.y)
        points = np.column_stack([x.ravel(), y.ravel()])
        return self.exact(points, self.order).reshape(*x.shape, -1)

    def exact(self, points: FloatArray, order: int) -> FloatArray:
        """Mean jets at `points` (m, 2), shape (m, c)."""
        return self.ensemble.mean(points, order, "mean field", self.progress)

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
        masked = np.ma.masked_where(~self.grid.inside, cells)
        lines = contourpy.contour_generator(self.grid.x, self.grid.y, masked).lines(level)
        return [line for line in lines if len(line) > 1]

    @property
    def step(self) -> float:
        """Half a cell: the distance between the points looked at along a profile."""
        return 0.5 * min(self.grid.spacing)

    @property
    def steps(self) -> int:
        """Steps that span the whole box."""
        width, height = np.ptp(self.grid.x), np.ptp(self.grid.y)
        return int(np.ceil(np.hypot(width, height) / self.step))
