"""Polygons in, and the table of a field's averages over them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from womble.arrays import FloatArray
from womble.crs import require_same_crs
from womble.spatial_data import SpatialData
from womble.units import derivative_units

if TYPE_CHECKING:
    import geopandas as gpd
    import pyproj


def read_polygons(polygons: Any, crs: pyproj.CRS | None) -> gpd.GeoDataFrame:
    """A GeoDataFrame of Polygons and MultiPolygons, all valid and with area, in the data's CRS.

    Raises
    ------
    TypeError
        If it is no GeoDataFrame and no GeoSeries, or a geometry is no polygon.
    ValueError
        If there are none, they are in another CRS, or one is missing, empty or invalid.
    """
    import geopandas as gpd

    if not isinstance(polygons, gpd.GeoDataFrame | gpd.GeoSeries):
        raise TypeError(
            "`polygons` must be a GeoDataFrame or GeoSeries of polygons; got "
            f"{type(polygons).__name__}. Wrap bare geometries in geopandas.GeoSeries(..., crs=...)."
        )
    require_same_crs(polygons, crs, "polygons")
    is_frame = isinstance(polygons, gpd.GeoDataFrame)
    frame = polygons if is_frame else polygons.to_frame("geometry")
    if frame.empty:
        raise ValueError("`polygons` must hold at least one polygon; got none.")
    areas = np.asarray(frame.geometry.array)
    absent = shapely.is_missing(areas) | shapely.is_empty(areas)
    if absent.any():
        raise ValueError(
            f"every row of `polygons` must have a polygon; {absent.sum()} of {len(areas)} are "
            "missing or empty. Drop them."
        )
    kinds = {area.geom_type for area in areas} - {"Polygon", "MultiPolygon"}
    if kinds:
        raise TypeError(
            "`polygons` must be Polygons or MultiPolygons; got "
            f"{', '.join(sorted(kinds))}. Use womble() for lines, jet_moments() for points."
        )
    reasons = {shapely.is_valid_reason(area) for area in areas[~shapely.is_valid(areas)]}
    if reasons:
        raise ValueError(
            f"`polygons` must be valid; got a polygon with {', '.join(sorted(reasons))}. Mend it "
            "with shapely.make_valid."
        )
    return frame


def areal_frame(
    polygons: gpd.GeoDataFrame, columns: dict[str, FloatArray], data: SpatialData, *, average: bool
) -> gpd.GeoDataFrame:
    """The polygons' own columns, area, the statistics and their units; index and order as given.

    Own columns that share a name with a statistic get `_polygon` behind it.
    """
    columns = {"area": polygons.geometry.area.to_numpy()} | columns
    own = polygons.rename(columns={name: f"{name}_polygon" for name in polygons if name in columns})
    frame = own.assign(**columns)
    length = data.coordinate_units
    unit = data.link_units if average else derivative_units(data.difference_units, length, -2)
    units = dict.fromkeys(columns, unit)
    units |= {"area": derivative_units("1", length, -2)}
    if average:
        units["sd"] = data.difference_units
    frame.attrs = {"units": {name: u for name, u in units.items() if u}, "scale": "link"}
    return frame
