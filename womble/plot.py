"""Maps and profiles of surfaces, boundaries and wombling measures.

Every function draws on `ax`, or on a new figure without it, and returns the Axes; none calls
`show`. Quantities with a sign are drawn in RdBu_r centred at 0, all others in cividis: both survive
the common forms of colour blindness. `units` and `long_name` attributes become labels.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from womble.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

STATISTICS = {
    "mean": "posterior mean",
    "sd": "posterior sd",
    "q025": "2.5% quantile",
    "q50": "posterior median",
    "q975": "97.5% quantile",
}
SIGNED = {
    *("dx", "dy", "dxx", "dxy", "dyy"),
    *("laplacian", "gaussian_curvature", "curvature_max", "curvature_min"),
}
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"  # the ends of RdBu_r
INK, NO_DATA = "0.15", "0.88"  # greys: lines and text; the ground where nothing is predicted
BAR = "womble colour bar"


def surface(
    ds: xr.Dataset,
    variable: str = "value",
    statistic: str = "mean",
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
    statistic : str
        "mean", "sd", "q025", "q50" or "q975"; of no effect on a variable without statistics.
    significant : bool
        Outline the cells whose `<variable>_significant` is not 0 and fade the others, where `ds`
        has that variable; its rule is named in the legend.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `ds` lacks the variable or statistic, or holds draws instead of statistics.
    """
    field = _layer(ds, variable, statistic)
    ax = _map_axes(ax, *_extent(field), labels=_axis_labels(ds))
    colours = _field_colours(field, variable, statistic)
    ax.set_facecolor(NO_DATA)
    mesh = ax.pcolormesh(field.x, field.y, field, shading="nearest", rasterized=True, **colours)
    bar = _colour_bar(ax, mesh, _label(field, variable, statistic))
    if variable == "gradient_direction" and statistic != "sd":
        _quarter_ticks(bar, *mesh.get_clim())
    if variable.endswith("_significant"):
        bar.set_ticks([-1, 0, 1])
    if significant and f"{variable}_significant" in ds:
        _mark_significant(ax, ds[f"{variable}_significant"])
    return _title(ax, _title_text(field, variable, statistic))


