"""Profiles across a boundary."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from womble.arguments import checked
from womble.plot import style
from womble.profile import half_width


@checked
def profile(ds: xr.Dataset, boundary_id: int, *, ax: Axes | None = None) -> Axes:
    """Slope and value across one boundary, with 95% bands and the half width of the mean slope.

    Parameters
    ----------
    ds : xarray.Dataset
        As `Posterior.profile_across` returns.
    boundary_id : int
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Slope on the left axis, value on the right; x is the distance across, uphill positive.

    Raises
    ------
    ValueError
        There is no such boundary in `ds`.
    """
    if "boundary" not in ds.coords:
        raise ValueError(
            "`ds` must have a dimension 'boundary', as post.profile_across(lines) returns; got "
            f"{sorted(map(str, ds.sizes))}."
        )
    known = ds["boundary"].values.tolist()
    if boundary_id not in known:
        raise ValueError(f"`boundary_id` must be one of {known}; got {boundary_id!r}.")
    one = ds.sel(boundary=boundary_id)
    distance = one["distance"].to_numpy()
    ax = style.new_axes(7.0, 3.6) if ax is None else ax
    other = ax.twinx()
    ax.set_zorder(other.get_zorder() + 1)
    ax.patch.set_visible(False)
    for axes, name, colour in ((other, "value", style.NEGATIVE), (ax, "slope", style.POSITIVE)):
        mean, low, high = (one[name].sel(statistic=s).to_numpy() for s in ("mean", "q025", "q975"))
        axes.fill_between(distance, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(distance, mean, color=colour, linewidth=1.6, label=f"{name}, 95% interval")
        label = one[name].attrs.get("long_name", name)
        units = style.in_units(one[name].attrs.get("units"))
        axes.set_ylabel(style.wrapped(label + units), color=colour)
        axes.tick_params(axis="y", colors=colour)
        axes.ticklabel_format(axis="y", scilimits=(-3, 5), useMathText=True)
    _mark_half_width(ax, distance, one["slope"].sel(statistic="mean").to_numpy())
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    ax.set_xlim(distance[0], distance[-1])
    units = style.in_units(ds["distance"].attrs.get("units"))
    ax.set_xlabel(f"distance across the boundary, uphill{units}")
    ax.set_title(f"Across boundary {boundary_id}", loc="left", fontsize="medium")
    handles = [*ax.get_lines()[:1], *other.get_lines()[:1]]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper left")
    return ax


def _mark_half_width(ax: Axes, distance: np.ndarray, slope: np.ndarray) -> None:
    """A bar at half the peak, between the places where the mean slope passes it."""
    ends = half_width(slope, distance)
    if np.isfinite(ends).all():
        half = np.interp(ends, distance, slope)
        ax.plot(ends, half, color=style.INK, marker="|", linewidth=1.2, label="half width")
