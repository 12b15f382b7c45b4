"""Evenly spaced positions along a line or in time, and which lie where the data can speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.axis import Axis
from womble.cells import MAXIMUM_CELLS, Cells
from womble.mask import data_distance, near_data

# Steps from the first to the last position: a curve that reads as smooth.
DEFAULT_STEPS = 200


@dataclass(frozen=True, eq=False)
class Transect(Cells):
    """Positions along a line. Made by `Grid.from_data` of data in one dimension.

    Attributes
    ----------
    x : array, shape (nx,)
        Ascending, evenly spaced; of dates, days since the first of the data.
    inside : bool array, shape (nx,)
        Positions to evaluate.
    axis : Axis
        What positions are called, and the date that is 0.
    coordinate_units : str or None

    Raises
    ------
    ValueError
        Fewer than two positions, uneven spacing, or `inside` of another shape.
    """

    x: FloatArray
    inside: BoolArray
    axis: Axis = field(default_factory=Axis)
    coordinate_units: str | None = None
    crs: ClassVar[None] = None

    def __post_init__(self) -> None:
        self._check()

    @classmethod
    def of(
        cls,
        coords: FloatArray,
        axis: Axis,
        units: str | None,
        *,
        spacing: float | None,
        mask: Any,
        bounds: Any,
    ) -> Transect:
        """Positions over data at `coords` (n, 1); the other arguments as in `Grid.from_data`.

        Raises
        ------
        ValueError
            Bad spacing, bounds or mask; more than 1e8 positions; no position inside.
        """
        if not (mask is None or (isinstance(mask, str) and mask in ("hull", "distance"))):
            raise ValueError(
                f"on a line `mask` must be None, 'distance' or 'hull'; got {mask!r}. Use `bounds` "
                "to choose the part of the line."
            )
        low, high = _ends(coords, axis, bounds)
        x = _positions(low, high, spacing)
        inside = np.ones(len(x), dtype=bool)
        if mask == "hull":
            slack = 1e-9 * (x[1] - x[0])  # of rounding in the positions
            inside = (x >= coords.min() - slack) & (x <= coords.max() + slack)
        elif mask == "distance":
            inside = near_data(coords, data_distance(coords))(x[:, None])
        if not inside.any():
            raise ValueError(
                f"the mask must keep at least one position; none of {len(x)} is inside "
                f"({low:g} to {high:g}). Take a smaller `spacing` or other `bounds`."
            )
        return cls(x, inside, axis, units)

    @property
    def axes(self) -> dict[str, FloatArray]:
        """See `Cells.axes`."""
        return {self.axis.name: self.x}

    @property
    def labels(self) -> dict[str, Any]:
        """See `Cells.labels`; dates where the data had them."""
        return {self.axis.name: self.axis.positions(self.x)}

    @property
    def spacing(self) -> float:
        """Distance between positions, in coordinate units."""
        return float(self.steps[0])

    def describe_axes(self) -> dict[str, dict[str, str]]:
        """See `Cells.describe_axes`; dates have no units, as files encode them."""
        name = self.axis.name
        if self.axis.origin is not None:
            return {name: {"axis": "T", "standard_name": "time", "long_name": name}}
        units = {"units": self.coordinate_units} if self.coordinate_units else {}
        return {name: {"axis": "X", "long_name": name} | units}


def _ends(coords: FloatArray, axis: Axis, bounds: Any) -> tuple[float, float]:
    """First and last position, of `bounds` or of the data."""
    if bounds is None:
        return float(coords.min()), float(coords.max())
    ends = np.array([axis.numbers(end) for end in bounds])
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise ValueError(
            "on a line `bounds` must be two finite positions (first, last), first < last; got "
            f"{bounds!r}."
        )
    return float(ends[0]), float(ends[1])


def _positions(low: float, high: float, spacing: float | None) -> FloatArray:
    """From the first position on, as far as the last; steps of `spacing`, 200 by default."""
    step = (high - low) / DEFAULT_STEPS if spacing is None else float(spacing)
    if not (np.isfinite(step) and 0 < step <= high - low):
        raise ValueError(
            f"`spacing` must be a positive number, at most the length {high - low:g}; got "
            f"{spacing!r}. The default is {(high - low) / DEFAULT_STEPS:g}."
        )
    count = (high - low) / step
    if count > MAXIMUM_CELLS:
        raise ValueError(
            f"`spacing` must give at most {MAXIMUM_CELLS:.0e} positions; {spacing!r} gives "
            f"{count:.1e}. The default is {(high - low) / DEFAULT_STEPS:.2g}, in the unit of the "
            "positions (days, where they are dates)."
        )
    # Rounding in the quotient must not lose the last position.
    return low + step * np.arange(np.floor(count + 1e-9) + 1)
