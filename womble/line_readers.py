"""Readers of data on a line: a Series by its index, a DataArray by its one coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import float_array
from womble.axis import Axis
from womble.readers import UNIT_SYMBOLS, Table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def read_series(series: pd.Series, name: str | None) -> Table:
    """Values of a Series at the positions in its index.

    Raises
    ------
    TypeError
        Values that are not numbers, or an index that is neither numbers nor dates.
    ValueError
        An index of several levels.
    """
    index = series.index
    if index.nlevels > 1:
        raise ValueError(
            f"the index of a Series must be its positions on a line; got {index.nlevels} levels. "
            "Keep one with reset_index(level=..., drop=True)."
        )
    axis, positions = Axis.of(index, None if index.name is None else str(index.name))
    return Table(
        coords=positions[:, None],
        values=float_array(series.to_numpy(na_value=np.nan), "data"),
        name=name or ("value" if series.name is None else str(series.name)),
        units=series.attrs.get("units"),
        coordinate_units=axis.units or series.attrs.get("coordinate_units"),
        crs=None,
        rows=np.arange(len(series)),
        axis=axis,
    )


def read_profile(profile: xr.DataArray, name: str | None) -> Table:
    """Values of a DataArray of one dimension at its coordinate.

    Raises
    ------
    TypeError
        Values or coordinates that cannot be used.
    ValueError
        A dimension without coordinate.
    """
    dim = str(profile.dims[0])
    if dim not in profile.coords:
        raise ValueError(
            f"the dimension {dim!r} of `data` must have a coordinate, the positions; it has none. "
            f"Add it with assign_coords({dim}=...)."
        )
    axis, positions = Axis.of(profile[dim].to_index(), dim)
    units = profile[dim].attrs.get("units")
    return Table(
        coords=positions[:, None],
        values=float_array(profile.to_numpy(), "data"),
        name=name or ("value" if profile.name is None else str(profile.name)),
        units=profile.attrs.get("units"),
        coordinate_units=axis.units or UNIT_SYMBOLS.get(units, units),
        crs=None,
        rows=np.arange(profile.size),
        axis=axis,
    )
