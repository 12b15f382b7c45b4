"""Dask frames of points, whose partitions are the parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from womble.point_sources import Locate, PartFunction, Result, has_geometry

if TYPE_CHECKING:
    import pandas as pd
    import pyproj


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
        locate = Locate(self.x, self.y, tuple(columns))
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


def _of_partition(
    function: PartFunction[Result], locate: Locate, part: int, frame: pd.DataFrame
) -> Result:
    return function(part, iter([locate(frame)]))


def _call(merge: Callable[[Result, Result], Result], first: Result, second: Result) -> Result:
    return merge(first, second)
