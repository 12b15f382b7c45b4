"""Maps of cells and points: surfaces, gradient arrows, data."""

from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import ArrayLike

from womble.arguments import checked
from womble.arrays import float_array
from womble.plot import style
from womble.readers import point_coordinates

STATISTICS = {"q025": "2.5% quantile", "q50": "posterior median", "q975": "97.5% quantile"}


@checked
def surface(
    ds: xr.Dataset,
    variable: str = "value",
    statistic: str | None = None,
    *,
    significant: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Map of one statistic of one variable of a surface.

    Parameters
    ----------
    ds : xarray.Dataset
        As `Posterior.surface` returns: dims ("statistic", "y", "x").
    variable : str
        Any variable on (y, x), such as "dx", "gradient_magnitude" or "dx_p_positive".
    statistic : str, optional
        "mean", "sd", "q025", "q50" or "q975"; by default the mean, on the response scale, where
        means need not exist, the median. Of no effect on a variable without statistics.
    significant : bool
        Outline the cells whose `<variable>_significant` is not 0 and fade the others, unless all
        are or the map is of the sd; the rule is named below the map.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `ds` lacks the variable or statistic, or holds draws instead of statistics.
    """
    statistic = statistic or _headline(ds)
    field, flag = _layer(ds, variable, statistic), f"{variable}_significant"
    bounds = [float(edge) for edge in (field.x.min(), field.y.min(), field.x.max(), field.y.max())]
    labels = (_name(ds[dim]) + style.in_units(ds[dim].attrs.get("units")) for dim in ("x", "y"))
    ax = style.map_axes(ax, bounds, tuple(labels), ds["x"].attrs.get("units"))
    ax.set_facecolor(style.NO_DATA)
    colours = _colours(field, signed=variable != "value" and flag in ds)
    mesh = ax.pcolormesh(field.x, field.y, field, shading="nearest", rasterized=True, **colours)
    name = _name(field)
    bar = style.colour_bar(ax, mesh, name + style.in_units(field.attrs.get("units")))
    if "vmin" in colours:
        ticks = np.linspace(*mesh.get_clim(), 3 if variable.endswith("_significant") else 5)
        bar.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    if "statistic" in field.coords:
        name += f": {STATISTICS.get(statistic, f'posterior {statistic}')}"
    name, marks = name[0].upper() + name[1:], []
    if significant and flag in ds and statistic != "sd" and (ds[flag] == 0).any():
        _mark_significant(ax, _layer(ds, flag, statistic))
        field, marks = ds[flag], ["outlined: significant, faded: not significant"]
    return style.finish(ax, name, *marks, rule=field.attrs.get("rule"))


@checked
def probability(raster: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Map of the probability that a boundary passes through each cell.

    Parameters
    ----------
    raster : xarray.DataArray
        As `Posterior.boundary_probability` returns.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `raster` is not on (y, x).
    """
    if set(raster.dims) != {"y", "x"}:
        raise ValueError(
            f"`raster` must have the dimensions ('y', 'x'); got {raster.dims}. "
            "Pass the DataArray as boundary_probability() returned it."
        )
    shown = raster.rename(raster.name or "boundary_probability")
    ax = surface(shown.to_dataset(), str(shown.name), ax=ax)
    mesh = ax.collections[-1]
    mesh.set_clim(0.0, float(shown.max()) or 1.0)
    ax.child_axes[-1].set_ylabel(style.wrapped("probability of a boundary in the cell"))
    return style.finish(ax, "Probability of a boundary")


@checked
def gradient_arrows(ds: xr.Dataset, *, every: int | None = None, ax: Axes | None = None) -> Axes:
    """Arrows of the posterior gradient, uphill, on a pale map of the value.

    The mean of dx and dy (response scale: the median) is drawn, black where either is significant
    and grey elsewhere, with lengths on a common scale that is stated below the map.

    Parameters
    ----------
    ds : xarray.Dataset
        A surface with `value`, `dx`, `dy` and `dx_significant`, `dy_significant`.
    every : int, optional
        Draw every so many cells; by default about 20 arrows along the longer side.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `ds` lacks a variable, or holds draws instead of statistics.
    """
    ax = surface(ds, significant=False, ax=ax)
    ax.set_facecolor("white")
    ax.collections[-1].set_alpha(0.5)  # arrows of either grey stand out on all of it
    ax.collections[-1].changed()  # so that the colour bar follows
    every = every or max(1, round(max(ds.sizes["x"], ds.sizes["y"]) / 20))
    thin, names = slice(every // 2, None, every), ("dx", "dy", "dx_significant", "dy_significant")
    layers = (_layer(ds, name, _headline(ds)) for name in names)
    dx, dy, *signs = (layer[thin, thin].to_numpy() for layer in layers)
    x, y = np.meshgrid(ds.x[thin], ds.y[thin])
    steepest = float(np.nanmax(np.hypot(dx, dy), initial=0.0)) or 1.0
    # The longest arrow nearly spans the gap to its neighbour; longer ones would join into lines.
    length = 0.95 * every * abs(float(ds.x[1] - ds.x[0]))
    shape = {"angles": "xy", "scale_units": "xy", "scale": steepest / length, "pivot": "mid"}
    shape |= {"width": 0.004, "headwidth": 3.5, "headlength": 3.5, "headaxislength": 3.5}
    known, sure = np.isfinite(dx), (signs[0] != 0) | (signs[1] != 0)
    for at, colour in ((known & ~sure, "0.5"), (known & sure, "black")):
        ax.quiver(x[at], y[at], dx[at], dy[at], color=colour, **shape)
    longest = f"longest arrow: {steepest:.2g}{style.in_units(ds['dx'].attrs.get('units'))}"
    notes = (longest, "black: significant, grey: not significant")
    rule = ds["dx_significant"].attrs.get("rule")
    return style.finish(ax, "Gradient: arrows point uphill", *notes, rule=rule)


@checked
def data(
    coords: ArrayLike | gpd.GeoDataFrame,
    values: ArrayLike,
    *,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Map of point data coloured by value.

    Parameters
    ----------
    coords : array, shape (n, 2), or GeoDataFrame of points
        Locations; a GeoDataFrame also names the axes after its CRS.
    values : array, shape (n,)
        Coloured in RdBu_r centred at 0 where both signs occur, else in cividis.
    label : str, optional
        What the values are, with units, such as "zinc (mg/kg)".
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        The shapes do not fit.
    """
    geo = hasattr(coords, "geometry")
    xy = point_coordinates(coords, "coords") if geo else float_array(coords, "coords")
    values = float_array(values, "values")
    if xy.ndim != 2 or xy.shape[1] != 2 or values.shape != xy.shape[:1]:
        raise ValueError(
            "`coords` must have shape (n, 2) and `values` shape (n,); got "
            f"{xy.shape} and {values.shape}. Give one (x, y) row and one value per location."
        )
    labels, units = ("x", "y"), None
    if geo:
        labels, units = style.map_labels(coords), style.map_units(coords)
    ax = style.map_axes(ax, [*xy.min(axis=0), *xy.max(axis=0)], labels, units)
    size = np.clip(6000 / len(values), 3, 36)  # square points; a crowd stays apart
    dots = {"s": size, "edgecolors": "0.2", "linewidths": 0.4, **style.colours(values)}
    style.colour_bar(ax, ax.scatter(*xy.T, c=values, **dots), label or "value")
    return style.finish(ax, "Data")


def _headline(ds: xr.Dataset) -> str:
    return "q50" if ds.attrs.get("scale") == "response" else "mean"


def _layer(ds: xr.Dataset, variable: str, statistic: str) -> xr.DataArray:
    """One statistic of a variable, (y, x)."""
    if variable not in ds:
        raise ValueError(
            f"`variable` must be in the surface; got {variable!r}. "
            f"It has {', '.join(map(str, ds.data_vars))}."
        )
    field = ds[variable]
    if "draw" in field.dims:
        raise ValueError(
            "plots show statistics; got a surface of draws. "
            "Compute it with `keep_draws=False`, or select one with `ds.isel(draw=0)`."
        )
    if "statistic" in field.dims:
        known = field["statistic"].values.tolist()
        if statistic not in known:
            raise ValueError(f"`statistic` must be one of {known}; got {statistic!r}.")
        field = field.sel(statistic=statistic)
    if set(field.dims) != {"y", "x"}:
        raise ValueError(
            f"a map needs the dimensions ('y', 'x'); got {field.dims}. Curves along a line are "
            "drawn by plot.transect."
        )
    return field.transpose("y", "x")


def _name(field: xr.DataArray) -> str:
    return field.attrs.get("long_name", str(field.name).replace("_", " "))


def _colours(field: xr.DataArray, signed: bool) -> dict[str, Any]:
    """Colour map and limits that suit what a variable is."""
    name = str(field.name)
    if name.endswith("_p_positive"):
        return {"cmap": "cividis", "vmin": 0.0, "vmax": 1.0}
    if name.endswith("_significant"):
        return {"cmap": "RdBu_r", "vmin": -1.0, "vmax": 1.0}
    if "statistic" in field.coords and field["statistic"] == "sd":
        return {"cmap": "cividis"}
    if name == "gradient_direction":
        half = 180.0 if field.attrs.get("units") == "degree" else np.pi
        start = -half if (field < 0).any() else 0.0
        return {"cmap": "twilight", "vmin": start, "vmax": start + 2 * half}
    return style.colours(field, signed)


def _mark_significant(ax: Axes, flags: xr.DataArray) -> None:
    """Fade the cells that are not significant and outline those that are."""
    faded, significant = flags.where(flags == 0), (flags.fillna(0) != 0).astype(float)
    white = ListedColormap([(1.0, 1.0, 1.0, 0.55)])
    ax.pcolormesh(flags.x, flags.y, faded, cmap=white, shading="nearest", rasterized=True)
    if significant.any():
        ax.contour(flags.x, flags.y, significant, levels=[0.5], colors=style.INK, linewidths=1.1)
