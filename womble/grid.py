"""Regular grids of cells, and which of them lie where the data can speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.mask import inside_cells
from womble.readers import (
    coordinate_units,
    float_array,
    point_coordinates,
    raster_axes,
    raster_crs,
)
from womble.spatial_data import SpatialData, query_points, require_planar, require_same_crs

if TYPE_CHECKING:
    import pyproj

# About 60 cells along the longer side: a map that reads well and costs a few thousand points.
DEFAULT_CELLS = 60
# Six quantities of 1e8 cells already fill 5 GB: a larger grid is a slip in the spacing's unit.
MAXIMUM_CELLS = 1e8
# Share of a cell by which a centre may be off: northings stored as float32 are rounded to 0.25 m,
# within 1% of a 30 m cell; no map shows that.
EVENNESS = 1e-2


@dataclass(frozen=True, eq=False)
class Grid:
    """Cell centres of a regular grid and the cells that are inside. Made by `Grid.from_data`.

    Attributes
    ----------
    x : array, shape (nx,)
        Cell centres, ascending, evenly spaced.
    y : array, shape (ny,)
        Cell centres, evenly spaced; ascending, or in the order of the raster given as `like`.
    inside : bool array, shape (ny, nx)
        Cells to evaluate.
    crs : pyproj.CRS or None
    coordinate_units : str or None

    Raises
    ------
    ValueError
        Fewer than two cells in a direction, uneven spacing, x descending, or `inside` of another
        shape.
    """

    x: FloatArray
    y: FloatArray
    inside: BoolArray
    crs: pyproj.CRS | None = None
    coordinate_units: str | None = None

    def __post_init__(self) -> None:
        for name, centres in (("x", self.x), ("y", self.y)):
            _require_even(name, centres)
        if self.x[-1] < self.x[0]:
            raise ValueError(
                "`x` must ascend; got a descending axis. Sort the raster with sortby('x')."
            )
        if self.inside.shape != self.shape:
            raise ValueError(
                f"`inside` must have shape (ny, nx) = {self.shape}; got {self.inside.shape}. "
                "Rows are y."
            )

    def to_dict(self) -> dict[str, Any]:
        """The grid in plain numbers and text, for `attrs` that files can hold."""
        return {
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "inside": np.packbits(self.inside).tobytes().hex(),
            "crs": None if self.crs is None else self.crs.to_wkt(),
            "coordinate_units": self.coordinate_units,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Grid:
        """The grid that `to_dict` wrote."""
        import pyproj

        x, y = np.array(plain["x"]), np.array(plain["y"])
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(plain["inside"]), np.uint8))
        inside = bits[: len(y) * len(x)].reshape(len(y), len(x)).astype(bool)
        crs = None if plain["crs"] is None else pyproj.CRS(plain["crs"])
        return cls(x, y, inside, crs, plain["coordinate_units"])

    @classmethod
    def from_data(
        cls,
        data: Any,
        *,
        spacing: float | None = None,
        mask: Any = "distance",
        bounds: tuple[float, float, float, float] | None = None,
        like: Any = None,
    ) -> Grid:
        """Grid over `data`, with the cells that `mask` keeps.

        Parameters
        ----------
        data : GeoDataFrame of points, SpatialData, tuple (coords, values) or array (n, 2)
            Only the locations count; rows without one are passed over.
        spacing : float, optional
            Side of the square cells, in coordinate units; by default the longer side of the
            bounds / 60.
        mask : "distance", "hull", polygons or None
            Which cell centres are inside. "distance": within twice the 95th percentile of the
            nearest-neighbour distance between distinct locations, see `womble.mask.data_distance`.
            "hull": strictly inside the convex hull of the data. A Polygon, MultiPolygon,
            GeoDataFrame or GeoSeries of polygons: strictly inside, holes respected; its CRS, if
            any, must be the data's. None: all.
        bounds : (xmin, ymin, xmax, ymax), optional
            Box to cover, by default the data's. The cells overlap it by the same width on opposite
            sides.
        like : DataArray or Dataset, optional
            Raster whose x and y are taken as they are (its values are not); in place of `spacing`
            and `bounds`. Its CRS must be the data's.

        Raises
        ------
        ValueError
            Bad spacing, bounds, mask or raster; more than 1e8 cells; no cell inside; d != 2.
        TypeError
            `mask`, `like` or `data` of another kind.
        """
        coords, crs, units = _locations(data)
        if like is None:
            x, y = _centres(_box(coords, bounds), spacing)
        elif spacing is None and bounds is None:
            x, y = _raster_centres(like, crs)
        else:
            raise ValueError(
                "`like` fixes the cells, so `spacing` and `bounds` must be None; got "
                f"spacing={spacing!r}, bounds={bounds!r}. Give one or the other."
            )
        inside = inside_cells(x, y, mask, coords, crs)
        if not inside.any():
            raise ValueError(
                f"the mask must keep at least one cell; none of {inside.size} centres is inside "
                f"(x {x.min():g} to {x.max():g}, y {y.min():g} to {y.max():g}). Check the mask's "
                "coordinates, or take a smaller `spacing`."
            )
        return cls(x, y, inside, crs, units)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return len(self.y), len(self.x)

    @property
    def spacing(self) -> tuple[float, float]:
        """Cell sides (dx, dy), positive, in coordinate units."""
        return abs(_step(self.x)), abs(_step(self.y))

    @property
    def points(self) -> FloatArray:
        """Centres of the inside cells, shape (p, 2), row-major in (y, x)."""
        rows, columns = np.nonzero(self.inside)
        return np.column_stack([self.x[columns], self.y[rows]])

    def contains(self, points: Any) -> BoolArray:
        """Whether each of `points`, shape (m, 2), falls in a cell that is inside; shape (m,)."""
        points = query_points(points, 2)
        column, on_x = _nearest(self.x, points[:, 0])
        row, on_y = _nearest(self.y, points[:, 1])
        return on_x & on_y & self.inside[row, column]

    def fill(self, values: FloatArray) -> FloatArray:
        """Values at `points`, shape (..., p), laid out on the grid, (..., ny, nx); NaN elsewhere.

        Raises
        ------
        ValueError
            The last axis is not as long as `points`.
        """
        values = np.asarray(values)
        inside = int(self.inside.sum())
        if values.ndim == 0 or values.shape[-1] != inside:
            raise ValueError(
                f"`values` must have shape (..., {inside}), one per inside cell on the last axis; "
                f"got {values.shape}. Evaluate at grid.points."
            )
        filled = np.full((*values.shape[:-1], *self.shape), np.nan)
        filled[..., self.inside] = values
        return filled


def _locations(data: Any) -> tuple[FloatArray, pyproj.CRS | None, str | None]:
    """Distinct finite locations (n, 2), CRS and coordinate units of any accepted `data`."""
    crs, units = None, None
    if isinstance(data, SpatialData):
        coords, crs, units = data.coords, data.crs, data.coordinate_units
    elif hasattr(data, "geometry") and hasattr(data, "crs"):
        coords, crs = point_coordinates(data, "data"), data.crs
        require_planar(crs, "data")
        units = coordinate_units(crs, data.attrs)
    else:
        coords = float_array(data[0] if isinstance(data, tuple) else data, "data")
    if coords.ndim != 2 or coords.shape[1] != 2:
        raise ValueError(
            f"a grid needs locations in the plane, shape (n, 2); got {coords.shape}. In one "
            "dimension pass your own points, np.linspace(start, stop, 200), instead of a grid."
        )
    coords = np.unique(coords[np.isfinite(coords).all(axis=1)], axis=0)
    if len(coords) < 2:
        raise ValueError(
            f"a grid needs at least 2 distinct locations; got {len(coords)}. Check that the data "
            "are not empty."
        )
    return coords, crs, units


def _box(coords: FloatArray, bounds: Any) -> tuple[FloatArray, FloatArray]:
    """Low and high corner, each (2,), of `bounds` or of the data."""
    if bounds is None:
        return coords.min(axis=0), coords.max(axis=0)
    box = float_array(bounds, "bounds")
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[:2] < box[2:]).all():
        raise ValueError(
            "`bounds` must be four finite numbers (xmin, ymin, xmax, ymax) with xmin < xmax and "
            f"ymin < ymax; got {bounds!r}. GeoDataFrame.total_bounds has this order."
        )
    return box[:2], box[2:]


def _centres(
    box: tuple[FloatArray, FloatArray], spacing: float | None
) -> tuple[FloatArray, FloatArray]:
    """Ascending centres of square cells that cover the box symmetrically, two at least each way."""
    low, high = box
    sides = high - low
    step = float(sides.max()) / DEFAULT_CELLS if spacing is None else float(spacing)
    if not (np.isfinite(step) and 0 < step <= sides.max()):
        raise ValueError(
            f"`spacing` must be a positive number, at most the longer side {sides.max():g} of the "
            f"bounds; got {spacing!r}. The default is {sides.max() / DEFAULT_CELLS:g}."
        )
    # Rounding in the quotient must not add a cell where the side is a multiple of the spacing.
    counts = [max(2.0, float(np.ceil(float(side) / step - 1e-9))) for side in sides]
    if counts[0] * counts[1] > MAXIMUM_CELLS:
        least = max(float(np.sqrt(sides.prod() / MAXIMUM_CELLS)), sides.max() / MAXIMUM_CELLS)
        raise ValueError(
            f"`spacing` must give at most {MAXIMUM_CELLS:.0e} cells; {spacing!r} gives "
            f"{counts[0] * counts[1]:.1e}. Take more than {least:.2g} (the default is "
            f"{sides.max() / DEFAULT_CELLS:.2g}), in the unit of the coordinates."
        )
    x, y = (
        (lo + hi) / 2 + step * (np.arange(count) - (count - 1) / 2)
        for lo, hi, count in zip(low, high, counts, strict=True)
    )
    return x, y


def _raster_centres(like: Any, crs: pyproj.CRS | None) -> tuple[FloatArray, FloatArray]:
    import xarray as xr

    if not isinstance(like, xr.DataArray | xr.Dataset):
        raise TypeError(
            f"`like` must be an xarray DataArray or Dataset; got {type(like).__name__}. Open a "
            "raster file with rioxarray.open_rasterio(path)."
        )
    x, y = raster_axes(like, "like")
    require_same_crs(raster_crs(like), crs, "like")
    return float_array(like[x].values, "like"), float_array(like[y].values, "like")


def _step(centres: FloatArray) -> float:
    """Signed distance between neighbouring centres."""
    return float(centres[-1] - centres[0]) / (len(centres) - 1)


def _nearest(centres: FloatArray, at: FloatArray) -> tuple[np.ndarray, BoolArray]:
    """Index of the nearest centre and whether the position is within half a cell of it."""
    position = (at - centres[0]) / _step(centres)
    index = np.clip(np.rint(position), 0, len(centres) - 1).astype(np.intp)
    # The slack is rounding: a location on the box's edge belongs to the outermost cell.
    return index, np.abs(position - index) <= 0.5 + 1e-6


def _require_even(name: str, centres: FloatArray) -> None:
    if centres.ndim != 1 or len(centres) < 2:
        raise ValueError(
            f"`{name}` must be a 1-D array of at least 2 cell centres; got shape {centres.shape}. "
            "Extend the grid, or the raster given as `like`."
        )
    even = np.linspace(centres[0], centres[-1], len(centres))
    step = abs(_step(centres))
    if not (step > 0 and np.abs(centres - even).max() <= EVENNESS * step):
        steps = np.abs(np.diff(centres))
        raise ValueError(
            f"`{name}` must be evenly spaced; got steps from {steps.min():g} to {steps.max():g}. "
            f"Resample the raster first: raster.interp({name}=np.linspace(...))."
        )
