"""Data from files, and tables of results into files, by the file's ending."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from womble.arguments import checked
from womble.file_formats import (
    as_path,
    own_coordinates,
    parse_crs,
    read_parquet,
    read_raster,
    read_text,
    read_vector,
    require_pyarrow,
)

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

TABLES = (".csv", ".tsv", ".txt")
VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".zip")
PARQUETS = (".parquet", ".geoparquet")
RASTERS = (".tif", ".tiff", ".vrt")
WRITTEN = (".gpkg", ".geojson", ".fgb", ".parquet", ".csv")


@checked
def read_data(
    path: str | os.PathLike,
    *,
    x: str | None = None,
    y: str | None = None,
    crs: Any = None,
    layer: str | int | None = None,
) -> gpd.GeoDataFrame | xr.DataArray:
    """Points, lines or areas with their columns, or one band of a raster, from a file.

    Parameters
    ----------
    path : path
        GeoPackage, GeoJSON, Shapefile (also zipped) or FlatGeobuf; GeoParquet, or Parquet with
        columns of coordinates; CSV with a header (comma, semicolon or tab); GeoTIFF or VRT.
    x, y : str, optional
        Columns of coordinates of a table without geometry; by default `x` and `y`, `easting` and
        `northing`, or `lon` and `lat` (`longitude`, `latitude`), in upper or lower case.
    crs : str, int or CRS, optional
        Of a file that does not say, as "EPSG:28992". Coordinates are not changed.
    layer : str or int, optional
        Layer by name where there are several; of a raster the band, by number from 1 or by name.

    Returns
    -------
    GeoDataFrame or DataArray
        As `FieldModel.fit` takes them. Of a raster dimensions (y, x), nodata as NaN.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Unknown ending, a file that cannot be read, no such column or layer, several layers and none
        named, coordinates that are not numbers, or a CRS that contradicts the file's.
    TypeError
        `path` is no path.
    ImportError
        Parquet without pyarrow.
    """
    path, stated = _existing(path), parse_crs(crs)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return read_text(path, x, y, stated)
    if suffix in PARQUETS:
        return read_parquet(path, x, y, stated)
    if suffix not in (*VECTORS, *RASTERS):
        known = ", ".join((*TABLES, *VECTORS, *PARQUETS, *RASTERS))
        raise ValueError(
            f"`path` must end in one of {known}; got {path.name!r}. Convert it, or read it "
            "yourself and pass a GeoDataFrame or DataArray."
        )
    if x is not None or y is not None:
        raise own_coordinates(path)
    return (read_raster if suffix in RASTERS else read_vector)(path, stated, layer)


@checked
def write_table(frame: Any, path: str | os.PathLike) -> Path:
    """Write a table, with its geometry if it has one, in the format of the path's ending.

    A CSV holds geometry as WKT and no CRS; the other formats keep the CRS.

    Parameters
    ----------
    frame : GeoDataFrame or DataFrame
        A DataFrame without geometry goes to CSV or Parquet.
    path : path
        Ending in .gpkg, .geojson, .fgb, .parquet or .csv; its folder is made if need be, a file
        of that name replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        Another ending, or a format that needs geometry.
    TypeError
        `frame` is no table, or `path` no path.
    ImportError
        Parquet without pyarrow.
    """
    import geopandas as gpd
    import pandas as pd

    path = as_path(path)
    suffix = path.suffix.lower()
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"`frame` must be a GeoDataFrame or DataFrame; got {type(frame).__name__}. Surfaces go "
            "to NetCDF with ds.to_netcdf(path), or to write_geotiff(ds, folder)."
        )
    if suffix not in WRITTEN:
        raise ValueError(
            f"`path` must end in one of {', '.join(WRITTEN)}; got {path.name!r}. (Shapefiles cut "
            "the names of columns to ten letters, and are not written.)"
        )
    spatial = isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name is not None
    if not spatial and suffix not in (".csv", ".parquet"):
        raise ValueError(
            f"{path.suffix} holds geometry, and this table has none. Write it as .csv or .parquet."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".csv":
        plain = frame.to_wkt(rounding_precision=-1) if spatial else frame
        plain.to_csv(path, index=False)
    elif suffix == ".parquet":
        require_pyarrow()
        frame.to_parquet(path)
    else:
        with warnings.catch_warnings():
            # Data in a plane of their own have none.
            warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
            frame.to_file(path)
    return path


def _existing(path: Any) -> Path:
    path = as_path(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file; {str(path)!r} is a folder.")
    if not path.exists():
        raise FileNotFoundError(f"no file {str(path)!r}. Check the name and the current folder.")
    return path
