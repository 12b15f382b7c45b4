"""GeoDataFrames in and out: curves to be tested, segments and boundary lines found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from womble.curve import Segments
from womble.spatial_data import require_same_crs

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
    curves: gpd.GeoDataFrame, pieces: Segments, table: pd.DataFrame, by: str
) -> gpd.GeoDataFrame:
    """The table of measures with the curves' own columns, identifiers and geometry."""
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
    return gpd.GeoDataFrame(
        pd.concat([own, identifiers, table], axis=1), geometry=geometry, crs=curves.crs
    )
