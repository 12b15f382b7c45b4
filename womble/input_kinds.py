"""The kinds of input, each with its reader."""

from __future__ import annotations

from typing import Any

from womble.line_readers import read_profile, read_series
from womble.readers import Table, read_arrays, read_geodataframe, read_raster


def read_input(data: Any, value: str | None) -> Table:
    """Any input as a table, not yet checked.

    Raises
    ------
    TypeError, ValueError
        If it is none of those that `spatial_data` takes.
    """
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    if isinstance(data, gpd.GeoDataFrame):
        return read_geodataframe(data, value)
    if isinstance(data, tuple):
        return read_arrays(data, value)
    if isinstance(data, pd.Series):
        return read_series(data, value)
    if isinstance(data, xr.DataArray):
        return read_profile(data, value) if data.ndim == 1 else read_raster(data, value)
    raise TypeError(
        "`data` must be a GeoDataFrame of points, a tuple (coords, values), a DataArray (1-D or "
        "2-D), a Series, a dask DataFrame or what wb.open_points(source) gives; got "
        f"{type(data).__name__}. A plain table becomes a GeoDataFrame with "
        "geometry=geopandas.points_from_xy(x, y), or a Series on a line with "
        "table.set_index('position')['name']; a Dataset gives a DataArray with dataset['name']."
    )
