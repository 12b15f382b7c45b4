"""GeoDataFrames in and out: curves to be tested, segments and boundary lines found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from womble.crs import require_same_crs
from womble.curve import Segments
from womble.spatial_data import SpatialData
from womble.units import derivative_units

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyproj
    import xarray as xr

    from womble.boundary_draws import Line
    from womble.front import Fronts


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


def draws_frame(
    drawn: Iterable[list[Line]], data: SpatialData, settings: dict[str, Any]
) -> gpd.GeoDataFrame:
    """A row for each line of each draw, with the settings that gave them."""
    import geopandas as gpd
    import pandas as pd

    rows, lines = [], []
    for draw, found in enumerate(drawn):
        for number, (feature, points) in enumerate(found):
            rows.append((draw, number, feature.kind, feature.level))
            lines.append(shapely.LineString(points))
    types = {"draw": int, "line_id": int, "kind": "str", "level": float}
    table = pd.DataFrame(rows, columns=list(types)).astype(types)
    table["length"] = shapely.length(np.array(lines, dtype=object))
    frame = gpd.GeoDataFrame(table, geometry=lines, crs=data.crs)
    units = {"length": data.coordinate_units} if data.coordinate_units else {}
    frame.attrs = {"units": units, "scale": "link", "womble": settings}
    return frame


def line_settings(lines: Any, crs: pyproj.CRS | None) -> dict[str, Any]:
    """The settings that boundary lines were found with.

    Raises
    ------
    TypeError
        If `lines` is no GeoDataFrame.
    ValueError
        If they are not there, or the lines are in another CRS.
    """
    import geopandas as gpd

    if not isinstance(lines, gpd.GeoDataFrame):
        raise TypeError(
            "`lines` must be the GeoDataFrame that boundaries() returned; got "
            f"{type(lines).__name__}."
        )
    if "womble" not in lines.attrs or "boundary_id" not in lines:
        raise ValueError(
            "`lines` must hold the settings of its search in attrs['womble'], which most files and "
            "some table operations lose; got none. Pass the frame that boundaries() returned, or "
            "rows of it, or copy its `attrs` over."
        )
    require_same_crs(lines, crs, "lines")
    return lines.attrs["womble"]


def band_frame(
    lines: gpd.GeoDataFrame, polygons: list[shapely.Geometry], level: float
) -> gpd.GeoDataFrame:
    """The columns of `lines` with bands for geometry, in the same order."""
    import geopandas as gpd

    bands = gpd.GeoSeries(polygons, index=lines.index, crs=lines.crs)
    frame = lines.assign(band_level=level).set_geometry(bands)
    frame.attrs = dict(lines.attrs)
    return frame


def profile_frame(
    lines: gpd.GeoDataFrame, table: pd.DataFrame, data: SpatialData
) -> gpd.GeoDataFrame:
    """A row for each line with the table of its profile, in the same order."""
    import geopandas as gpd

    own = {"boundary_id": lines["boundary_id"], "kind": lines["kind"]}
    columns = own | {name: table[name].to_numpy() for name in table}
    frame = gpd.GeoDataFrame(columns, geometry=lines.geometry, crs=lines.crs, index=lines.index)
    slope = derivative_units(data.difference_units, data.coordinate_units, 1)
    of = {"peak": slope, "step": data.difference_units, "width": data.coordinate_units}
    units = {name: of.get(str(name).split("_")[0]) for name in table}
    frame.attrs = {"units": {name: unit for name, unit in units.items() if unit}, "scale": "link"}
    return frame


def profile_dataset(lines: gpd.GeoDataFrame, drawn: Fronts, data: SpatialData) -> xr.Dataset:
    """Slope and value by distance across, with statistics over draws, coordinates and units."""
    import xarray as xr

    from womble.front import STATISTICS, summaries

    dims = ("boundary", "offset", "statistic")
    slope, value = (np.moveaxis(summaries(draws), 0, -1) for draws in (drawn.slope, drawn.value))
    coords = {"boundary": lines["boundary_id"].to_numpy(), "statistic": list(STATISTICS)}
    ds = xr.Dataset({"slope": (dims, slope), "value": (dims, value)}, coords)
    ds = ds.assign_coords(distance=(("boundary", "offset"), drawn.offsets))
    described = {
        "slope": ("slope uphill across the boundary", 1, data.difference_units),
        "value": (data.field_name(), 0, data.link_units),
    }
    for name, (long_name, order, response) in described.items():
        unit = derivative_units(response, data.coordinate_units, order)
        ds[name].attrs = {"long_name": long_name} | ({"units": unit} if unit else {})
    ds["distance"].attrs["long_name"] = "distance across the boundary, uphill"
    if data.coordinate_units:
        ds["distance"].attrs["units"] = data.coordinate_units
    ds.attrs = {"Conventions": "CF-1.11", "scale": "link", "samples": len(drawn.step)}
    return ds
