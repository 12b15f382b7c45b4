"""What all plots share: units in labels, colours, axes, colour bars and notes."""

import re
import textwrap
from importlib.util import find_spec
from typing import Any

import geopandas as gpd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import CenteredNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory
from numpy.typing import ArrayLike

from womble.readers import UNIT_SYMBOLS, coordinate_units

POSITIVE, NEGATIVE = "#b2182b", "#2166ac"  # the ends of RdBu_r
INK, NO_DATA = "0.15", "0.88"  # greys: lines and text; the ground where nothing is predicted

# Units of length that a scale bar can have: how many of which unit, and its family.
SCALED = {
    "m": (1.0, "m", "si-length"),
    "km": (1.0, "km", "si-length"),
    "ft": (1.0, "ft", "imperial-length"),
    "US survey foot": (1.0, "ft", "imperial-length"),  # longer by two millionths
    "1000 ft": (1000.0, "ft", "imperial-length"),
}

# Characters of small print that fit below the narrowest map.
NOTE_WIDTH = 60


def colours(values: ArrayLike, signed: bool = False) -> dict[str, Any]:
    """RdBu_r centred at 0 for quantities with a sign or values of both signs, else cividis."""
    values = np.asarray(values)
    if signed or ((values < 0).any() and (values > 0).any()):
        return {"cmap": "RdBu_r", "norm": CenteredNorm()}
    return {"cmap": "cividis"}


def in_units(units: str | None) -> str:
    """' (mg kg⁻¹)' for 'mg kg-1'; nothing for dimensionless or unknown units."""
    if units in (None, "", "1"):
        return ""
    symbol = (UNIT_SYMBOLS | {"degree": "°"}).get(units, units)
    raised = re.sub(r"(?<=[A-Za-zµ°)])(-?[0-9]+)", r"$^{\1}$", symbol)
    return f" ({raised})"


def map_units(gdf: gpd.GeoDataFrame) -> str | None:
    return coordinate_units(gdf.crs, gdf.attrs)


def distance_units(gdf: gpd.GeoDataFrame) -> str:
    return in_units(map_units(gdf))


def map_labels(gdf: gpd.GeoDataFrame) -> tuple[str, str]:
    """'easting (m)', 'northing (m)' in a projected CRS; 'x', 'y' in a plain plane."""
    x, y = ("x", "y") if gdf.crs is None else ("easting", "northing")
    return x + distance_units(gdf), y + distance_units(gdf)


def wrapped(label: str) -> str:
    """A long label with its units on a second line; about 32 characters fit beside a map."""
    printed = re.sub(r"[$^{}]", "", label)
    return label.replace(" (", "\n(", 1) if len(printed) > 32 else label


def new_axes(width: float, height: float) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="compressed")[1]


def map_axes(
    ax: Axes | None, bounds: ArrayLike, labels: tuple[str, str], units: str | None = None
) -> Axes:
    """Axes in the proportions of `bounds` (left, bottom, right, top); existing labels are kept.

    `units` of the coordinates: lengths get a scale bar.
    """
    if ax is None:
        width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
        # Between 1:2 and 2:1, as narrower maps have no room for labels.
        ratio = np.clip(height / width, 0.5, 2.0) if width > 0 else 1.0
        # 4.2 inches for the longer side of the map, the rest for colour bar, labels and note.
        ax = new_axes(4.2 * min(1.0, 1 / ratio) + 1.9, 4.2 * min(1.0, ratio) + 1.3)
    ax.set_aspect("equal")
    for axis, label in ((ax.xaxis, labels[0]), (ax.yaxis, labels[1])):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axis.set_label_text(axis.get_label_text() or label)
    ax.ticklabel_format(style="plain", useOffset=False)  # 181000, not 1.81e5
    _scale_bar(ax, units)
    return ax


def _scale_bar(ax: Axes, units: str | None) -> None:
    """A scale bar in units of length, where the maps extra is installed and there is none yet."""
    symbol = SCALED.get(UNIT_SYMBOLS.get(units, units))
    if symbol is None or find_spec("matplotlib_scalebar") is None:
        return
    from matplotlib_scalebar.scalebar import ScaleBar

    if any(isinstance(artist, ScaleBar) for artist in ax.artists):
        return
    factor, unit, dimension = symbol
    style = {"box_alpha": 0.7, "color": INK, "height_fraction": 0.008, "length_fraction": 0.22}
    style |= {"location": "lower right", "scale_loc": "top", "font_properties": {"size": "small"}}
    ax.add_artist(ScaleBar(factor, unit, dimension, **style))


def date_ticks(ax: Axes, positions: ArrayLike) -> None:
    """Ticks of dates that do not run into one another; others are left as they are."""
    if np.asarray(positions).dtype.kind == "M":
        locator = AutoDateLocator(maxticks=7)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def colour_bar(ax: Axes, mappable: ScalarMappable, label: str) -> Colorbar:
    """Colour bar of the map's own height, to the right of those already there."""
    # Inches to the right of the axes, and the share of their height: exact whatever the aspect.
    inches = ax.figure.dpi_scale_trans + ScaledTranslation(1, 0, ax.transAxes)
    place = blended_transform_factory(inches, ax.transAxes)
    left = 0.1 + 1.1 * len(ax.child_axes)
    bar = ax.figure.colorbar(mappable, cax=ax.inset_axes((left, 0, 0.14, 1), transform=place))
    bar.set_label(wrapped(label))
    bar.formatter.set_powerlimits((-3, 5))
    bar.formatter.set_useMathText(True)
    bar.ax.yaxis.get_offset_text().set_horizontalalignment("left")
    bar.ax.yaxis.OFFSETTEXTPAD = 8  # points: the default 3 touch a tick label at the very top
    return bar


def finish(ax: Axes, title: str, *notes: str, rule: str | None = None) -> Axes:
    """Title; below the axis label a legend of labelled artists, notes (earlier ones too), rule."""
    ax.set_title(title, loc="left", fontsize="medium")
    if notes or rule:
        old = ax.get_legend()
        earlier = [old.get_title().get_text()] if old else []
        new = [*notes, f"rule: {rule or 'not recorded'}"]
        text = "\n".join([*earlier, *(textwrap.fill(note, NOTE_WIDTH) for note in new)])
        # 40 points hold the tick labels and the axis label, at any size of the axes.
        below = ax.transAxes + ScaledTranslation(0, -40 / 72, ax.figure.dpi_scale_trans)
        place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below}
        place |= {"alignment": "left", "borderaxespad": 0, "frameon": False, "ncols": 4}
        size = {"fontsize": "small", "title_fontsize": "small", "handlelength": 1.6}
        ax.legend(*ax.get_legend_handles_labels(), title=text, **place, **size)
    return ax