def gradient_arrows(ds: xr.Dataset, *, every: int | None = None, ax: Axes | None = None) -> Axes:
    """Arrows of the posterior mean gradient, uphill, on a map of the value.

    Arrows are dark where dx or dy is significant and pale elsewhere. They have the length of the
    gradient on a common scale, which the legend states.

    Parameters
    ----------
    ds : xarray.Dataset
        A surface with `value`, `dx`, `dy` and `dx_significant`, `dy_significant`.
    every : int, optional
        Draw every so many cells; by default about 20 arrows along the longer side.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = _title(surface(ds, significant=False, ax=ax), "Gradient: arrows point uphill")
    every = every or max(1, round(max(ds.sizes["x"], ds.sizes["y"]) / 20))
    thin = {dim: slice(every // 2, None, every) for dim in ("y", "x")}
    dx, dy = (_layer(ds, name, "mean").isel(thin) for name in ("dx", "dy"))
    sure = sum(abs(_layer(ds, f"{d}_significant", "mean").isel(thin)) for d in ("dx", "dy")) > 0
    steepest = float(np.nanmax(np.hypot(dx, dy), initial=0.0)) or 1.0
    # The longest arrow nearly spans the gap to its neighbour; longer ones would join into lines.
    length = 0.95 * every * abs(float(ds.x[1] - ds.x[0]))
    style = {"angles": "xy", "scale_units": "xy", "scale": steepest / length, "pivot": "mid"}
    style |= {"width": 0.005, "headwidth": 4, "headlength": 4, "headaxislength": 3.6}
    style |= {"linewidth": 0.5}
    known, (x, y) = np.isfinite(dx + dy), np.meshgrid(dx.x, dx.y)
    for where, colour, edge in ((known & ~sure, "0.85", "0.45"), (known & sure, "black", "white")):
        at = where.to_numpy()
        arrows = (x[at], y[at], dx.to_numpy()[at], dy.to_numpy()[at])
        ax.quiver(*arrows, color=colour, edgecolor=edge, **style)
    marks = [_arrow("black", "black", "significant"), _arrow("0.85", "0.45", "not significant")]
    longest = f"longest arrow: {steepest:.2g}{_in_units(dx.attrs.get('units'))}"
    _legend(ax, marks, title=longest, rule=ds["dx_significant"].attrs.get("rule"))
    return ax


def segments(gdf: gpd.GeoDataFrame, quantity: str = "gradient", *, ax: Axes | None = None) -> Axes:
    """Map of the average wombling measure of each segment, thick where significant.

    Parameters
    ----------
    gdf : GeoDataFrame
        As `Posterior.womble` returns: `average_<quantity>_mean`, `<quantity>_significant`, lines.
    quantity : {"gradient", "curvature"}
        Which measure. Positive (red): rising to the right of travel, outward on a polygon.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `gdf` lacks a column.
    """
    measure = f"average_{quantity}_mean"
    _require(gdf, "segments", measure, f"{quantity}_significant")
    ax = _map_axes(ax, *gdf.total_bounds, labels=_crs_labels(gdf))
    values, significant = gdf[measure].to_numpy(float), gdf[f"{quantity}_significant"].abs().gt(0)
    widths = np.where(significant, 5.0, 1.8)
    lines = _draw_lines(ax, gdf, values, widths, _diverging(values))
    label = f"average {quantity} across the line{_in_units(_column_units(gdf, measure))}"
    _colour_bar(ax, lines, label)
    keys = [_line("thick: significant", 5.0), _line("thin: not significant", 1.8)]
    _legend(ax, keys, rule=_rule(gdf))
    return _title(ax, f"{quantity.capitalize()} across the line")


def boundaries(gdf: gpd.GeoDataFrame, *, ax: Axes | None = None) -> Axes:
    """Map of boundary lines: colour is steepness, width is probability, the number `boundary_id`.

    Drawn on a map that has a colour bar already, such as a `surface`, the lines are black.

    Parameters
    ----------
    gdf : GeoDataFrame
        As `Posterior.boundaries` returns; may be empty, and the map then says so.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `gdf` lacks a column.
    """
    _require(gdf, "boundaries", "boundary_id", "probability", "steepness_mean")
    ax = _map_axes(ax, *gdf.total_bounds, labels=_crs_labels(gdf))
    if gdf.empty:
        middle = {"ha": "center", "va": "center", "transform": ax.transAxes, "color": INK}
        ax.text(0.5, 0.5, "no boundary found", bbox={"fc": "white", "ec": "0.6"}, **middle)
        if not _has_map(ax):
            ax.set(xticks=[], yticks=[])  # 0 to 1 would be read as coordinates
        return _title(ax, "Boundaries")
    steepness, widths = (
        gdf["steepness_mean"].to_numpy(float),
        _probability_width(gdf["probability"]),
    )
    if _has_map(ax):  # two colour scales on one map cannot be told apart
        _draw_lines(ax, gdf, steepness, widths, None)
    else:
        lines = _draw_lines(ax, gdf, steepness, widths, _sequential(steepness))
        units = _in_units(_column_units(gdf, "steepness_mean"))
        _colour_bar(ax, lines, f"steepness{units}")
    _number_lines(ax, gdf)
    shown = (0.5, 0.8, 0.95)
    keys = [_line(f"{p:g}", w) for p, w in zip(shown, _probability_width(shown), strict=True)]
    _legend(ax, keys, title="width: probability", rule=_rule(gdf), columns=3)
    return _title(ax, "Boundaries")


def measure_profile(
    segments: gpd.GeoDataFrame, quantity: str = "gradient", *, ax: Axes | None = None
) -> Axes:
    """Average wombling measure along one curve, segment by segment, with its 95% band.

    Parameters
    ----------
    segments : GeoDataFrame
        The rows of one curve of `Posterior.womble(..., by="segment")`, in any order.
    quantity : {"gradient", "curvature"}
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        x is the arc length from the start of the curve, in coordinate units.

    Raises
    ------
    ValueError
        A column is missing, or there are no or several curves.
    """
    names = [f"average_{quantity}_{s}" for s in ("mean", "q025", "q975")]
    _require(segments, "segments", "curve_id", "segment_id", "length", *names)
    _require(segments, "segments", f"{quantity}_significant")
    curves = segments["curve_id"].unique()
    if len(curves) != 1:
        raise ValueError(
            f"a profile needs the segments of exactly one curve; got the curves {list(curves)}. "
            "Select one: `segments[segments.curve_id == ...]`."
        )
    rows = segments.sort_values("segment_id")
    ax = _new_axes(7.0, 3.6) if ax is None else ax
    edges = np.concatenate([[0.0], np.cumsum(rows["length"])])
    mean, low, high = (rows[name].to_numpy(float) for name in names)
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.stairs(high, edges, baseline=low, fill=True, color="0.8", label="95% interval")
    ax.stairs(mean, edges, baseline=None, color=INK, linewidth=1.6, label="posterior mean")
    _mark_signs(ax, (edges[1:] + edges[:-1]) / 2, mean, rows[f"{quantity}_significant"])
    ax.use_sticky_edges = False  # leave air above and below the band
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(f"distance along the curve{_in_units(_crs_units(segments))}")
    units = _in_units(_column_units(segments, names[0]))
    ax.set_ylabel(_wrapped(f"average {quantity}{units}"))
    _legend(ax, [], rule=_rule(segments), columns=4)
    return _title(ax, f"{quantity.capitalize()} across the curve")


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

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The shapes do not fit.
    """
    geo = hasattr(coords, "geometry")
    xy = coords.geometry.get_coordinates().to_numpy() if geo else np.asarray(coords, dtype=float)
    values = np.asarray(values, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2 or values.shape != xy.shape[:1]:
        raise ValueError(
            "`coords` must have shape (n, 2) and `values` shape (n,); got "
            f"{xy.shape} and {values.shape}. Give one (x, y) row and one value per location."
        )
    labels = _crs_labels(coords) if geo else ("x", "y")
    ax = _map_axes(ax, *xy.min(axis=0), *xy.max(axis=0), labels=labels)
    order = np.argsort(np.abs(values))  # large values on top, where points overlap
    size = float(np.clip(6000 / len(values), 3, 36))  # square points; a crowd stays apart
    style = {"s": size, "edgecolors": "0.2", "linewidths": 0.4, "rasterized": len(values) > 5000}
    colours = _diverging(values) if _has_both_signs(values) else _sequential(values)
    points = ax.scatter(*xy[order].T, c=values[order], **style, **colours)
    _colour_bar(ax, points, label or "value")
    return _title(ax, "Data")


# Reading tables -----------------------------------------------------------------------------------


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
    return field.transpose("y", "x")


def _require(gdf: gpd.GeoDataFrame, table: str, *columns: str) -> None:
    missing = [name for name in columns if name not in gdf.columns]
    if missing:
        raise ValueError(
            f"the {table} table must have the columns {list(columns)}; {missing} are missing. "
            "Pass the GeoDataFrame as womble returned it."
        )


def _extent(field: xr.DataArray) -> tuple[float, float, float, float]:
    return tuple(float(v) for v in (field.x.min(), field.y.min(), field.x.max(), field.y.max()))


def _rule(gdf: gpd.GeoDataFrame) -> str | None:
    """The decision rule, where a table has one and only one."""
    rules = gdf["rule"].dropna().unique() if "rule" in gdf.columns else []
    return str(rules[0]) if len(rules) == 1 else None


def _has_both_signs(values: ArrayLike) -> bool:
    values = np.asarray(values)
    return bool((values < 0).any() and (values > 0).any())


# Words --------------------------------------------------------------------------------------------


def _in_units(units: str | None) -> str:
    """' (mg kg⁻¹)' for 'mg kg-1'; nothing for dimensionless or unknown units."""
    units = (units or "").strip()
    units = {"metre": "m", "meter": "m", "degree": "°"}.get(units, units).removeprefix("1 ")
    if units in ("", "1"):
        return ""
    raised = re.sub(r"(?<=[A-Za-zµ°)])(-?[0-9]+)", r"$^{\1}$", units)
    return f" ({raised})"


def _wrapped(label: str) -> str:
    """A long label with its units on a second line; about 32 characters fit beside a map."""
    printed = re.sub(r"[$^{}]", "", label)
    return label.replace(" (", "\n(", 1) if len(printed) > 32 else label


def _label(field: xr.DataArray, variable: str, statistic: str) -> str:
    """Colour bar label: long name, statistic unless it is the mean, units."""
    name = field.attrs.get("long_name", variable.replace("_", " "))
    which = "" if "statistic" not in field.coords or statistic == "mean" else f", {statistic}"
    return f"{name}{which}{_in_units(field.attrs.get('units'))}"


def _title_text(field: xr.DataArray, variable: str, statistic: str) -> str:
    name = field.attrs.get("long_name", variable.replace("_", " "))
    name = name[:1].upper() + name[1:]
    return (
        f"{name}: {STATISTICS.get(statistic, statistic)}" if "statistic" in field.coords else name
    )


def _axis_labels(ds: xr.Dataset) -> tuple[str, str]:
    """Names and units of x and y, from their own attributes."""
    return tuple(
        ds[dim].attrs.get("long_name", dim) + _in_units(ds[dim].attrs.get("units"))
        for dim in ("x", "y")
    )


def _crs_units(gdf: gpd.GeoDataFrame) -> str:
    return gdf.crs.axis_info[0].unit_name if gdf.crs is not None else ""


def _crs_labels(gdf: gpd.GeoDataFrame) -> tuple[str, str]:
    """'easting (m)', 'northing (m)' in a projected CRS; 'x', 'y' in a plain plane."""
    names = ("x", "y") if gdf.crs is None else ("easting", "northing")
    return tuple(name + _in_units(_crs_units(gdf)) for name in names)


def _column_units(gdf: gpd.GeoDataFrame, column: str) -> str:
    """Units of a column, from the mapping `gdf.attrs["units"]` where there is one."""
    units = gdf.attrs.get("units", {})
    return units.get(column, "") if isinstance(units, dict) else ""


# Colours ------------------------------------------------------------------------------------------


def _finite(values: ArrayLike) -> FloatArray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]


