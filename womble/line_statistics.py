"""What boundaries amount to: how many, how long, how large; and how near to other lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from womble.arguments import checked
from womble.arrays import FloatArray

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

# Points along the shorter of two sets of lines: a share within a distance is then known to 0.1%.
PIECES = 1000


@checked
def boundary_statistics(draws: gpd.GeoDataFrame) -> pd.DataFrame:
    """Number and size of the boundaries of each draw.

    Parameters
    ----------
    draws : GeoDataFrame
        As `Posterior.boundary_draws` returns it.

    Returns
    -------
    DataFrame
        A row for each draw, those without a line too: number of lines; total_length and
        longest_length; largest_diameter, the largest distance between two points of the same
        line. Lengths in coordinate units; all are 0 where there is no line.

    Raises
    ------
    ValueError
        If the number of draws is not known: files do not keep it.

    References
    ----------
    Oden et al. (1993), Categorical wombling; Jacquez, Maruca and Fortin (2000) for the statistics.
    """
    import pandas as pd

    settings = getattr(draws, "attrs", {}).get("womble")
    if settings is None or "draw" not in draws:
        raise ValueError(
            "`draws` must be a GeoDataFrame as boundary_draws() returns it, with the number of "
            "draws in `draws.attrs['womble']['samples']`; got one without. Files do not keep it: "
            "run boundary_draws() again, or copy `attrs` over."
        )
    lines = pd.DataFrame(
        {
            "draw": draws["draw"].to_numpy(),
            "length": shapely.length(draws.geometry.to_numpy()),
            "diameter": [_diameter(line) for line in draws.geometry],
        }
    ).groupby("draw")
    columns = {
        "number": lines.size(),
        "total_length": lines["length"].sum(),
        "longest_length": lines["length"].max(),
        "largest_diameter": lines["diameter"].max(),
    }
    every = pd.RangeIndex(settings["samples"], name="draw")
    table = pd.DataFrame(columns).reindex(every, fill_value=0.0)
    return table.astype(dict.fromkeys(columns, float) | {"number": int})


@checked
def boundary_overlap(a: Any, b: Any, *, within: float) -> pd.Series:
    """How near two sets of lines run to each other.

    Parameters
    ----------
    a, b : GeoDataFrame, GeoSeries, geometry or sequence of geometries
        Lines, or polygons, of which the outline counts.
    within : float
        The distance, in coordinate units, up to which a place counts as near.

    Returns
    -------
    Series
        mean_distance_a_to_b, from places evenly spread along a to the nearest of b; the same from
        b to a; share_a_within, the share of the length of a that is within that distance of b;
        share_b_within.

    Raises
    ------
    ValueError
        If there is no line in one of them, they differ in their CRS, or `within` is negative.

    References
    ----------
    Jacquez (1995), Statistics in Medicine 14, 2343-2361, for the mean distances.
    """
    import pandas as pd

    if not within >= 0:
        raise ValueError(f"`within` must be a distance, 0 or more; got {within!r}.")
    _require_one_crs(a, b)
    first, second = _merged(a, "a"), _merged(b, "b")
    spacing = min(first.length, second.length) / PIECES
    out = {}
    for name, of, to in (("a_to_b", first, second), ("b_to_a", second, first)):
        points, weights = _spread(of, spacing)
        distance = _nearest(points, to)
        out[f"mean_distance_{name}"] = np.average(distance, weights=weights)
        out[f"share_{name[0]}_within"] = np.average(distance <= within, weights=weights)
    order = ["mean_distance_a_to_b", "mean_distance_b_to_a", "share_a_within", "share_b_within"]
    return pd.Series(out)[order]


def _diameter(line: shapely.Geometry) -> float:
    """Largest distance between two points: they are corners of the convex hull."""
    from scipy.spatial.distance import pdist

    return float(pdist(shapely.get_coordinates(line.convex_hull)).max())


def _require_one_crs(a: Any, b: Any) -> None:
    one, other = (getattr(lines, "crs", None) for lines in (a, b))
    if one is not None and other is not None and one != other:
        raise ValueError(
            f"`a` and `b` must be in one CRS; got {one.name} and {other.name}. "
            "Bring one into the other's: b.to_crs(a.crs)."
        )


def _merged(lines: Any, name: str) -> shapely.Geometry:
    """All lines as one geometry."""
    if isinstance(lines, shapely.Geometry):
        parts = [lines]
    else:
        parts = list(lines.geometry if hasattr(lines, "geometry") else _checked(lines, name))
    outlines = [part.boundary if part.area > 0 else part for part in parts if part is not None]
    merged = shapely.union_all(outlines)
    if not merged.length > 0:
        raise ValueError(
            f"`{name}` must hold at least one line; got {len(parts)} geometries without length. "
            "A draw without a boundary has no distance to anything: leave it out."
        )
    return merged


def _checked(lines: Iterable[Any], name: str) -> list[shapely.Geometry]:
    if isinstance(lines, Iterable):
        parts = list(lines)
        if all(isinstance(part, shapely.Geometry) for part in parts):
            return parts
    raise TypeError(
        f"`{name}` must be a GeoDataFrame, GeoSeries, shapely geometry or sequence of geometries; "
        f"got {type(lines).__name__}."
    )


def _spread(lines: shapely.Geometry, spacing: float) -> tuple[FloatArray, FloatArray]:
    """Middles (m,) of pieces no longer than `spacing`, and the lengths of the pieces."""
    points, weights = [], []
    for part in shapely.get_parts(lines):
        count = int(np.ceil(part.length / spacing))
        places = (np.arange(count) + 0.5) / count
        points.append(shapely.line_interpolate_point(part, places, normalized=True))
        weights.append(np.full(count, part.length / count))
    return np.concatenate(points), np.concatenate(weights)


def _nearest(points: np.ndarray, lines: shapely.Geometry) -> FloatArray:
    """Distance of each point to the lines."""
    tree = shapely.STRtree(shapely.get_parts(lines))
    (_, _), distance = tree.query_nearest(points, return_distance=True, all_matches=False)
    return distance
