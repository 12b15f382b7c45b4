"""Tables of points in parts: what every source of them offers, and tables in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np

from womble.arrays import FloatArray
from womble.readers import point_coordinates

if TYPE_CHECKING:
    import pandas as pd
    import pyproj

Result = TypeVar("Result")


class Chunk(NamedTuple):
    """Some rows of a table.

    Attributes
    ----------
    coords : array, shape (n, 2)
        NaN where there is no location.
    table : DataFrame
        The columns that were asked for.
    """

    coords: FloatArray
    table: pd.DataFrame


# From the number of a part and its chunks, in order, to what is wanted of it.
PartFunction = Callable[[int, Iterator[Chunk]], Result]


class Source(Protocol):
    """A table of points in parts."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        ...

    @property
    def crs(self) -> pyproj.CRS | None:
        """What the source says of its CRS."""
        ...

    @property
    def located_by(self) -> tuple[str, ...]:
        """Columns that hold the locations: geometry, or the two coordinates."""
        ...

    def fold(
        self,
        function: PartFunction[Result],
        merge: Callable[[Result, Result], Result],
        columns: Sequence[str],
        label: str = "",
    ) -> Result:
        """The results of all parts, merged with their neighbours.

        Both functions are sent to other processes where the source is spread over them. With a
        label a bar shows how far it is, where the source is read here.
        """
        ...


@dataclass(frozen=True)
class Locate:
    """From a partition to its chunk."""

    x: str
    y: str
    columns: tuple[str, ...]

    def __call__(self, frame: pd.DataFrame) -> Chunk:
        if has_geometry(frame):
            coords = point_coordinates(frame, "data")
        else:
            coords = np.column_stack([numbers(frame[name], name) for name in (self.x, self.y)])
        return Chunk(coords, frame[list(self.columns)].reset_index(drop=True))


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A GeoDataFrame or a DataFrame in memory: one part.

    Parameters
    ----------
    frame : GeoDataFrame or DataFrame
    x, y : str
        Columns of coordinates, for frames without geometry.
    """

    frame: pd.DataFrame
    x: str
    y: str

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return tuple(map(str, self.frame.columns))

    @property
    def crs(self) -> pyproj.CRS | None:
        """See `Source.crs`."""
        return self.frame.crs if has_geometry(self.frame) else None

    @property
    def located_by(self) -> tuple[str, ...]:
        """See `Source.located_by`."""
        frame = self.frame
        return (frame.active_geometry_name,) if has_geometry(frame) else (self.x, self.y)

    def fold(
        self,
        function: PartFunction[Result],
        merge: Callable[[Result, Result], Result],
        columns: Sequence[str],
        label: str = "",
    ) -> Result:
        """See `Source.fold`."""
        return function(0, iter([Locate(self.x, self.y, tuple(columns))(self.frame)]))


def has_geometry(frame: Any) -> bool:
    """Whether a frame of pandas has a column of geometry that is its own."""
    return getattr(frame, "active_geometry_name", None) is not None


def numbers(column: pd.Series, name: str) -> FloatArray:
    """A column as floats, NaN where missing.

    Raises
    ------
    TypeError
        If it is not numeric.
    """
    from pandas.api.types import is_numeric_dtype

    if not is_numeric_dtype(column) or column.dtype.kind == "c":
        raise TypeError(
            f"column {name!r} must be numeric; got dtype {column.dtype}. Convert it first, or take "
            "a numeric column."
        )
    return column.to_numpy(dtype=float, na_value=np.nan)
