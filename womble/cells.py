"""What a grid in the plane and a transect share: evenly spaced axes, and which cells are inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.readers import query_points

if TYPE_CHECKING:
    import pyproj

# Six quantities of 1e8 cells already fill 5 GB: a larger grid is a slip in the spacing's unit.
MAXIMUM_CELLS = 1e8
# Share of a cell by which a centre may be off: northings stored as float32 are rounded to 0.25 m,
# within 1% of a 30 m cell; no map shows that.
EVENNESS = 1e-2


class Cells(ABC):
    """Evenly spaced cells in d dimensions, of which some are inside.

    Attributes
    ----------
    inside : bool array
        Cells to evaluate, one axis a dimension.
    crs : pyproj.CRS or None
    coordinate_units : str or None
    """

    inside: BoolArray
    crs: pyproj.CRS | None
    coordinate_units: str | None

    @property
    @abstractmethod
    def axes(self) -> dict[str, FloatArray]:
        """Cell centres by dimension, in the order of the axes of `inside`: (y, x) in the plane."""

    @property
    @abstractmethod
    def labels(self) -> dict[str, Any]:
        """Coordinates of a Dataset on these cells, by dimension."""

    @abstractmethod
    def describe_axes(self) -> dict[str, dict[str, str]]:
        """CF attributes of the coordinates, by dimension."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions, in the order of the axes of `inside`."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each dimension: (ny, nx) in the plane."""
        return tuple(len(centres) for centres in self.axes.values())

    @property
    def points(self) -> FloatArray:
        """Centres of the inside cells, shape (p, d), x first, row-major in (y, x)."""
        return self._at(np.nonzero(self.inside))

    @property
    def every_point(self) -> FloatArray:
        """Centres of all cells, inside or not, shape (ny * nx, d)."""
        return self._at(np.nonzero(np.ones(self.shape, dtype=bool)))

    @property
    def steps(self) -> FloatArray:
        """Cell sides by coordinate (x first), positive, shape (d,)."""
        return np.array([abs(step_of(centres)) for centres in self._by_coordinate])

    @property
    def box(self) -> FloatArray:
        """Corners of a box one cell wider on all sides than the centres, shape (2, d)."""
        low = [centres.min() for centres in self._by_coordinate] - self.steps
        high = [centres.max() for centres in self._by_coordinate] + self.steps
        return np.stack([low, high])

    def cell_positions(self, points: FloatArray) -> FloatArray:
        """Fractional indices of `points` (m, d) along the axes of `inside`, shape (d, m)."""
        columns = zip(self._by_coordinate, points.T, strict=True)
        return np.stack([(at - centres[0]) / step_of(centres) for centres, at in columns])[::-1]

    def contains(self, points: Any) -> BoolArray:
        """Whether each of `points`, shape (m, d), falls in a cell that is inside; shape (m,)."""
        position = self.cell_positions(query_points(points, len(self.shape)))
        last = np.array(self.shape)[:, None] - 1
        index = np.clip(np.rint(position), 0, last).astype(np.intp)
        # The slack is rounding: a location on the box's edge belongs to the outermost cell.
        within = (np.abs(position - index) <= 0.5 + 1e-6).all(axis=0)
        return within & self.inside[tuple(index)]

    def fill(self, values: FloatArray) -> FloatArray:
        """Values at `points`, shape (..., p), laid out on the cells, (..., ny, nx); NaN elsewhere.

        Raises
        ------
        ValueError
            The last axis is not as long as `points`.
        """
        values = np.asarray(values)
        inside = int(self.inside.sum())
        if values.ndim == 0 or values.shape[-1] != inside:
            raise ValueError(
                f"`values` must have shape (..., {inside}), one per inside cell on the last axis; "
                f"got {values.shape}. Evaluate at grid.points."
            )
        filled = np.full((*values.shape[:-1], *self.shape), np.nan)
        filled[..., self.inside] = values
        return filled

    @property
    def _by_coordinate(self) -> list[FloatArray]:
        return list(self.axes.values())[::-1]

    def _at(self, index: tuple[np.ndarray, ...]) -> FloatArray:
        """Centres of the cells of these indices, one array an axis of `inside`."""
        parts = zip(self._by_coordinate, index[::-1], strict=True)
        return np.column_stack([centres[i] for centres, i in parts])

    def _check(self) -> None:
        for name, centres in self.axes.items():
            require_even(name, centres)
        if self.inside.shape != self.shape:
            stated = "(ny, nx)" if len(self.shape) == 2 else "(nx,)"
            raise ValueError(
                f"`inside` must have shape {stated} = {self.shape}; got {self.inside.shape}. "
                "Rows are y."
            )


def step_of(centres: FloatArray) -> float:
    """Signed distance between neighbouring centres."""
    return float(centres[-1] - centres[0]) / (len(centres) - 1)


def require_even(name: str, centres: FloatArray) -> None:
    """Refuse an axis that is not evenly spaced, or too short.

    Raises
    ------
    ValueError
        Fewer than two centres, or uneven spacing.
    """
    if centres.ndim != 1 or len(centres) < 2:
        raise ValueError(
            f"`{name}` must be a 1-D array of at least 2 cell centres; got shape {centres.shape}. "
            "Extend the grid, or the raster given as `like`."
        )
    even = np.linspace(centres[0], centres[-1], len(centres))
    step = abs(step_of(centres))
    if not (step > 0 and np.abs(centres - even).max() <= EVENNESS * step):
        steps = np.abs(np.diff(centres))
        raise ValueError(
            f"`{name}` must be evenly spaced; got steps from {steps.min():g} to {steps.max():g}. "
            f"Resample the raster first: raster.interp({name}=np.linspace(...))."
        )
