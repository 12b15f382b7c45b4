"""One figure of a fit: data, surface, slope and boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from womble.arguments import checked
from womble.plot import style
from womble.plot.lines import boundaries
from womble.plot.maps import data as data_map
from womble.plot.maps import surface
from womble.plot.transects import change_points, transect

if TYPE_CHECKING:
    import pandas as pd

    from womble.posterior import Posterior
    from womble.spatial_data import SpatialData


@checked
def overview(
    posterior: Posterior,
    ds: xr.Dataset,
    found: gpd.GeoDataFrame | pd.DataFrame,
    *,
    ax: np.ndarray | None = None,
) -> np.ndarray:
    """Data, value, slope, and boundaries on the slope's uncertainty; on a line value and slope.

    Parameters
    ----------
    posterior : Posterior
    ds : xarray.Dataset
        As `Posterior.surface` returns, on the link scale.
    found : GeoDataFrame or DataFrame
        As `Posterior.boundaries` returns; on a line as `Posterior.change_points` does.
    ax : array of matplotlib Axes, optional
        Of shape (2, 2); on a line (2,).

    Returns
    -------
    array of matplotlib Axes

    Raises
    ------
    ValueError
        `ax` has another shape.
    """
    on_line = posterior.data.coords.shape[1] == 1
    ax = _panels(posterior.data, ax, (2,) if on_line else (2, 2))
    if on_line:
        transect(ds, ax=ax[0])
        observations(posterior.data, ax=ax[0])
        change_points(found, ax=transect(ds, "dx", ax=ax[1]))
        return ax
    data = posterior.data
    label = data.value_name + style.in_units(data.value_units)
    data_map(data_frame(data), data.values, label=label, ax=ax[0, 0])
    surface(ds, ax=ax[0, 1])
    surface(ds, "gradient_magnitude", ax=ax[1, 0])
    boundaries(found, ax=surface(ds, "gradient_magnitude", "sd", ax=ax[1, 1]))
    ax[1, 1].set_title("Boundaries on the posterior sd of the slope", loc="left", fontsize="medium")
    return ax


def observations(data: SpatialData, *, ax: Axes) -> Axes:
    """Data on a line as points, where the field is on their own scale."""
    if data.value_name == data.field_name():
        x = data.axis.positions(data.coords[:, 0])
        ax.plot(x, data.values, ".", color=style.NEGATIVE, markersize=4, alpha=0.6, zorder=1)
    return ax


def data_frame(data: SpatialData) -> gpd.GeoDataFrame:
    """The locations in the plane, with what names the axes of a map."""
    frame = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*data.coords.T), crs=data.crs)
    if data.coordinate_units:
        frame.attrs["coordinate_units"] = data.coordinate_units
    return frame


def _panels(data: SpatialData, ax: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    import matplotlib.pyplot as plt

    if ax is None:
        rows, columns = shape if len(shape) == 2 else (*shape, 1)
        low, high = data.coords.min(axis=0), data.coords.max(axis=0)
        # Maps of 3.6 inches on the longer side; the rest for colour bars, labels and notes.
        sides = 3.6 * (high - low) / (high - low).max() if columns == 2 else np.array([5.5, 2.2])
        width, height = np.maximum(sides, 1.8) + np.array([2.2, 1.7 if columns == 2 else 0.8])
        size = (columns * width, rows * height)
        ax = plt.subplots(*shape[:1], columns, figsize=size, layout="compressed")[1]
    if np.shape(ax) != shape:
        raise ValueError(f"`ax` must be an array of Axes of shape {shape}; got {np.shape(ax)}.")
    return ax
