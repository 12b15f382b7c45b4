"""Cells of a grid that lines pass through, exactly, and the share of draws that do as a raster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.attributes import georeference
from womble.grid import Grid

if TYPE_CHECKING:
    import xarray as xr


# Pieces shorter than this share of their segment are rounding at a corner of cells.
ROUNDING = 1e-12


def cells_crossed(lines: Sequence[FloatArray], grid: Grid) -> BoolArray:
    """Cells that any of the lines passes through.

    Every segment is cut where it meets the edges between cells; each piece lies in one cell, which
    its middle tells. A cell has its left and lower edge (in the order of the grid's axes), so that
    a line along an edge is in one cell and not in two, and touching a corner is not passing.

    Parameters
    ----------
    lines : sequence of array, shape (m, 2)
        Points in order.
    grid : Grid

    Returns
    -------
    bool array, shape (ny, nx)
        What lies outside of the grid's box is left out.
    """
    crossed = np.zeros(grid.shape, dtype=bool)
    if not len(lines):
        return crossed
    first = np.array([grid.x[0], grid.y[0]])
    last = np.array([grid.x[-1], grid.y[-1]])
    size = (last - first) / (np.array([len(grid.x), len(grid.y)]) - 1)
    # Cell i is [i, i + 1) in these coordinates.
    scaled = [(line - first) / size + 0.5 for line in lines]
    start = np.concatenate([line[:-1] for line in scaled])
    end = np.concatenate([line[1:] for line in scaled])
    column, row = np.floor(_middles(start, end)).astype(int).T
    within = (column >= 0) & (column < len(grid.x)) & (row >= 0) & (row < len(grid.y))
    crossed[row[within], column[within]] = True
    return crossed


def _middles(start: FloatArray, end: FloatArray) -> FloatArray:
    """Middles (p, 2) of the pieces of segments (s, 2) between whole numbers in x and in y."""
    count = len(start)
    cuts = [_whole_numbers(start[:, axis], end[:, axis]) for axis in (0, 1)]
    segment = np.concatenate([np.arange(count), np.arange(count), *(which for which, _ in cuts)])
    share = np.concatenate([np.zeros(count), np.ones(count), *(where for _, where in cuts)])
    order = np.lexsort((share, segment))
    segment, share = segment[order], share[order]
    same = (segment[1:] == segment[:-1]) & (share[1:] - share[:-1] > ROUNDING)
    middle = (0.5 * (share[1:] + share[:-1]))[same, None]
    of = segment[1:][same]
    return start[of] + middle * (end[of] - start[of])


def _whole_numbers(start: FloatArray, end: FloatArray) -> tuple[np.ndarray, FloatArray]:
    """Which segment meets a whole number strictly inside, and at what share of its length."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    first = np.floor(low) + 1
    counts = np.maximum(np.ceil(high) - first, 0).astype(int)
    which = np.repeat(np.arange(len(start)), counts)
    # 0, 1, .. counts - 1 for each segment in turn.
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    number = first[which] + place
    return which, (number - start[which]) / (end - start)[which]


def probability_raster(
    share: FloatArray, grid: Grid, settings: Mapping[str, Any], source: str
) -> xr.DataArray:
    """Shares of draws (ny, nx) with coordinates, CF attributes and CRS; NaN outside the mask.

    Parameters
    ----------
    share : array, shape (ny, nx)
    grid : Grid
    settings : mapping
        kind, levels, min_length and samples of the boundaries.
    source : str
        What the draws come from.
    """
    import xarray as xr

    inside = np.where(grid.inside, share, np.nan)
    raster = xr.DataArray(
        inside, {"y": grid.y, "x": grid.x}, ("y", "x"), name="boundary_probability"
    )
    raster.attrs = {
        "long_name": f"P(a {settings['kind'].replace('_', ' ')} boundary passes through the cell)",
        "units": "1",
        "scale": "link",
        "kind": settings["kind"],
        "min_length": settings["min_length"],
        "samples": settings["samples"],
    }
    if settings["levels"] is not None:
        raster.attrs["levels"] = settings["levels"]
    return georeference(raster, grid, {"coordinate_units": grid.coordinate_units, "source": source})
