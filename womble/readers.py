"""Readers: a GeoDataFrame, arrays or a raster, each turned into the same plain table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from womble.arrays import FloatArray, float_array
from womble.axis import Axis

if TYPE_CHECKING:
    import geopandas as gpd
    import pyproj
    import xarray as xr

# PROJ spells units out; attributes and labels want the usual symbol where there is one.
UNIT_SYMBOLS = {"metre": "m", "meter": "m", "kilometre": "km", "foot": "ft"}


@dataclass(frozen=True, eq=False)
class Table:
    """What a reader returns: converted, not yet checked; NaN marks what is missing."""

    coords: FloatArray  # (n, d)
    values: FloatArray  # (n,)
    name: str
    units: str | None
    coordinate_units: str | None
    crs: pyproj.CRS | None
    rows: npt.NDArray[np.intp]  # (n,), position in the input; of a raster, flattened in (y, x)
    axis: Axis = field(default_factory=Axis)  # of data on a line


def read_geodataframe(frame: gpd.GeoDataFrame, column: str | None) -> Table:
    """Points and one numeric column of a GeoDataFrame.

    Raises
    ------
    ValueError
        No column named or no such column, repeated column name, geometry that is not points.
    TypeError
        The column is not numeric.
    """
    from pandas.api.types import is_numeric_dtype

    dtypes = zip(frame.columns, frame.dtypes, strict=True)
    numeric = [str(name) for name, dtype in dtypes if is_numeric_dtype(dtype)]
    if column is None or column not in frame.columns:
        raise ValueError(
            f"`value` must name a column of the GeoDataFrame; got {column!r}. "
            f"Its numeric columns are {numeric}."
        )
    if list(frame.columns).count(column) > 1:
        raise ValueError(
            f"`value` must name one column; {list(frame.columns).count(column)} are called "
            f"{column!r}. Rename them so that each has its own name."
        )
    series = frame[column]
    if not is_numeric_dtype(series) or series.dtype.kind == "c":
        raise TypeError(
            f"column {column!r} must be numeric; got dtype {series.dtype}. Convert it with "
            f"pandas.to_numeric, or take one of the numeric columns {numeric}."
        )
    coords = point_coordinates(frame, "data")
    values = series.to_numpy(dtype=float, na_value=np.nan)
    return Table(
        coords=coords,
        values=values,
        name=column,
        units=frame.attrs.get("units", {}).get(column),
        coordinate_units=coordinate_units(frame.crs, frame.attrs),
        crs=frame.crs,
        rows=np.arange(len(frame)),
    )


def read_arrays(data: tuple[Any, ...], name: str | None) -> Table:
    """Coordinates (n, d), or positions on a line (n,), numbers or dates, and values (n,).

    Raises
    ------
    ValueError
        Not a pair, or shapes that do not match.
    TypeError
        Entries that are not numbers.
    """
    if len(data) != 2:
        raise ValueError(
            f"a tuple must be `(coords, values)`; got {len(data)} entries. Stack the coordinates "
            "with np.column_stack([x, y]) first."
        )
    values, axis = float_array(data[1], "values"), Axis()
    if np.ndim(data[0]) == 1:
        axis, positions = Axis.of(data[0], None)
        coords = positions[:, None]
    else:
        coords = float_array(data[0], "coords")
    if coords.ndim != 2 or coords.shape[1] == 0:
        raise ValueError(
            "`coords` must have shape (n, d), one row per location, or (n,) on a line; got "
            f"{coords.shape}. Stack the columns with np.column_stack([x, y])."
        )
    if values.shape != coords.shape[:1]:
        raise ValueError(
            f"`values` must have shape ({coords.shape[0]},), one per row of `coords`; got "
            f"{values.shape}. Check that both come from the same rows."
        )
    rows = np.arange(len(coords))
    return Table(coords, values, name or "value", None, axis.units, None, rows, axis)


def read_raster(raster: xr.DataArray, name: str | None) -> Table:
    """Centres and values of the cells of a raster that are not missing, row-major in (y, x).

    Raises
    ------
    ValueError
        Not two dimensions, or dimensions other than x, y or easting, northing.
    """
    x, y = raster_axes(raster, "data")
    if raster.ndim != 2:
        raise ValueError(
            f"a DataArray must have the two dimensions ({y!r}, {x!r}); got {raster.dims}. Select "
            "one layer, for instance raster.isel(band=0)."
        )
    grid = raster.transpose(y, x)
    values = float_array(grid.values, "data")
    eastings, northings = np.meshgrid(
        float_array(grid[x].values, x), float_array(grid[y].values, y)
    )
    coords = np.column_stack([eastings.ravel(), northings.ravel()])
    crs = raster_crs(raster)
    # A raster opened without masking keeps its nodata number in the cells: it is not a value.
    nodata = raster.rio.nodata
    present = ~np.isnan(values) & (True if nodata is None else values != nodata)
    return Table(
        coords=coords[present.ravel()],
        values=values[present],
        name=name or (str(raster.name) if raster.name is not None else "value"),
        units=raster.attrs.get("units"),
        coordinate_units=coordinate_units(crs, {"coordinate_units": raster[x].attrs.get("units")}),
        crs=crs,
        rows=np.flatnonzero(present),
    )


def query_points(points: Any, d: int, name: str = "points") -> FloatArray:
    """Locations asked for by the user, as an array of shape (p, d).

    Parameters
    ----------
    points : array-like, GeoSeries or GeoDataFrame
        Shape (p, d), or (p,) if d = 1; geometry must be points (d = 2), in the data's CRS.
    d : int
        Dimension of the data.
    name : str
        The argument's name, for messages.

    Raises
    ------
    ValueError
        Wrong shape, or coordinates that are not finite.
    TypeError
        Entries that are not numbers.
    """
    if hasattr(points, "geometry") and hasattr(points, "crs"):
        array = point_coordinates(points, name)
    else:
        array = float_array(points, name)
    if d == 1 and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != d:
        raise ValueError(
            f"`{name}` must have shape (p, {d}), one row per location; got {array.shape}. Stack "
            "the columns with np.column_stack([x, y]); one location is [[x, y]]."
        )
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite; {(~finite).sum()} of {len(array)} locations are missing or "
            "infinite. Remove them."
        )
    return array


def point_coordinates(points: gpd.GeoDataFrame | gpd.GeoSeries, what: str) -> FloatArray:
    """(n, 2) coordinates of points, NaN where the point is missing or empty; z is ignored.

    Raises
    ------
    ValueError
        No geometry, or a geometry that is not a Point.
    """
    if getattr(points, "active_geometry_name", "geometry") is None:
        raise ValueError(
            f"`{what}` must have a geometry column of points; it has none. Set it with "
            "set_geometry(geopandas.points_from_xy(x, y))."
        )
    return points_of(np.asarray(points.geometry.array), what)


def points_of(geometry: npt.NDArray[np.object_], what: str) -> FloatArray:
    """(n, 2) coordinates of shapely points, NaN where missing or empty.

    Raises
    ------
    ValueError
        A geometry that is not a Point.
    """
    import shapely

    kinds = shapely.get_type_id(geometry)
    wrong = (kinds != shapely.GeometryType.POINT) & (kinds != shapely.GeometryType.MISSING)
    if wrong.any():
        names = sorted({g.geom_type for g in geometry[wrong]})
        raise ValueError(
            f"`{what}` must have Point geometry; {wrong.sum()} of {len(geometry)} rows are "
            f"{', '.join(names)}. Use explode() on MultiPoints, representative_point() on areas."
        )
    located = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    coords = np.full((len(geometry), 2), np.nan)
    coords[located] = shapely.get_coordinates(geometry[located])
    return coords


def raster_axes(raster: xr.DataArray | xr.Dataset, what: str) -> tuple[str, str]:
    """Names of the dimensions across and up: ("x", "y") or ("easting", "northing").

    Raises
    ------
    ValueError
        Neither pair is there, or a dimension has no coordinate.
    """
    for x, y in (("x", "y"), ("easting", "northing")):
        if {x, y} <= set(raster.dims):
            if x in raster.coords and y in raster.coords:
                return x, y
            raise ValueError(
                f"the dimensions {x!r} and {y!r} of `{what}` must have coordinates; at least one "
                f"has none. Add them with assign_coords({x}=..., {y}=...)."
            )
    raise ValueError(
        f"`{what}` must have dimensions x, y or easting, northing; got {tuple(raster.dims)}. "
        "Rename them, and reproject longitudes and latitudes with .rio.reproject first."
    )


def raster_crs(raster: xr.DataArray | xr.Dataset) -> pyproj.CRS | None:
    """The CRS that rioxarray reads from a raster (`spatial_ref`), or None."""
    import pyproj
    import rioxarray  # noqa: F401  (registers the .rio accessor)

    crs = raster.rio.crs
    return None if crs is None else pyproj.CRS.from_user_input(crs)


def coordinate_units(crs: pyproj.CRS | None, attrs: dict[Any, Any]) -> str | None:
    """Unit of the coordinates: the CRS' axis unit, else `attrs["coordinate_units"]`, else None."""
    if crs is not None and crs.axis_info:
        unit = crs.axis_info[0].unit_name
    else:
        unit = attrs.get("coordinate_units")
    return UNIT_SYMBOLS.get(unit, unit)


