"""Positions on a line: numbers, or dates as days since the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from womble.arrays import FloatArray, float_array

# Dimensions that a surface has besides the position.
RESERVED = ("statistic", "draw", "bound")
# Of a day: dates come back to the millisecond. A double holds a century of days to 1e-6 s, so that
# an hour comes back as an hour.
MILLISECONDS = 86_400e3


@dataclass(frozen=True)
class Axis:
    """What the position of data on a line is called, and the date that is 0 where it has dates.

    Attributes
    ----------
    name : str
    origin : numpy.datetime64 or None
        The earliest date; None where positions are numbers.
    """

    name: str = "x"
    origin: np.datetime64 | None = None

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise ValueError(
                f"positions must not be called {self.name!r}, which is a dimension of every "
                "surface. Rename the index or the coordinate."
            )

    @classmethod
    def of(cls, positions: Any, name: str | None) -> tuple[Axis, FloatArray]:
        """The axis of the positions of data, and the positions in its numbers, shape (n,).

        Raises
        ------
        TypeError
            Positions that are neither numbers nor dates without time zone.
        ValueError
            A name that surfaces need for themselves.
        """
        dates = _dates(positions)
        if dates is None:
            return cls(name or "x"), float_array(positions, name or "coords")
        known = dates[~np.isnat(dates)]
        axis = cls(name or "time", known.min() if known.size else None)
        return axis, axis.numbers(dates)

    @property
    def units(self) -> str | None:
        """Units of positions where they are days; None where the axis does not know."""
        return None if self.origin is None else "days"

    def numbers(self, positions: Any) -> FloatArray:
        """Positions as numbers, of the same shape: days since the origin, NaN for missing dates.

        Along dates, numbers are taken for days and text for dates ("2020-02-01").

        Raises
        ------
        TypeError
            Dates where the data have numbers, or nothing that is either.
        """
        if self.origin is not None and np.asarray(positions).dtype.kind == "U":
            positions = np.asarray(positions, dtype="datetime64[ns]")
        dates = _dates(positions)
        if dates is None:
            return float_array(positions, self.name)
        if self.origin is None:
            if np.isnat(dates).all():
                return np.full(dates.shape, np.nan)
            raise TypeError(
                f"positions along {self.name!r} must be numbers, as those of the data are; got "
                "dates. Fit the data with dates to ask for dates."
            )
        return (dates - self.origin) / np.timedelta64(1, "D")

    def positions(self, numbers: FloatArray) -> FloatArray | npt.NDArray[np.datetime64]:
        """Numbers as positions of the data's kind: dates to the millisecond, or themselves."""
        if self.origin is None:
            return numbers
        past = np.round(np.asarray(numbers) * MILLISECONDS).astype("timedelta64[ms]")
        return (self.origin + past).astype("datetime64[ns]")


def _dates(positions: Any) -> npt.NDArray[np.datetime64] | None:
    """Dates in nanoseconds, or None if the positions are no dates.

    Raises
    ------
    TypeError
        Time zones, periods or durations.
    """
    import pandas as pd

    if hasattr(positions, "data_vars"):
        raise TypeError("positions must be an array; got a Dataset. Take one variable of it.")
    dtype = getattr(positions, "dtype", None)
    _require(not isinstance(dtype, pd.PeriodDtype), "as periods", "to_timestamp()")
    _require(getattr(dtype, "kind", "") != "m", "as durations", "/ np.timedelta64(1, 'D')")
    _require(not isinstance(dtype, pd.DatetimeTZDtype), *_ZONED)
    array = np.asarray(positions)
    if array.dtype.kind != "M" and not _all_dates(array):
        return None
    # pandas refuses dates that nanoseconds cannot hold, where NumPy would wrap around.
    flat = pd.DatetimeIndex(array.ravel()).as_unit("ns")
    _require(flat.tz is None, *_ZONED)
    return flat.to_numpy().reshape(array.shape)


_ZONED = ("with a time zone", "tz_convert(None)")


def _require(holds: bool, what: str, remedy: str) -> None:
    if not holds:
        raise TypeError(
            f"positions must be numbers or dates without time zone; got them {what}. Convert "
            f"them first: {remedy}."
        )


def _all_dates(array: npt.NDArray[Any]) -> bool:
    """Whether an array of objects holds dates (datetime.date and its kin)."""
    from datetime import date

    return array.dtype == object and array.size > 0 and isinstance(array.ravel()[0], date)
