"""Parquet files of points, read in parts."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.point_sources import Chunk, PartFunction, Result, numbers
from womble.readers import points_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyproj

WORKERS = os.cpu_count() or 1
# Rows that are read at a time.
CHUNK = 262_144
# Rows of a part, where row groups are smaller: results of parts are as large as the band.
PART = 4 * CHUNK


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
        import pyarrow as pa
        import pyarrow.dataset

        try:
            return pyarrow.dataset.dataset(self.path, format="parquet")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"no Parquet data set at {self.path!r}.") from error
        except pa.ArrowException as error:
            raise ValueError(
                f"{self.path!r} cannot be read as Parquet. Give a Parquet file or a folder of them."
            ) from error

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
