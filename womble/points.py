"""Points that stay where they are: files and dask frames, read in parts when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from womble.arguments import checked
from womble.dask_source import DaskSource
from womble.file_formats import parse_crs
from womble.parquet_source import ParquetSource
from womble.point_sources import FrameSource, Source
from womble.readers import coordinate_units as units_of
from womble.readers import require_planar

if TYPE_CHECKING:
    import pyproj

# As many as boundaries take by default.
PATHS = 200


@dataclass(frozen=True, eq=False)
class Points:
    """Data for `FieldModel.fit` and `condition` that are larger than memory.

    Attributes
    ----------
    source : Source
    crs : pyproj.CRS or None
        None means planar.
    coordinate_units : str or None
    paths : int
        How many paths of the field can be drawn together.
    """

    source: Source
    crs: pyproj.CRS | None
    coordinate_units: str | None
    paths: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return self.source.columns

    def __repr__(self) -> str:
        crs = "no CRS" if self.crs is None else self.crs.name
        return f"Points({', '.join(self.columns)}; {crs}; up to {self.paths} paths)"


@checked
def open_points(
    source: Any,
    *,
    x: str = "x",
    y: str = "y",
    crs: Any = None,
    coordinate_units: str | None = None,
    paths: int = PATHS,
) -> Points:
    """Point data that are read in parts, never all at once.

    A fit reads them twice: once for their extent, the checks and a random sample of 250,000 rows,
    for priors and the width of the band of frequencies; and once for the sums that the spectral
    engine is made of. Whatever is asked later needs the data no more.

    Parameters
    ----------
    source : path, dask DataFrame or DataFrame
        A Parquet file or a folder of them; a GeoParquet data set of points, whose geometry is then
        taken instead of `x` and `y`; a dask DataFrame, or one whose partitions are GeoDataFrames
        (dask-geopandas). Also a table in memory, plain or with geometry: a posterior of it can
        then be updated.
    x, y : str
        Columns of coordinates.
    crs : anything that pyproj reads, optional
        Of the coordinates, where the source does not say.
    coordinate_units : str, optional
        Such as "m", where there is no CRS.
    paths : int
        How many paths can be drawn together afterwards: the noise of each in the data is summed in
        the same pass. 100 more take about 3 s of one core for a million rows.

    Returns
    -------
    Points
        Takes the place of `data` in `FieldModel.fit`, `FieldModel.condition` and
        `Posterior.update`.

    Raises
    ------
    TypeError
        If the source is neither.
    ValueError
        If it has no columns `x` and `y` and no geometry, states another CRS or one that is not
        planar, or `paths` is not positive.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import womble as wb
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame(rng.uniform(size=(500, 3)), columns=["x", "y", "level"])
    >>> points = wb.open_points(table, coordinate_units="km", paths=20)
    >>> points
    Points(x, y, level; no CRS; up to 20 paths)
    >>> post = wb.FieldModel().condition(
    ...     points, "level", lengthscale=0.5, amplitude=0.3, noise_sd=0.3, engine="spectral"
    ... )
    >>> post.update(table).data.count
    1000
    """
    if paths < 2:
        raise ValueError(f"`paths` must be at least 2; got {paths}.")
    opened = _opened(source, x, y)
    if not set(opened.located_by) <= set(opened.columns):
        raise ValueError(
            f"`source` must have columns {x!r} and {y!r} or GeoParquet geometry; its columns are "
            f"{', '.join(opened.columns)}. Name the coordinates with x=..., y=...."
        )
    crs = _crs(crs, opened.crs)
    require_planar(crs, "data")
    units = units_of(crs, {"coordinate_units": coordinate_units})
    return Points(opened, crs, units, paths)


def _opened(source: Any, x: str, y: str) -> Source:
    import pandas as pd

    if is_dask_frame(source):
        return DaskSource(source, x, y)
    if isinstance(source, str | PathLike):
        return ParquetSource(str(source), x, y)
    if isinstance(source, pd.DataFrame):
        return FrameSource(source, x, y)
    raise TypeError(
        "`source` must be the path of a Parquet data set, a dask DataFrame or a table in memory; "
        f"got {type(source).__name__}."
    )


def _crs(given: Any, stated: pyproj.CRS | None) -> pyproj.CRS | None:
    """The CRS that is known from either side."""
    if given is None:
        return stated
    given = parse_crs(given)
    if stated is not None and not given.equals(stated, ignore_axis_order=True):
        raise ValueError(
            f"`crs` must be that of the data, {stated.name!r}; got {given.name!r}. Leave it out, "
            "or reproject the data."
        )
    return given


def is_dask_frame(data: Any) -> bool:
    """Whether `data` is a dask DataFrame, without importing dask."""
    module = type(data).__module__.split(".")[0]
    ours = module in ("dask", "dask_expr", "dask_geopandas")
    return ours and hasattr(data, "to_delayed") and hasattr(data, "columns")


def as_points(data: Any) -> Points | None:
    """Points, or a dask DataFrame as such; None of anything else."""
    if isinstance(data, Points):
        return data
    return open_points(data) if is_dask_frame(data) else None