def _diverging(values: ArrayLike) -> dict[str, Any]:
    """RdBu_r with white at 0 and equal reach to both sides."""
    reach = float(np.max(np.abs(_finite(values)), initial=0.0)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}


def _sequential(values: ArrayLike) -> dict[str, Any]:
    finite = _finite(values)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return {"cmap": "cividis", "vmin": low, "vmax": high}


def _field_colours(field: xr.DataArray, variable: str, statistic: str) -> dict[str, Any]:
    """Colour map and limits that suit what a variable is."""
    if variable.endswith("_p_positive"):
        return {"cmap": "cividis", "vmin": 0.0, "vmax": 1.0}
    if statistic == "sd" and "statistic" in field.coords:
        return _sequential(field)
    if variable == "gradient_direction":
        turn = 2 * np.pi if field.attrs.get("units", "radian").startswith("rad") else 360.0
        start = -turn / 2 if (_finite(field) < 0).any() else 0.0
        return {"cmap": "twilight", "vmin": start, "vmax": start + turn}
    signed = variable.removesuffix("_significant") in SIGNED or variable.endswith("_significant")
    return _diverging(field) if signed or _has_both_signs(field) else _sequential(field)


# Drawing ------------------------------------------------------------------------------------------


def _new_axes(width: float, height: float) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="compressed")[1]


