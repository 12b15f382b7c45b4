"""Surfaces as GeoTIFF files: one file a quantity, one named band a statistic or draw."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.file_formats import as_path

if TYPE_CHECKING:
    import xarray as xr
    from rasterio.transform import Affine

COMPANIONS = ("p_positive", "significant")  # `<name>_p_positive` travels in the file of `<name>`
# Centres may stray from a regular grid by this share of a cell: coordinates stored in single
# precision do, and no map shows it; a grid that is really irregular exceeds it at once.
REGULARITY = 0.01


@dataclass(frozen=True)
class Band:
    """One layer of a file: an array (y, x), its name and what is known about it."""

    name: str
    array: xr.DataArray
    units: str
    tags: dict[str, str]


@checked
def write_geotiff(ds: xr.Dataset, folder: str | os.PathLike, *, cog: bool = False) -> list[Path]:
    """Write every quantity of a surface as a GeoTIFF with named bands.

    Files are north-up whatever the order of `y` in `ds`, float64 (nothing is lost), deflated, with
    NaN as nodata and the units and rule of each band as band tags. A file appears complete or not
    at all; one of the same name is replaced.

    Parameters
    ----------
    ds : xarray.Dataset
        Dims ("statistic", "y", "x") or ("draw", "y", "x"), in any order; `y` and `x` are the
        centres of regularly spaced cells, in the units of the CRS. `spatial_ref` holds the CRS, if
        there is one. `<name>_p_positive` and `<name>_significant` (y, x) become the last bands of
        `<name>`; any other (y, x) variable becomes a file of one band.
    folder : path
        Where to write; created if missing.
    cog : bool
        Cloud-optimised: tiled, with overviews, so that parts can be read over a network.

    Returns
    -------
    list of pathlib.Path
        One path a quantity, `<folder>/<name>.tif`, in the order of `ds`.

    Raises
    ------
    TypeError
        `ds` is not a Dataset, or `folder` no path.
    ValueError
        No variable lies on (y, x), a variable has more than one further dimension, or the spacing
        is irregular or unknown.
    """
    _check_dataset(ds)
    transform = _north_up_transform(_regular(ds, "x"), _regular(ds, "y"))
    crs, north_up = _crs_wkt(ds), ds.sortby("x").sortby("y", ascending=False)
    files = {name: list(_bands(north_up, name)) for name in _quantities(ds)}
    folder = as_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write(
            folder / f"{name}.tif",
            bands,
            transform,
            crs,
            ds[name].attrs.get("long_name", name),
            cog,
        )
        for name, bands in files.items()
    ]


def _check_dataset(ds: xr.Dataset) -> None:
    import xarray as xr

    if not isinstance(ds, xr.Dataset):
        raise TypeError(
            "`ds` must be an xarray.Dataset as `Posterior.surface` returns; "
            f"got {type(ds).__name__}. Turn a DataArray into one with "
            "`array.to_dataset(name='value')`."
        )
    missing = [dim for dim in ("y", "x") if dim not in ds.dims or dim not in ds.coords]
    if missing or not _quantities(ds):
        raise ValueError(
            "`ds` must have variables on the dimensions 'y' and 'x', with coordinates; "
            f"got the dimensions {sorted(map(str, ds.dims))} and the coordinates "
            f"{sorted(map(str, ds.coords))}. Rename yours with "
            "`ds.rename({'northing': 'y', 'easting': 'x'})` or the like."
        )


def _quantities(ds: xr.Dataset) -> list[str]:
    """Names of the variables that get a file of their own, companions excluded."""
    companions = {f"{name}_{suffix}" for name in ds.data_vars for suffix in COMPANIONS}
    return [
        name
        for name, variable in ds.data_vars.items()
        if {"y", "x"} <= set(variable.dims) and name not in companions
    ]


def _regular(ds: xr.Dataset, dim: str) -> FloatArray:
    """Cell centres along `dim`, ascending, after checking that they are equally spaced."""
    centres = np.sort(np.asarray(ds[dim], dtype=float))
    if centres.size < 2:
        raise ValueError(
            f"`{dim}` must have at least 2 cells, or the cell size is unknown; got {centres.size}. "
            "Predict on a grid with more cells."
        )
    ideal, step = np.linspace(centres[0], centres[-1], centres.size, retstep=True)
    if not np.max(np.abs(centres - ideal)) <= REGULARITY * step:
        gaps = np.diff(centres)
        raise ValueError(
            f"`{dim}` must be equally spaced to be written as a raster; got gaps between "
            f"{gaps.min():g} and {gaps.max():g}. Interpolate first: "
            f"`ds.interp({dim}=np.linspace(...))`."
        )
    return centres


def _north_up_transform(x: FloatArray, y: FloatArray) -> Affine:
    """Pixel corners to coordinates, from ascending cell centres; the first row is northernmost."""
    from rasterio.transform import Affine

    width, height = (x[-1] - x[0]) / (x.size - 1), (y[-1] - y[0]) / (y.size - 1)
    return Affine(width, 0.0, x[0] - width / 2, 0.0, -height, y[-1] + height / 2)


def _crs_wkt(ds: xr.Dataset) -> str | None:
    """WKT of the CRS in `spatial_ref`; None where the surface lies in a plain plane."""
    attrs = ds["spatial_ref"].attrs if "spatial_ref" in ds.variables else {}
    return attrs.get("crs_wkt") or attrs.get("spatial_ref") or None


def _bands(ds: xr.Dataset, name: str) -> Iterator[Band]:
    """Statistics or draws of `name`, then its companions."""
    variable = ds[name]
    units = variable.attrs.get("units", "")
    others = [dim for dim in variable.dims if dim not in ("y", "x")]
    if len(others) > 1:
        raise ValueError(
            f"`{name}` must have one dimension besides 'y' and 'x', for the bands; got {others}. "
            "Select along the others first, as in `ds.isel(time=0)`."
        )
    if not others:
        yield Band(name, variable, units, {})
    for dim in others:
        for i, label in enumerate(_band_labels(variable, dim)):
            yield Band(label, variable.isel({dim: i}), units, {})
    for suffix in COMPANIONS:
        if f"{name}_{suffix}" in ds:
            companion = ds[f"{name}_{suffix}"]
            rule = {k: str(v) for k, v in companion.attrs.items() if k == "rule"}
            yield Band(suffix, companion, "1", rule)


def _band_labels(variable: xr.DataArray, dim: str) -> list[str]:
    """'mean', 'sd', ... as they are; draws, which have numbers only, as 'draw_0', ..."""
    labels = variable[dim].values  # 0, 1, ... where there is no coordinate
    return [str(v) if isinstance(v, str) else f"{dim}_{v}" for v in labels.tolist()]


def _write(
    path: Path, bands: list[Band], transform: Affine, crs: str | None, title: str, cog: bool
) -> Path:
    """Write one file beside its place, then move it there: a failure leaves no half file."""
    import rasterio

    height, width = bands[0].array.sizes["y"], bands[0].array.sizes["x"]
    profile = {"driver": "GTiff", "dtype": "float64", "nodata": np.nan, "count": len(bands)}
    profile |= {"height": height, "width": width, "transform": transform, "crs": crs}
    # Predictor 3 is the one for floats; many draws may pass the 4 GB of a classic TIFF.
    profile |= {"compress": "deflate", "predictor": 3, "BIGTIFF": "IF_SAFER"}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as scratch:
        draft = Path(scratch) / path.name
        with rasterio.open(draft, "w", **profile) as file:
            file.update_tags(TIFFTAG_IMAGEDESCRIPTION=title)
            for index, band in enumerate(bands, start=1):
                file.write(np.asarray(band.array.transpose("y", "x"), dtype=float), index)
                file.set_band_description(index, band.name)
                file.set_band_unit(index, band.units)
                file.update_tags(index, units=band.units, **band.tags)
        (_cloud_optimised(draft) if cog else draft).replace(path)
    return path


def _cloud_optimised(draft: Path) -> Path:
    """A cloud-optimised copy of a file, beside it."""
    import rasterio.shutil

    copy = draft.with_suffix(".cog.tif")
    options = {"compress": "deflate", "predictor": "floating_point", "bigtiff": "if_safer"}
    rasterio.shutil.copy(draft, copy, driver="COG", **options)
    return copy
