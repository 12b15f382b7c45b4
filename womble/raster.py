"""Surfaces as GeoTIFF files: one file a quantity, one named band a statistic or draw."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from womble import cog
from womble.arguments import checked
from womble.arrays import FloatArray
from womble.file_formats import made_folder
from womble.zarr_store import fingerprint, is_lazy, write_zarr

if TYPE_CHECKING:
    import xarray as xr
    from rasterio.transform import Affine

COMPANIONS = ("p_positive", "significant")  # `<name>_p_positive` travels in the file of `<name>`
# Centres may stray from a regular grid by this share of a cell: coordinates stored in single
# precision do, and no map shows it; a grid that is really irregular exceeds it at once.
REGULARITY = 0.01


@checked
def write_geotiff(
    ds: xr.Dataset, folder: str | os.PathLike, *, progress: bool = True
) -> list[Path]:
    """Write every quantity of a surface as a GeoTIFF with named bands.

    Files are north-up whatever the order of `y` in `ds`, float64 (nothing is lost), cloud-optimised
    (tiles, deflated, with overviews of every second, fourth, .. cell), with NaN as nodata and the
    units and rule of each band as band tags. A file appears complete or not at all; one of the same
    name is replaced.

    A lazy map, made with `chunks`, is first computed into a Zarr store in the hidden folder
    `.womble` of `folder`, as `write_zarr` does it, and that is removed when all files are there. A
    run that was interrupted goes on where it stopped when it is called again with the same
    Dataset; with another one it starts anew.

    Parameters
    ----------
    ds : xarray.Dataset
        Dims ("statistic", "y", "x") or ("draw", "y", "x"), in any order; `y` and `x` are the
        centres of regularly spaced cells, in the units of the CRS. `spatial_ref` holds the CRS, if
        there is one. `<name>_p_positive` and `<name>_significant` (y, x) become the last bands of
        `<name>`; any other (y, x) variable becomes a file of one band.
    folder : path
        Where to write; created if missing.
    progress : bool
        Show what is done of a lazy map.

    Returns
    -------
    list of pathlib.Path
        One path a quantity, `<folder>/<name>.tif`, in the order of `ds`.

    Raises
    ------
    TypeError
        `ds` is not a Dataset, or `folder` no path.
    ValueError
        No variable lies on (y, x), a variable has more than one further dimension, the spacing is
        irregular or unknown, or chunks are uneven.
    ImportError
        `ds` is lazy and dask or Zarr is not installed.
    """
    _check_dataset(ds)
    transform = _north_up_transform(_regular(ds, "x"), _regular(ds, "y"))
    crs, names = _crs_wkt(ds), _quantities(ds)
    for name in names:
        _require_bands(ds[name])
    folder = made_folder(folder)
    paths = {name: folder / f"{name}.tif" for name in names}
    scratch, token = folder, None
    if is_lazy(ds):
        ds = ds[[name for name in ds.data_vars if {"y", "x"} <= set(ds[name].dims)]]
        scratch, token = folder / ".womble", fingerprint(ds)
    wanted = [n for n in names if token is None or cog.fingerprint_of(paths[n]) != token]
    if token is not None and wanted:
        ds = _computed(ds, scratch, progress)
    ds = _north_up(ds)
    silent = not progress or token is None
    for name in track(wanted, description="files", disable=silent, transient=True):
        title = str(ds[name].attrs.get("long_name", name))
        cog.write(paths[name], list(_layers(ds, name)), transform, crs, title, scratch, token)
    if token is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    return list(paths.values())


def _computed(ds: xr.Dataset, scratch: Path, progress: bool) -> xr.Dataset:
    """The same Dataset, read from a store whenever a part of it is asked for."""
    import xarray as xr

    store = write_zarr(ds, scratch / "surface.zarr", overwrite=True, progress=progress)
    return xr.open_zarr(store, chunks=None)


def _north_up(ds: xr.Dataset) -> xr.Dataset:
    """With x ascending and y descending."""
    for dim, sign in (("x", 1), ("y", -1)):
        steps = sign * np.diff(ds[dim].to_numpy())
        if (steps < 0).all():
            ds = ds.isel({dim: slice(None, None, -1)})
        elif not (steps > 0).all():
            ds = ds.sortby(dim, ascending=sign > 0)
    return ds


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


def _require_bands(variable: xr.DataArray) -> None:
    others = [dim for dim in variable.dims if dim not in ("y", "x")]
    if len(others) > 1:
        raise ValueError(
            f"`{variable.name}` must have one dimension besides 'y' and 'x', for the bands; got "
            f"{others}. Select along the others first, as in `ds.isel(time=0)`."
        )


def _layers(ds: xr.Dataset, name: str) -> Iterator[cog.Layer]:
    """Statistics or draws of `name`, then its companions."""
    variable = ds[name]
    dims = [dim for dim in variable.dims if dim not in ("y", "x")]
    names = _band_labels(variable, dims[0]) if dims else [name]
    yield cog.Layer(variable, names, variable.attrs.get("units", ""), {})
    for suffix in COMPANIONS:
        if f"{name}_{suffix}" in ds:
            companion = ds[f"{name}_{suffix}"]
            rule = {k: str(v) for k, v in companion.attrs.items() if k == "rule"}
            yield cog.Layer(companion, [suffix], "1", rule)


def _band_labels(variable: xr.DataArray, dim: str) -> list[str]:
    """'mean', 'sd', ... as they are; draws, which have numbers only, as 'draw_0', ..."""
    labels = variable[dim].values  # 0, 1, ... where there is no coordinate
    return [str(v) if isinstance(v, str) else f"{dim}_{v}" for v in labels.tolist()]