def _map_axes(
    ax: Axes | None, left: float, bottom: float, right: float, top: float, labels: tuple[str, str]
) -> Axes:
    """Axes for a map, `ax` or new ones in the proportions of the map; existing labels are kept."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    if ax is None:
        ratio = (top - bottom) / (right - left) if right > left and top > bottom else 1.0
        # 4.2 inches for the longer side of the map, the rest for colour bar, labels and legend.
        ax = _new_axes(4.2 * min(1.0, 1 / ratio) + 1.9, 4.2 * min(1.0, ratio) + 1.3)
    ax.set_aspect("equal")
    for axis, label in ((ax.xaxis, labels[0]), (ax.yaxis, labels[1])):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
        axis.get_major_formatter().set_scientific(False)  # 181000, not 1.81e5
        axis.set_label_text(axis.get_label_text() or label)
    return ax


def _title(ax: Axes, text: str) -> Axes:
    ax.set_title(text, loc="left", fontsize="medium")
    return ax


def _bars(ax: Axes) -> list[Axes]:
    """Colour bars that belong to a map."""
    return [child for child in ax.child_axes if child.get_label() == BAR]


def _has_map(ax: Axes) -> bool:
    return len(_bars(ax)) > 0


def _colour_bar(ax: Axes, mappable: ScalarMappable, label: str):
    """Colour bar of the map's own height, to the right of those already there."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    # Inches to the right of the axes, and the share of their height: exact whatever the aspect.
    fig = ax.figure
    inches = fig.dpi_scale_trans + ScaledTranslation(1, 0, ax.transAxes)
    place = blended_transform_factory(inches, ax.transAxes)
    before = len(_bars(ax))
    cax = ax.inset_axes((0.1 + 1.1 * before, 0, 0.14, 1), transform=place, label=BAR)
    bar = fig.colorbar(mappable, cax=cax)
    cax.set_label(BAR)
    bar.set_label(_wrapped(label))
    bar.formatter.set_powerlimits((-3, 5))
    bar.formatter.set_useMathText(True)
    cax.yaxis.get_offset_text().set_horizontalalignment("left")
    cax.yaxis.OFFSETTEXTPAD = 8  # points: the default 3 touch a tick label at the very top
    return bar


