"""Readers of file formats: text, Parquet, vector layers and rasters."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyproj
    import xarray as xr

# Pairs of columns that name coordinates, in lower case.
PLANAR = (("x", "y"), ("easting", "northing"))
DEGREES = (("lon", "lat"), ("longitude", "latitude"), ("long", "lat"), ("lng", "lat"))


def as_path(path: Any) -> Path:
    """A path as given by a user.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is empty or holds a null character.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`path` must be a path to a file; got {type(path).__name__}.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"`path` must name a file; got {os.fspath(path)!r}.")
    return Path(path)


def made_folder(folder: Any) -> Path:
    """A folder, made if need be.

    Raises
    ------
    TypeError, ValueError
        If it is no path, or there is a file of that name.
    """
    folder = as_path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`folder` must be a folder; {str(folder)!r} is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def parse_crs(crs: Any) -> pyproj.CRS | None:
    """A CRS in any form that pyproj reads.

    Raises
    ------
    ValueError
        If pyproj does not know it.
    """
    import pyproj

    if crs is None:
        return None
    try:
        return pyproj.CRS.from_user_input(crs)
    except (pyproj.exceptions.CRSError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"`crs` must be a coordinate reference system, such as 'EPSG:28992'; got {crs!r}."
        ) from error


def require_pyarrow() -> None:
    """Refuse Parquet where its library is missing.

    Raises
    ------
    ImportError
        With what to install.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow: pip install 'womble[parquet]'.") from error


def own_coordinates(path: Path) -> ValueError:
    """The error where columns of coordinates are named in vain."""
    return ValueError(
        f"`x` and `y` name columns of a table without geometry; {path.name!r} has its own "
        "coordinates. Leave them out."
    )


def _with_crs(path: Path, data: Any, crs: pyproj.CRS | None) -> Any:
    """The frame in the CRS stated, which must be its own where it has one."""
    if crs is None or data.crs == crs:
        return data
    if data.crs is not None:
        raise ValueError(
            f"`crs` is of files that do not say; {path.name!r} is in {data.crs.name!r}, and "
            f"{crs.name!r} was given. Leave it out, and reproject with to_crs."
        )
    return data.set_crs(crs)


def read_text(path: Path, x: str | None, y: str | None, crs: pyproj.CRS | None) -> gpd.GeoDataFrame:
    """A CSV as points; the separator is the one of , ; and tab that the header has most of."""
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        table = pd.read_csv(path, sep=separator, encoding="utf-8-sig", low_memory=False)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:  # pandas' own are ValueErrors
        raise ValueError(
            f"{path.name!r} cannot be read as a table: {str(error).strip()}. Expected UTF-8 text "
            "with one header line and the same number of columns in every line."
        ) from error
    return _points(path, table, x, y, crs)


def read_parquet(
    path: Path, x: str | None, y: str | None, crs: pyproj.CRS | None
) -> gpd.GeoDataFrame:
    """GeoParquet, or a Parquet table as points."""
    import geopandas as gpd
    import pandas as pd

    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        spatial = b"geo" in (pq.read_schema(path).metadata or {})
        table = gpd.read_parquet(path) if spatial else pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path.name!r} cannot be read as Parquet: {error}.") from error
    if spatial:
        if x is not None or y is not None:
            raise own_coordinates(path)
        return _with_crs(path, table, crs)
    return _points(path, table, x, y, crs)


def _points(
    path: Path, table: pd.DataFrame, x: str | None, y: str | None, crs: pyproj.CRS | None
) -> gpd.GeoDataFrame:
    """A table without geometry as points at two of its columns."""
    import geopandas as gpd
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    names = coordinate_columns(list(table.columns), x, y)
    for name in names:
        if not is_numeric_dtype(table[name]):
            example = next((str(entry) for entry in table[name] if str(entry) != "nan"), "")
            raise ValueError(
                f"column {name!r} of {path.name!r} must hold numbers; got text such as "
                f"{example!r}. Use decimal points, and leave cells empty where nothing is known."
            )
    if crs is None and tuple(name.lower() for name in names) in DEGREES:
        raise ValueError(
            f"columns {names[0]!r} and {names[1]!r} are degrees: say in which system with "
            "crs='EPSG:4326' (WGS 84), and take the result to a plane with wb.project(data). On "
            "the command line: --crs EPSG:4326 --project."
        )
    xs, ys = (table[name].to_numpy(dtype=float, na_value=np.nan) for name in names)
    points = gpd.points_from_xy(xs, ys)
    points[np.isnan(xs) | np.isnan(ys)] = None
    return gpd.GeoDataFrame(table, geometry=points, crs=crs)


def coordinate_columns(
    columns: Sequence[Any], x: str | None = None, y: str | None = None
) -> tuple[str, str]:
    """The two columns of coordinates: as named, or the only usual pair.

    Raises
    ------
    ValueError
        If they are not there, or no pair or several are.
    """
    names = [str(name) for name in columns]
    listed = f"The columns are {', '.join(names)}."
    if (x is None) != (y is None):
        raise ValueError(f"`x` and `y` must be given together; got x={x!r}, y={y!r}. {listed}")
    if x is not None and y is not None:
        for argument, name in (("x", x), ("y", y)):
            if name not in names:
                raise ValueError(f"`{argument}` must name a column; got {name!r}. {listed}")
        if x == y:
            raise ValueError(f"`x` and `y` must be two columns; both are {x!r}. {listed}")
        return x, y
    lower = [name.lower() for name in names]
    found = [
        (names[lower.index(a)], names[lower.index(b)])
        for a, b in (*PLANAR, *DEGREES)
        if lower.count(a) == lower.count(b) == 1
    ]
    if len(found) != 1:
        how = "no usual pair of names is there" if not found else f"{found} are both there"
        raise ValueError(
            f"the columns of coordinates must be named with `x` and `y`, as {how}. {listed}"
        )
    return found[0]


def read_vector(path: Path, crs: pyproj.CRS | None, layer: str | int | None) -> gpd.GeoDataFrame:
    """The layer of a vector file."""
    import geopandas as gpd
    import pyogrio

    try:
        layers = pyogrio.list_layers(path)[:, 0].tolist()
    except (pyogrio.errors.DataSourceError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name!r} cannot be read: {error}.") from error
    if (layer is None and len(layers) != 1) or (layer is not None and layer not in layers):
        raise ValueError(
            f"`layer` must name a layer of {path.name!r}, which has "
            f"{', '.join(map(repr, layers)) or 'none'}; got {layer!r}."
        )
    try:
        frame = gpd.read_file(path, layer=layer or layers[0])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise ValueError(f"{path.name!r} cannot be read: {error}.") from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ValueError(
            f"{path.name!r} must hold geometry; this layer has none. Save it as CSV and name the "
            "columns of coordinates with `x` and `y`."
        )
    return _with_crs(path, frame, crs)


def read_raster(path: Path, crs: pyproj.CRS | None, layer: str | int | None) -> xr.DataArray:
    """One band of a raster, with its units."""
    import rasterio
    import rioxarray

    try:
        with rasterio.open(path) as file:
            names = [name or str(i) for i, name in enumerate(file.descriptions, start=1)]
            units = file.units
    except rasterio.errors.RasterioIOError as error:
        raise ValueError(f"{path.name!r} cannot be read as a raster: {error}.") from error
    band = _band(path, names, layer)
    with rioxarray.open_rasterio(path, masked=True) as opened:
        raster = opened.isel(band=band, drop=True).load()
    raster.name = path.stem if len(names) == 1 else names[band]
    raster.attrs = {"units": units[band]} if units[band] else {}
    own = parse_crs(raster.rio.crs)
    if crs is None or own == crs:
        return raster
    if own is not None:
        raise ValueError(
            f"`crs` is of files that do not say; {path.name!r} is in {own.name!r}, and "
            f"{crs.name!r} was given. Leave it out, and reproject with .rio.reproject."
        )
    return raster.rio.write_crs(crs)


def _band(path: Path, names: list[str], layer: str | int | None) -> int:
    """Position of the band asked for, by number from 1 or by name."""
    if layer is None and len(names) == 1:
        return 0
    if isinstance(layer, str) and names.count(layer) == 1:
        return names.index(layer)
    number = int(layer) if isinstance(layer, str) and layer.isdecimal() else layer
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(names):
        return number - 1
    raise ValueError(
        f"`layer` must be a band of {path.name!r}, which has {', '.join(map(repr, names))} "
        f"(1 to {len(names)}); got {layer!r}."
    )
