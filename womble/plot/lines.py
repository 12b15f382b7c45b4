"""Lines: wombling measures of segments, as map and as profile; boundaries and their draws."""

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.plot import style

# Two hundred lines on one another are black, a single one is still seen.
OPACITY = 0.06


@checked
def segments(gdf: gpd.GeoDataFrame, quantity: str = "gradient", *, ax: Axes | None = None) -> Axes:
    """Map of the average wombling measure of each segment, thick where significant.

    Parameters
    ----------
    gdf : GeoDataFrame
        As `Posterior.womble` returns. Units come from `gdf.attrs["units"]`, a mapping of columns
        to units, where there is one.
    quantity : {"gradient", "curvature"}
        Which measure. Positive (red): rising to the right of travel, outward on a polygon.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `gdf` lacks a column.
    """
    measure = f"average_{quantity}_mean"
    _require(gdf, "segments", measure, f"{quantity}_significant", "rule")
    ax = style.map_axes(ax, gdf.total_bounds, style.map_labels(gdf), style.map_units(gdf))
    widths = np.where(gdf[f"{quantity}_significant"] != 0, 5.0, 1.8)
    lines = _draw(ax, gdf, widths, gdf[measure].to_numpy(), signed=True)
    style.colour_bar(ax, lines, f"average {quantity} across the line{_units(gdf, measure)}")
    marks = "thick: significant, thin: not significant"
    return style.finish(ax, f"{quantity.capitalize()} across the line", marks, rule=_rule(gdf))


@checked
def boundaries(gdf: gpd.GeoDataFrame, *, ax: Axes | None = None) -> Axes:
    """Map of boundary lines: colour is steepness, width is probability, the number `boundary_id`.

    Drawn on a map that has a colour bar already, such as a `surface`, the lines are black.

    Parameters
    ----------
    gdf : GeoDataFrame
        As `Posterior.boundaries` returns; may be empty, and the map then says so.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `gdf` lacks a column.
    """
    _require(gdf, "boundaries", "boundary_id", "probability", "steepness_mean", "rule")
    ax = style.map_axes(ax, gdf.total_bounds, style.map_labels(gdf), style.map_units(gdf))
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": style.INK}
    label = {"bbox": box, "ha": "center", "va": "center", "fontsize": "small", "clip_on": True}
    if gdf.empty:
        ax.text(0.5, 0.5, "no boundary found", transform=ax.transAxes, **label)
        if not ax.child_axes:
            ax.set(xticks=[], yticks=[])  # 0 to 1 would be read as coordinates
        return style.finish(ax, "Boundaries")
    widths = np.interp(gdf["probability"], [0.5, 1.0], [1.2, 5.0])
    if ax.child_axes:  # two colour scales on one map cannot be told apart
        _draw(ax, gdf, widths, None, signed=False)
    else:
        lines = _draw(ax, gdf, widths, gdf["steepness_mean"].to_numpy(), signed=False)
        style.colour_bar(ax, lines, f"steepness{_units(gdf, 'steepness_mean')}")
    places = shapely.line_interpolate_point(gdf.geometry.to_numpy(), 0.5, normalized=True)
    for number, place in zip(gdf["boundary_id"], places, strict=True):
        ax.text(place.x, place.y, str(number), zorder=4, **label)
    marks = "width: probability, thin 0.5 to thick 1"
    return style.finish(ax, "Boundaries", marks, rule=_rule(gdf))