def _quarter_ticks(bar, low: float, high: float) -> None:
    """Ticks at quarter turns, as multiples of pi for radians."""
    ticks = np.linspace(low, high, 5)
    names = {-2: "−π", -1: "−π/2", 0: "0", 1: "π/2", 2: "π", 3: "3π/2", 4: "2π"}
    degrees = high - low > 7
    bar.set_ticks(
        ticks, labels=[f"{t:g}" if degrees else names[round(2 * t / np.pi)] for t in ticks]
    )


def _mark_significant(ax: Axes, flags: xr.DataArray) -> None:
    """Fade the cells that are not significant and outline those that are."""
    from matplotlib.colors import ListedColormap

    flags = flags.transpose("y", "x")
    shown: BoolArray = (np.isfinite(flags) & (flags != 0)).to_numpy()
    faded = np.ma.masked_where(
        shown | np.isnan(flags.to_numpy().astype(float)), np.ones(shown.shape)
    )
    white = ListedColormap([(1.0, 1.0, 1.0, 0.55)])
    ax.pcolormesh(flags.x, flags.y, faded, cmap=white, shading="nearest", rasterized=True)
    if shown.any() and not shown.all():
        ax.contour(flags.x, flags.y, shown.astype(float), levels=[0.5], colors=INK, linewidths=1.1)
    keys = [_line("outlined: significant", 1.1), _patch("white", "0.6", "faded: not significant")]
    _legend(ax, keys, rule=flags.attrs.get("rule"))


