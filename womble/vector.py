"""GeoDataFrames in and out: curves to be tested, segments and boundary lines found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from womble.curve import Segments
from womble.spatial_data import SpatialData, require_same_crs
from womble.units import derivative_units

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyproj


def read_curves(curves: Any, crs: pyproj.CRS | None) -> gpd.GeoDataFrame:
    """Curves in any accepted form as a GeoDataFrame in the data's CRS.

    Bare geometries have no CRS of their own and are taken to be in the data's.

    Raises
    ------
    TypeError
        If they are in no accepted form.
    ValueError
        If they are in another CRS, or there are none.
    """
    import geopandas as gpd

    if isinstance(curves, gpd.GeoDataFrame | gpd.GeoSeries):
        require_same_crs(curves, crs, "curves")
        frame = curves if isinstance(curves, gpd.GeoDataFrame) else curves.to_frame("geometry")
    else:
        bare = [curves] if isinstance(curves, shapely.Geometry) else list(_iterable(curves))
        if not all(isinstance(geometry, shapely.Geometry) for geometry in bare):
            raise TypeError(_FORMS.format("a sequence with other things in it"))
        frame = gpd.GeoDataFrame(geometry=bare, crs=crs)
    if frame.empty:
        raise ValueError("`curves` must hold at least one line or polygon; got none.")
    return frame


_FORMS = (
    "`curves` must be a GeoDataFrame, GeoSeries, shapely geometry or sequence of geometries; "
    "got {}."
)


def _iterable(curves: Any) -> Any:
    try:
        return iter(curves)
    except TypeError as error:
        raise TypeError(_FORMS.format(type(curves).__name__)) from error


def segment_frame(
    curves: gpd.GeoDataFrame, pieces: Segments, table: pd.DataFrame, by: str, data: SpatialData
) -> gpd.GeoDataFrame:
    """The table of measures with the curves' own columns, identifiers, geometry and units."""
    import geopandas as gpd
    import pandas as pd

    if by == "segment":
        curve = pieces.curve
        identifiers = pd.DataFrame({"curve_id": curve, "segment_id": pieces.number})
        geometry = pieces.lines()
    else:
        curve = np.arange(len(pieces.source))
        identifiers = pd.DataFrame({"curve_id": curve})
        lines = pieces.lines()
        geometry = [
            shapely.line_merge(shapely.multilinestrings(lines[pieces.curve == c])) for c in curve
        ]
    own = curves.drop(columns=curves.geometry.name).iloc[pieces.source[curve]]
    own = own.reset_index(drop=True)
    taken = [*identifiers.columns, *table.columns, "geometry"]
    own = own.rename(columns={name: f"{name}_curve" for name in own.columns if name in taken})
    frame = gpd.GeoDataFrame(
        pd.concat([own, identifiers, table], axis=1), geometry=geometry, crs=curves.crs
    )
    frame.attrs["units"] = {}
    for name in table:
        order = {"gradient": 0, "curvature": 1}.get(
            str(name).removeprefix("average_").split("_")[0]
        )
        if order is None or "_p_" in name or "_significant" in name:
            continue
        order += str(name).startswith("average_")
        unit = derivative_units(data.difference_units, data.coordinate_units, order)
        frame.attrs["units"] |= {name: unit} if unit else {}
    return frame


def boundary_frame(
    table: pd.DataFrame,
    lines: list[shapely.LineString],
    data: SpatialData,
    settings: dict[str, Any],
) -> gpd.GeoDataFrame:
    """The table of boundaries with identifiers, geometry, units and the settings that gave it."""
    import geopandas as gpd

    table = table.assign(boundary_id=np.arange(len(lines)))
    if "rule" not in table:
        table["rule"] = ""
    columns = ["boundary_id", *(name for name in table if name != "boundary_id")]
    frame = gpd.GeoDataFrame(table[columns], geometry=lines, crs=data.crs)
    slope = derivative_units(data.difference_units, data.coordinate_units, 1)
    length = data.coordinate_units
    steepness = dict.fromkeys(name for name in columns if name.startswith("steepness"))
    units = dict.fromkeys(steepness, slope) | {"length": length, "position_sd": length}
    frame.attrs = {"units": {name: unit for name, unit in units.items() if unit}, "scale": "link"}
    frame.attrs["womble"] = settings
    return frame