def looks_like_degrees(coords: FloatArray) -> bool:
    """Whether 2-D coordinates, shape (n, 2), may be longitudes and latitudes.

    They must fit |x| <= 180 and |y| <= 90 and either span more than half the globe in x, or lie
    away from (0, 0): the bounding box farther from it than half its longer side. Made-up domains
    touch or contain their origin ([0, 1]^2, [-10, 10]^2), regions of the Earth rarely do.
    """
    if coords.shape[1] != 2 or (np.abs(coords).max(axis=0) > (180, 90)).any():
        return False
    low, high = coords.min(axis=0), coords.max(axis=0)
    nearest = np.clip(0.0, low, high)
    longer = (high - low).max()
    return bool(high[0] - low[0] > 180 or np.linalg.norm(nearest) > longer / 2)


def require_planar(crs: pyproj.CRS | None, what: str) -> None:
    """Refuse coordinates in degrees, or from the centre of the Earth.

    Raises
    ------
    ValueError
        `crs` is geographic or geocentric.
    """
    if crs is not None and (crs.is_geographic or crs.is_geocentric):
        raise ValueError(
            f"`{what}` must be in a projected CRS, where distances are lengths; got "
            f"{crs.name!r}, which is not. Reproject first: wb.project(data) takes the UTM zone, "
            "as data.to_crs(data.estimate_utm_crs()) does."
        )
