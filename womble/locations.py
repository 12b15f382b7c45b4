"""Where data of any accepted kind lie, on a line or in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import FloatArray, float_array
from womble.axis import Axis
from womble.line_readers import read_profile, read_series
from womble.readers import (
    Table,
    coordinate_units,
    point_coordinates,
    read_raster,
    require_planar,
)
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    import pyproj


def on_line(data: Any) -> tuple[FloatArray, Axis, str | None] | None:
    """Distinct finite positions (n, 1), axis and units of data in one dimension; None of others."""
    import pandas as pd
    import xarray as xr

    if isinstance(data, pd.Series):
        data = read_series(data, None)
    elif isinstance(data, xr.DataArray) and data.ndim == 1:
        data = read_profile(data, None)
    if isinstance(data, SpatialData | Table):
        if data.coords.shape[1] != 1:
            return None
        coords, axis, units = data.coords, data.axis, data.coordinate_units
    elif hasattr(data, "geometry"):
        return None
    else:
        given = data[0] if isinstance(data, tuple) else data
        if np.ndim(given) != 1 and np.shape(given)[1:] != (1,):
            return None
        axis, coords = Axis.of(np.ravel(given), None)
        coords, units = coords[:, None], axis.units
    return _distinct(coords), axis, units


def locations(data: Any) -> tuple[FloatArray, pyproj.CRS | None, str | None]:
    """Distinct finite locations (n, 2), CRS and coordinate units of any accepted `data`."""
    import xarray as xr

    crs, units = None, None
    if isinstance(data, xr.DataArray):
        data = read_raster(data, None)
    if isinstance(data, Table):
        require_planar(data.crs, "data")
    if isinstance(data, SpatialData | Table):
        coords, crs, units = data.coords, data.crs, data.coordinate_units
    elif hasattr(data, "geometry") and hasattr(data, "crs"):
        coords, crs = point_coordinates(data, "data"), data.crs
        require_planar(crs, "data")
        units = coordinate_units(crs, data.attrs)
    else:
        coords = float_array(data[0] if isinstance(data, tuple) else data, "data")
    if coords.ndim != 2 or coords.shape[1] != 2:
        raise ValueError(
            f"a grid needs locations in the plane, shape (n, 2), or on a line, (n,); got "
            f"{coords.shape}. In more dimensions pass points of your own to jet_moments()."
        )
    return _distinct(coords), crs, units


def _distinct(coords: FloatArray) -> FloatArray:
    """Distinct finite locations, two at least."""
    coords = np.unique(coords[np.isfinite(coords).all(axis=1)], axis=0)
    if len(coords) < 2:
        raise ValueError(
            f"a grid needs at least 2 distinct locations; got {len(coords)}. Check that the data "
            "are not empty."
        )
    return coords
