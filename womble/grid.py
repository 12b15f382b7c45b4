"""Regular grids of cells, and which of them lie where the data can speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import checked
from womble.arrays import BoolArray, FloatArray, float_array
from womble.cells import MAXIMUM_CELLS, Cells
from womble.crs import require_same_crs
from womble.locations import locations, on_line
from womble.mask import inside_cells
from womble.points import as_points
from womble.readers import (
    raster_axes,
    raster_crs,
)
from womble.spatial_data import SpatialData
from womble.transect import Transect

if TYPE_CHECKING:
    import pyproj

# About 60 cells along the longer side: a map that reads well and costs a few thousand points.
DEFAULT_CELLS = 60


@checked
@dataclass(frozen=True, eq=False)
class Grid(Cells):
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
        self._check()
        if self.x[-1] < self.x[0]:
            raise ValueError(
                "`x` must ascend; got a descending axis. Sort the raster with sortby('x')."
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
    @checked
    def from_data(
        cls,
        data: Any,
        *,
        spacing: float | None = None,
        mask: Any = "distance",
        bounds: Sequence[Any] | None = None,
        like: Any = None,
    ) -> Grid | Transect:
        """Grid over `data`, with the cells that `mask` keeps; on a line, a Transect.

        Parameters
        ----------
        data : GeoDataFrame of points, SpatialData, tuple (coords, values), raster or array (n, 2)
            Only the locations count; rows without one are passed over. In one dimension also a
            Series, a 1-D DataArray or an array (n,).
        spacing : float, optional
            Side of the square cells, in coordinate units; by default the longer side of the
            bounds / 60. On a line the distance between positions, by default the length / 200.
        mask : "distance", "hull", polygons or None
            Which cell centres are inside. "distance": within twice the 95th percentile of the
            nearest-neighbour distance between distinct locations, see `womble.mask.data_distance`.
            "hull": strictly inside the convex hull of the data. A Polygon, MultiPolygon,
            GeoDataFrame or GeoSeries of polygons: strictly inside, holes respected; its CRS, if
            any, must be the data's. None: all. On a line there are no polygons, and the distance
            is four times that percentile.
        bounds : (xmin, ymin, xmax, ymax), optional
            Box to cover, by default the data's. The cells overlap it by the same width on opposite
            sides. On a line (first, last): positions go from the first as far as the last.
        like : DataArray or Dataset, optional
            Raster whose x and y are taken as they are (its values are not); in place of `spacing`
            and `bounds`. Its CRS must be the data's.

        Raises
        ------
        ValueError
            Bad spacing, bounds, mask or raster; more than 1e8 cells; no cell inside; d > 2.
        TypeError
            `mask`, `like` or `data` of another kind.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> grid = wb.Grid.from_data(zinc, spacing=100.0)
        >>> grid.shape, grid.coordinate_units, int(grid.inside.sum())
        ((39, 28), 'm', 684)
        >>> int(wb.Grid.from_data(zinc, spacing=100.0, mask="hull").inside.sum())
        545
        """
        if as_points(data) is not None:
            raise TypeError(
                "`data` must be in memory; got points that are read in parts. Take those of their "
                "posterior: Grid.from_data(post.data, ...)."
            )
        if hasattr(data, "data_vars"):
            raise TypeError(
                "`data` must be locations, and a Dataset may hold several; got a Dataset. Take one "
                "variable, as dataset['name'], or give the Dataset as `like`."
            )
        line = on_line(data)
        if line is not None:
            if like is not None:
                raise ValueError(
                    "`like` is a raster, and these data are on a line; give `bounds` and `spacing`."
                )
            return Transect.of(*line, spacing=spacing, mask=mask, bounds=bounds)
        coords, crs, units = locations(data)
        if like is None:
            if bounds is None and isinstance(data, SpatialData) and data.whole is not None:
                bounds = data.box.ravel()  # where all rows are, of which coords are a sample
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
    def axes(self) -> dict[str, FloatArray]:
        """See `Cells.axes`."""
        return {"y": self.y, "x": self.x}

    @property
    def labels(self) -> dict[str, FloatArray]:
        """See `Cells.labels`."""
        return self.axes

    def describe_axes(self) -> dict[str, dict[str, str]]:
        """See `Cells.describe_axes`."""
        units = {"units": self.coordinate_units} if self.coordinate_units else {}
        out = {}
        for axis, projected in (("x", "easting"), ("y", "northing")):
            out[axis] = {"axis": axis.upper(), "long_name": axis}
            if self.crs is not None:
                standard = {"standard_name": f"projection_{axis}_coordinate"}
                out[axis] |= {"long_name": projected} | standard
            out[axis] |= units
        return out

    @property
    def spacing(self) -> tuple[float, float]:
        """Cell sides (dx, dy), positive, in coordinate units."""
        dx, dy = self.steps.tolist()
        return dx, dy


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