def _draw_lines(
    ax: Axes,
    gdf: gpd.GeoDataFrame,
    values: FloatArray,
    widths: FloatArray,
    colours: dict[str, Any] | None,
):
    """Lines coloured by value, or black without `colours`, on a casing that sets them off.

    Without it pale colours vanish on a white ground and dark ones on a dark map.
    """
    import shapely
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    parts, row = shapely.get_parts(gdf.geometry.to_numpy(), return_index=True)
    paths = [shapely.get_coordinates(part) for part in parts]
    style = {"capstyle": "round", "joinstyle": "round", "zorder": 3}
    casing = {"colors": INK, "linewidths": widths[row] + 1.2}
    fill = {"linewidths": widths[row]}
    if colours is None:
        casing["colors"], fill["colors"] = "white", "black"
    else:
        norm = Normalize(colours["vmin"], colours["vmax"])
        fill |= {"array": values[row], "cmap": colours["cmap"], "norm": norm}
    ax.add_collection(LineCollection(paths, **casing, **style))
    lines = ax.add_collection(LineCollection(paths, **fill, **style))
    ax.autoscale_view()
    return lines


def _probability_width(probability: ArrayLike) -> FloatArray:
    """Line width in points: 1.2 at a probability of 0.5 or less, 5 at 1."""
    p = np.nan_to_num(np.asarray(probability, dtype=float))
    return 1.2 + 3.8 * np.clip((p - 0.5) / 0.5, 0.0, 1.0)


def _number_lines(ax: Axes, gdf: gpd.GeoDataFrame) -> None:
    """`boundary_id` in a box at the middle of each line."""
    import shapely

    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": INK, "linewidth": 0.6}
    style = {"ha": "center", "va": "center", "fontsize": "small", "zorder": 4, "clip_on": True}
    for number, line in zip(gdf["boundary_id"], gdf.geometry, strict=True):
        longest = max(shapely.get_parts(line), key=shapely.length)
        x, y = shapely.get_coordinates(longest.interpolate(0.5, normalized=True))[0]
        ax.text(x, y, str(number), bbox=box, **style)


def _mark_signs(ax: Axes, where: FloatArray, mean: FloatArray, sign: ArrayLike) -> None:
    """Triangles on significant segments, up for positive and down for negative."""
    sign = np.asarray(sign, dtype=float)
    kinds = (
        (1, "^", POSITIVE, "significantly positive"),
        (-1, "v", NEGATIVE, "significantly negative"),
    )
    for value, marker, colour, label in kinds:
        at = sign == value
        if at.any():
            style = {"linestyle": "none", "marker": marker, "color": colour, "zorder": 3}
            ax.plot(where[at], mean[at], label=label, markersize=6, **style)


def _line(label: str, width: float):
    from matplotlib.lines import Line2D

    return Line2D([], [], color=INK, linewidth=width, label=label)


def _arrow(face: str, edge: str, label: str):
    from matplotlib.lines import Line2D

    colours = {"markerfacecolor": face, "markeredgecolor": edge, "markersize": 9}
    return Line2D([], [], linestyle="none", marker=r"$\rightarrow$", label=label, **colours)


def _patch(face: str, edge: str, label: str):
    from matplotlib.patches import Patch

    return Patch(facecolor=face, edgecolor=edge, label=label)


def _legend(
    ax: Axes, handles: list, *, rule: str | None = None, title: str | None = None, columns: int = 2
) -> None:
    """Legend below the axis label, clear of the map; a former one, of a layer below, is kept."""
    from matplotlib.transforms import ScaledTranslation

    old = ax.get_legend()
    handles = [
        *(old.legend_handles if old else []),
        *(handles or ax.get_legend_handles_labels()[0]),
    ]
    heads = [title, textwrap.fill(f"rule: {rule}", 60) if rule else None]
    if old:
        heads.insert(0, old.get_title().get_text())
    title = "\n".join(dict.fromkeys(filter(None, heads)))
    # 40 points hold the tick labels and the axis label, at any size of the axes.
    below = ax.transAxes + ScaledTranslation(0, -40 / 72, ax.figure.dpi_scale_trans)
    place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below}
    style = {"frameon": False, "fontsize": "small", "borderaxespad": 0, "title_fontsize": "small"}
    style |= {"alignment": "left", "ncols": columns, "handlelength": 1.6, "columnspacing": 1.2}
    ax.legend(handles=handles, title=title or None, **place, **style)
