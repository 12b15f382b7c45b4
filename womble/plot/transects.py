"""Curves of a field on a line, and its change points."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from womble.arguments import checked
from womble.plot import style

# Of positions on the rug: height of a tick, as a share of the axes.
TICK = 0.06


@checked
def transect(
    ds: xr.Dataset, variable: str = "value", *, significant: bool = True, ax: Axes | None = None
) -> Axes:
    """One variable of a surface on a line: the mean, its 95% interval, and where it has a sign.

    On the response scale, where means need not exist, the median is drawn; under
    `rule="simultaneous"` the band over all positions lies around the interval. Derivatives have a
    line at zero.

    Parameters
    ----------
    ds : xarray.Dataset
        As `Posterior.surface` returns for data on a line.
    variable : {"value", "dx", "dxx"}
    significant : bool
        Colour derivatives where `<variable>_significant` is not 0: red rises, blue falls. The rule
        is named below.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `ds` is not on a line, lacks the variable, or holds draws instead of statistics.
    """
    field = _curve(ds, variable)
    (dim,) = (name for name in field.dims if name != "statistic")
    x, derivative = ds[dim].to_numpy(), variable != "value"
    centre = "q50" if ds.attrs.get("scale") == "response" else "mean"
    middle, low, high = (field.sel(statistic=s).to_numpy() for s in (centre, "q025", "q975"))
    ax = style.new_axes(7.0, 3.2) if ax is None else ax
    if f"{variable}_band" in ds:
        band = ds[f"{variable}_band"].to_numpy()
        ax.fill_between(x, *band, color="0.9", linewidth=0, label="joint band")
    ax.fill_between(x, low, high, color="0.75", linewidth=0, label="95% interval")
    if derivative:
        ax.axhline(0.0, color="0.4", linewidth=0.8)
    what = "posterior median" if centre == "q50" else "posterior mean"
    ax.plot(x, middle, color=style.INK, linewidth=1.4, label=what)
    rule = None
    if derivative and significant:
        flag = ds[f"{variable}_significant"]
        rule = flag.attrs.get("rule")
        for side, colour, label in _sides(variable):
            of = np.where(flag.to_numpy() == side, middle, np.nan)
            if np.isfinite(of).any():
                ax.plot(x, of, color=colour, linewidth=3.0, label=f"significant: {label}")
    ax.set_xlim(x[0], x[-1])
    style.date_ticks(ax, x)
    ax.ticklabel_format(axis="y", scilimits=(-3, 5), useMathText=True)
    units = (style.in_units(a.attrs.get("units")) for a in (ds[dim], field))
    name = field.attrs.get("long_name", variable)
    ax.set_xlabel(ds[dim].attrs.get("long_name", dim) + next(units))
    ax.set_ylabel(style.wrapped(name + next(units)))
    return style.finish(ax, name[0].upper() + name[1:], rule=rule)


@checked
def change_points(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Change points on the panel of a curve: a line at each, its 95% interval, a tick on the rug.

    Parameters
    ----------
    table : DataFrame
        As `Posterior.change_points` returns; may be empty, and the panel then says so.
    ax : matplotlib Axes, optional
        With a `transect`; red rises, blue falls.

    Raises
    ------
    ValueError
        `table` lacks a column.
    """
    columns = ["position", "position_q025", "position_q975", "direction"]
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(
            f"the table of change points must have the columns {columns}; {missing} are missing. "
            "Pass the DataFrame as change_points() returned it."
        )
    ax = style.new_axes(7.0, 1.6) if ax is None else ax
    colours = {"rise": style.POSITIVE, "fall": style.NEGATIVE}
    for row in table[columns].itertuples():
        colour = colours[row.direction]
        ax.axvspan(row.position_q025, row.position_q975, color=colour, alpha=0.2, linewidth=0)
        ax.axvline(row.position, color=colour, linewidth=1.2)
        ax.axvline(row.position, ymax=TICK, color=colour, linewidth=4.0)
    if table.empty:
        place = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(0.99, 0.96, "no change point found", **place)
    return ax


def _sides(variable: str) -> list[tuple[int, str, str]]:
    words = ("bends up", "bends down") if variable == "dxx" else ("rises", "falls")
    return [(1, style.POSITIVE, words[0]), (-1, style.NEGATIVE, words[1])]


def _curve(ds: xr.Dataset, variable: str) -> xr.DataArray:
    """A variable on (statistic, one dimension)."""
    known = [name for name in ("value", "dx", "dxx") if name in ds]
    if variable not in known:
        raise ValueError(f"`variable` must be in the surface; got {variable!r}. It has {known}.")
    field = ds[variable]
    if "statistic" not in field.dims:
        raise ValueError(
            "plots show statistics; got a surface of draws. Compute it with `keep_draws=False`."
        )
    if field.ndim != 2:
        raise ValueError(
            f"a transect has one dimension besides 'statistic'; got {field.dims}. Maps are drawn "
            "by plot.surface."
        )
    return field
