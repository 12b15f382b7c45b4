"""One raster file, written window by window: a cloud-optimised GeoTIFF."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from rasterio.transform import Affine

FINGERPRINT = "WOMBLE_FINGERPRINT"
# Numbers in the tile of all bands that such a file keeps together, 32 MB, and sides of a tile.
TILE_ENTRIES = 4_000_000
SIDES = (512, 256, 128)


@dataclass(frozen=True, eq=False)
class Layer:
    """Bands of a file that belong together.

    Attributes
    ----------
    array : DataArray
        Dimensions (y, x), north up, and one of the bands if there is more than one.
    names : list of str
        Of the bands.
    units : str
    tags : dict
        Of each band.
    """

    array: xr.DataArray
    names: list[str]
    units: str
    tags: dict[str, str]

    def read(self, bands: slice, rows: slice, columns: slice) -> np.ndarray:
        """Numbers of some bands in a window, shape (bands, rows, columns)."""
        window = self.array.isel(y=rows, x=columns)
        others = [dim for dim in window.dims if dim not in ("y", "x")]
        window = window.isel(dict.fromkeys(others, bands)).transpose(*others, "y", "x")
        values = np.asarray(window, dtype=float)
        return values.reshape(-1, *values.shape[-2:])


def write(
    path: Path,
    layers: Sequence[Layer],
    transform: Affine,
    crs: str | None,
    title: str,
    scratch: Path,
    fingerprint: str | None = None,
) -> Path:
    """Write a file in `scratch`, then move it to its place: a failure leaves no half file.

    Tiles are first written as they are, which needs as much room as the numbers take, then
    compressed with overviews of every other cell.
    """
    import rasterio
    import rasterio.shutil

    height, width = (layers[0].array.sizes[dim] for dim in ("y", "x"))
    count = sum(len(layer.names) for layer in layers)
    side = next((s for s in SIDES if count * s * s <= TILE_ENTRIES), SIDES[-1])
    # Many draws may pass the 4 GB of a classic TIFF.
    tiled = {"tiled": True, "blockxsize": side, "blockysize": side, "BIGTIFF": "IF_SAFER"}
    profile = {"driver": "GTiff", "dtype": "float64", "nodata": np.nan, "count": count} | tiled
    profile |= {"height": height, "width": width, "transform": transform, "crs": crs}
    with tempfile.TemporaryDirectory(dir=scratch, prefix=f".{path.stem}-") as folder:
        plain, draft = Path(folder) / "plain.tif", Path(folder) / path.name
        with rasterio.open(plain, "w", interleave="band", **profile) as file:
            tags = {} if fingerprint is None else {FINGERPRINT: fingerprint}
            file.update_tags(TIFFTAG_IMAGEDESCRIPTION=title, **tags)
            _describe(file, layers)
            _fill(file, layers, side)
        rasterio.shutil.copy(
            plain,
            draft,
            driver="COG",
            compress="deflate",
            predictor="yes",  # for floats, the one that shuffles their bytes
            blocksize=side,
            overview_resampling="nearest",  # an average of flags or quantiles is neither
            BIGTIFF="IF_SAFER",
        )
        draft.replace(path)
    return path


def fingerprint_of(path: Path) -> str | None:
    """The fingerprint that a file was written with; None without a file or a fingerprint."""
    import rasterio

    if not path.is_file():
        return None
    with rasterio.open(path) as file:
        return file.tags().get(FINGERPRINT)


def _describe(file, layers: Sequence[Layer]) -> None:
    index = 0
    for layer in layers:
        for name in layer.names:
            index += 1
            file.set_band_description(index, name)
            file.set_band_unit(index, layer.units)
            file.update_tags(index, units=layer.units, **layer.tags)


def _fill(file, layers: Sequence[Layer], side: int) -> None:
    """All numbers, in windows of whole tiles."""
    from rasterio.windows import Window

    together = max(1, TILE_ENTRIES // side**2)
    for rows in _steps(file.height, side):
        for columns in _steps(file.width, side):
            window, first = Window.from_slices(rows, columns), 1
            for layer in layers:
                for bands in _steps(len(layer.names), together):
                    indexes = list(range(first + bands.start, first + bands.stop))
                    file.write(layer.read(bands, rows, columns), indexes, window=window)
                first += len(layer.names)


def _steps(count: int, step: int) -> Iterator[slice]:
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
