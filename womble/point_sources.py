"""Tables of points that are read in parts: Parquet files and dask frames."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.readers import point_coordinates, points_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyproj

Result = TypeVar("Result")

WORKERS = os.cpu_count() or 1
# Rows that are read at a time.
CHUNK = 262_144
# Rows of a part, where row groups are smaller: results of parts are as large as the band.
PART = 4 * CHUNK


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


@dataclass(frozen=True, eq=False)
class ParquetSource:
    """A Parquet file or a folder of them.

    Parameters
    ----------
    path : str
        A path, or an address that pyarrow knows.
    x, y : str
        Columns of coordinates, for tables without geometry.
    """

    path: str
    x: str
    y: str

    @cached_property
    def _dataset(self) -> Any:
        import pyarrow.dataset

        return pyarrow.dataset.dataset(self.path, format="parquet")

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return tuple(self._dataset.schema.names)

    @cached_property
    def _geometry(self) -> dict[str, Any] | None:
        """Name, encoding and CRS of the GeoParquet geometry, where there is one."""
        metadata = self._dataset.schema.metadata or {}
        if b"geo" not in metadata:
            return None
        about = json.loads(metadata[b"geo"])
        name = about["primary_column"]
        return {"name": name, **about["columns"][name]}

    @property
    def crs(self) -> pyproj.CRS | None:
        """See `Source.crs`; without one GeoParquet means longitudes and latitudes."""
        import pyproj

        if self._geometry is None:
            return None
        stated = self._geometry.get("crs", "OGC:CRS84")
        return None if stated is None else pyproj.CRS.from_user_input(stated)

    @property
    def located_by(self) -> tuple[str, ...]:
        """See `Source.located_by`."""
        return (self.x, self.y) if self._geometry is None else (self._geometry["name"],)

    @cached_property
    def parts(self) -> list[tuple[str, list[int]]]:
        """Files with row groups of theirs that are read together."""
        found: list[tuple[str, list[int]]] = []
        for fragment in self._dataset.get_fragments():
            rows = PART
            for group in fragment.row_groups:
                if group.num_rows == 0:
                    continue
                if rows >= PART:
                    found.append((fragment.path, []))
                    rows = 0
                found[-1][1].append(group.id)
                rows += group.num_rows
        return found

    def fold(
        self,
        function: PartFunction[Result],
        merge: Callable[[Result, Result], Result],
        columns: Sequence[str],
        label: str = "",
    ) -> Result:
        """See `Source.fold`: in threads, a few parts at a time."""
        if not self.parts:
            raise ValueError(f"{self.path!r} holds no rows. Give a data set with points.")
        numbers = range(len(self.parts))
        results = in_turn(lambda i: function(i, self._chunks(i, columns)), numbers)
        bar = {"total": len(numbers), "disable": not label, "transient": True}
        return reduce(merge, track(results, description=label, **bar))

    def _chunks(self, part: int, columns: Sequence[str]) -> Iterator[Chunk]:
        from pyarrow.parquet import ParquetFile

        path, groups = self.parts[part]
        names = list(dict.fromkeys([*self.located_by, *columns]))
        with (
            self._dataset.filesystem.open_input_file(path) as opened,
            ParquetFile(opened) as file,
        ):
            # Threads are over parts.
            for batch in file.iter_batches(CHUNK, groups, names, use_threads=False):
                yield Chunk(self._coords(batch), batch.select(list(columns)).to_pandas())

    def _coords(self, batch: pa.RecordBatch) -> FloatArray:
        if self._geometry is None:
            names = (self.x, self.y)
            return np.column_stack([numbers(batch[name].to_pandas(), name) for name in names])
        column = batch[self._geometry["name"]]
        if self._geometry["encoding"] == "point":  # GeoArrow: numbers side by side
            located = column.is_valid().to_numpy(zero_copy_only=False)
            pair = [column.field(name).to_numpy(zero_copy_only=False) for name in ("x", "y")]
            return np.where(located[:, None], np.column_stack(pair), np.nan)
        import shapely

        return points_of(shapely.from_wkb(column.to_numpy(zero_copy_only=False)), "data")


@dataclass(frozen=True, eq=False)
class DaskSource:
    """A dask DataFrame, with point geometry or columns of coordinates.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    x, y : str
        Columns of coordinates, for frames without geometry.
    """

    frame: Any
    x: str
    y: str

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return tuple(map(str, self.frame.columns))

    @property
    def _meta(self) -> pd.DataFrame:
        """An empty partition."""
        return self.frame._meta

    @property
    def crs(self) -> pyproj.CRS | None:
        """See `Source.crs`."""
        return self._meta.crs if has_geometry(self._meta) else None

    @property
    def located_by(self) -> tuple[str, ...]:
        """See `Source.located_by`."""
        meta = self._meta
        return (meta.active_geometry_name,) if has_geometry(meta) else (self.x, self.y)

    def fold(
        self,
        function: PartFunction[Result],
        merge: Callable[[Result, Result], Result],
        columns: Sequence[str],
        label: str = "",
    ) -> Result:
        """See `Source.fold`: a task a partition, on whatever scheduler dask has."""
        from dask import delayed

        names = list(dict.fromkeys([*self.located_by, *columns]))
        locate = _Locate(self.x, self.y, tuple(columns))
        of_part, merged = delayed(function), delayed(merge)
        partitions = self.frame[names].to_delayed()
        results = [
            delayed(_of_partition)(of_part, locate, i, partition)
            for i, partition in enumerate(partitions)
        ]
        while len(results) > 1:  # neighbours first: results wait for nobody far away
            pairs = zip(results[0::2], results[1::2], strict=False)
            odd = results[len(results) // 2 * 2 :]
            results = [delayed(_call)(merged, *pair) for pair in pairs] + odd
        with threadpool_limits(1, user_api="blas"):
            return results[0].compute()


@dataclass(frozen=True)
class _Locate:
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
        return function(0, iter([_Locate(self.x, self.y, tuple(columns))(self.frame)]))


def _of_partition(
    function: PartFunction[Result], locate: _Locate, part: int, frame: pd.DataFrame
) -> Result:
    return function(part, iter([locate(frame)]))


def _call(merge: Callable[[Result, Result], Result], first: Result, second: Result) -> Result:
    return merge(first, second)


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


def in_turn(function: Callable[[int], Result], items: Sequence[int]) -> Iterator[Result]:
    """`function` of each item in threads, in order; few results wait in memory."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