@checked
def spaghetti(
    draws: gpd.GeoDataFrame, *, lines: gpd.GeoDataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Map of the boundaries of every draw, thin and transparent, those of the mean on top.

    Parameters
    ----------
    draws : GeoDataFrame
        As `Posterior.boundary_draws` returns; may be empty, and the map then says so.
    lines : GeoDataFrame, optional
        Boundaries of the mean, as `Posterior.boundaries` returns.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        `draws` lacks a column.
    """
    _require(draws, "draws", "draw", "geometry")
    some = lines if draws.empty and lines is not None else draws
    labels, units = style.map_labels(draws), style.map_units(draws)
    ax = style.map_axes(ax, some.total_bounds, labels, units)
    if draws.empty:
        place = {"transform": ax.transAxes, "ha": "center", "va": "center"}
        ax.text(0.5, 0.5, "no boundary in any draw", **place)
    paths = [np.asarray(line.coords) for line in draws.geometry]
    opacity = max(OPACITY, 1 / max(1, draws["draw"].nunique()))
    thin = LineCollection(paths, colors=style.NEGATIVE, linewidths=0.8, alpha=opacity, zorder=2)
    ax.add_collection(thin)
    if lines is not None:
        _draw(ax, lines, np.full(len(lines), 2.2), None, signed=False)
    ax.autoscale_view()
    settings = draws.attrs.get("womble", {})
    count = settings.get("samples", draws["draw"].nunique())
    ax.set_title(f"Boundaries of {count} draws", loc="left", fontsize="medium")
    return ax


@checked
def along(
    segments: gpd.GeoDataFrame, quantity: str = "gradient", *, ax: Axes | None = None
) -> Axes:
    """Average wombling measure along one curve, piece by piece, with its bands.

    The 95% interval of each piece; around it, where the rule is `simultaneous`, the band that
    covers all pieces at once. Significant pieces are coloured: red rises to the right of travel
    (outward on a polygon), blue falls.

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
    measure = f"average_{quantity}"
    names = [f"{measure}_{s}" for s in ("mean", "q025", "q975")]
    columns = ("curve_id", "segment_id", "length", *names, f"{quantity}_significant", "rule")
    _require(segments, "segments", *columns)
    curves = segments["curve_id"].unique()
    if len(curves) != 1:
        raise ValueError(
            f"a profile needs the segments of exactly one curve; got the curves {list(curves)}. "
            "Select one: `segments[segments.curve_id == ...]`."
        )
    rows = segments.sort_values("segment_id")
    ax = style.new_axes(7.0, 3.6) if ax is None else ax
    edges = np.concatenate([[0.0], np.cumsum(rows["length"])])
    mean, low, high = (rows[name].to_numpy() for name in names)
    if f"{measure}_band_lower" in rows:
        band = [rows[f"{measure}_band_{bound}"].to_numpy() for bound in ("lower", "upper")]
        ax.stairs(band[1], edges, baseline=band[0], fill=True, color="0.9", label="joint band")
    ax.stairs(high, edges, baseline=low, fill=True, color="0.75", label="95% interval")
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.stairs(mean, edges, baseline=None, color=style.INK, linewidth=1.2, label="posterior mean")
    sign = rows[f"{quantity}_significant"].to_numpy()
    for side, colour, label in ((1, style.POSITIVE, "rises"), (-1, style.NEGATIVE, "falls")):
        of = sign == side
        if of.any():
            pieces = (mean[of], edges[:-1][of], edges[1:][of])
            ax.hlines(*pieces, color=colour, linewidth=3.5, label=f"significant: {label}")
    ax.use_sticky_edges = False  # leave air above and below the band
    ax.set_xlim(edges[0], edges[-1])
    ax.ticklabel_format(axis="y", scilimits=(-3, 5), useMathText=True)
    ax.set_xlabel(f"distance along the curve{style.distance_units(segments)}")
    ax.set_ylabel(style.wrapped(f"average {quantity}{_units(segments, names[0])}"))
    return style.finish(ax, f"{quantity.capitalize()} across the curve", rule=_rule(segments))


def _require(gdf: gpd.GeoDataFrame, table: str, *columns: str) -> None:
    missing = [name for name in columns if name not in gdf.columns]
    if missing:
        raise ValueError(
            f"the {table} table must have the columns {list(columns)}; {missing} are missing. "
            "Pass the GeoDataFrame as womble returned it."
        )


def _units(gdf: gpd.GeoDataFrame, column: str) -> str:
    return style.in_units(gdf.attrs.get("units", {}).get(column))


def _rule(gdf: gpd.GeoDataFrame) -> str:
    return "; ".join(gdf["rule"].unique())


def _draw(
    ax: Axes, gdf: gpd.GeoDataFrame, widths: FloatArray, values: FloatArray | None, signed: bool
) -> LineCollection:
    """Lines coloured by `values`, or black, on a casing that sets them off from any ground."""
    parts, row = shapely.get_parts(gdf.geometry.to_numpy(), return_index=True)
    paths = [shapely.get_coordinates(part) for part in parts]
    if values is None:
        ground, fill = "white", {"colors": "black"}
    else:
        ground, fill = style.INK, {"array": values[row], **style.colours(values, signed)}
    for extra, colours in ((1.2, {"colors": ground}), (0.0, fill)):
        lines = LineCollection(paths, linewidths=widths[row] + extra, zorder=3, **colours)
        lines.set_capstyle("round")
        ax.add_collection(lines)
    ax.autoscale_view()
    return lines
