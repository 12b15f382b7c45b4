"""Masks: which cells of a grid lie where the data can speak."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.crs import require_same_crs

if TYPE_CHECKING:
    import pyproj
    import shapely

# Cells per block, so that the memory a mask takes stays near 100 MB whatever the grid.
BLOCK = 1_000_000


def inside_cells(
    x: FloatArray, y: FloatArray, mask: Any, coords: FloatArray, crs: pyproj.CRS | None
) -> BoolArray:
    """Cells whose centre `mask` keeps.

    Parameters
    ----------
    x, y : array, shape (nx,) and (ny,)
        Cell centres.
    mask : "distance", "hull", polygons or None
        As in `Grid.from_data`.
    coords : array, shape (n, 2)
        Distinct locations of the data, two at least.
    crs : pyproj.CRS or None
        Of the data.

    Returns
    -------
    bool array, shape (ny, nx)

    Raises
    ------
    ValueError
        Unknown name, invalid polygon, or polygons in another CRS.
    TypeError
        `mask` is neither a name nor polygons.
    """
    test = _inside_test(mask, coords, crs)
    inside = np.ones((len(y), len(x)), dtype=bool)
    if test is None:
        return inside
    rows = max(1, BLOCK // len(x))
    for start in range(0, len(y), rows):
        block = y[start : start + rows]
        points = np.column_stack([np.tile(x, len(block)), np.repeat(block, len(x))])
        inside[start : start + rows] = test(points).reshape(len(block), len(x))
    return inside


def data_distance(coords: FloatArray) -> float:
    """Twice the 95th percentile of the nearest-neighbour distance between distinct locations.

    About the largest hole that uniform sampling leaves: of points scattered at random, at a rate of
    lambda, the nearest neighbour lies beyond r with probability exp(-lambda pi r^2). That is 0.05
    at the percentile and 0.05^4 = 6e-6 at twice the distance: what is farther was not sampled. On
    a line, where the probability is exp(-2 lambda r), four times the percentile says the same.

    Parameters
    ----------
    coords : array, shape (n, d)
        At least two distinct locations, d = 1 or 2.

    Returns
    -------
    float
        In coordinate units.
    """
    from scipy.spatial import cKDTree

    distinct = np.unique(coords, axis=0)
    nearest = cKDTree(distinct).query(distinct, k=2)[0][:, 1]
    return float(4 ** (1 / coords.shape[1]) * np.quantile(nearest, 0.95))


def _inside_test(
    mask: Any, coords: FloatArray, crs: pyproj.CRS | None
) -> Callable[[FloatArray], BoolArray] | None:
    """Function of points (p, 2) that tells which are inside; None keeps all."""
    import shapely

    if mask is None:
        return None
    if not isinstance(mask, str):
        area = _polygons(mask, crs)
    elif mask == "hull":
        area = shapely.MultiPoint(coords).convex_hull
    elif mask == "distance":
        return near_data(coords, data_distance(coords))
    else:
        raise ValueError(
            f"`mask` must be None, 'distance', 'hull' or polygons; got {mask!r}. Read polygons "
            "from a file with geopandas.read_file(path)."
        )
    shapely.prepare(area)
    return lambda points: shapely.contains_xy(area, points[:, 0], points[:, 1])


def near_data(coords: FloatArray, limit: float) -> Callable[[FloatArray], BoolArray]:
    """Function of points (p, d) that tells which lie within `limit` of one of `coords` (n, d)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(coords)
    # scipy's bound is exclusive; a centre at the limit itself is inside.
    beyond = np.nextafter(limit, np.inf)
    return lambda points: np.isfinite(tree.query(points, distance_upper_bound=beyond)[0])


def _polygons(mask: Any, crs: pyproj.CRS | None) -> shapely.Geometry:
    """One valid polygonal geometry from any accepted `mask`."""
    import geopandas as gpd
    import shapely

    is_frame = isinstance(mask, gpd.GeoDataFrame | gpd.GeoSeries)
    if is_frame and (getattr(mask, "active_geometry_name", "") is None or mask.crs is not None):
        require_same_crs(mask, crs, "mask")
    areas = list(mask.geometry) if is_frame else [mask]
    kinds = {type(area).__name__ for area in areas}
    if not kinds <= {"Polygon", "MultiPolygon"}:
        raise TypeError(
            "`mask` must be a Polygon, a MultiPolygon, or a GeoDataFrame or GeoSeries of them; got "
            f"{', '.join(sorted(kinds))}. Turn a closed line into an area with shapely.polygonize."
        )
    reasons = {shapely.is_valid_reason(area) for area in areas if not area.is_valid}
    if reasons:
        raise ValueError(
            f"`mask` must be valid; got a polygon with {', '.join(sorted(reasons))}. Mend it with "
            "shapely.make_valid."
        )
    return shapely.union_all(areas)
