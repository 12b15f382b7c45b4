"""A Posterior in one NetCDF file: data, model, draws and versions."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from womble import kernels
from womble.engines import choose_engine
from womble.engines.band import Band
from womble.engines.base import Engine
from womble.engines.latent import LatentEngine
from womble.kernels import Kernel
from womble.posterior import Posterior
from womble.response import Response
from womble.spatial_data import SpatialData
from womble.trend import Trend

FORMAT = "womble-posterior-1"
# Of the sampler: what diagnostics and trace plots ask for.
STATISTICS = (
    "diverging",
    "energy",
    "tree_depth",
    "lp",
    "n_steps",
    "step_size",
    "acceptance_rate",
    "effective_draws",
)
VERSIONED = ("womble", "pymc", "pytensor", "arviz", "numpy", "scipy")


def save(posterior: Posterior, path: str | Path) -> None:
    """Write data, model, draws, sampler statistics and versions to NetCDF-4."""
    data = posterior.data
    ds = xr.Dataset(
        {
            "coords": (("observation", "dimension"), data.coords),
            "values": ("observation", data.values),
            "rows": (
                "observation",
                np.arange(len(data.values)) if data.rows is None else data.rows,
            ),
        }
    )
    ds = ds.merge(posterior.draws, join="exact", compat="override")
    if data.response is not None:
        observed = data.response.to_dict()
        ds.attrs["likelihood"] = observed.pop("likelihood")
        ds = ds.assign({name: ("observation", x) for name, x in observed.items()})
    if posterior.sample_stats is not None:
        kept = [name for name in STATISTICS if name in posterior.sample_stats]
        plain = posterior.sample_stats[kept]
        ds = ds.merge(
            plain.rename({name: f"stat_{name}" for name in plain}), join="exact", compat="override"
        )
    ds.attrs |= {
        "format": FORMAT,
        "versions": json.dumps({name: version(name) for name in VERSIONED}),
        "kernel": json.dumps(_described(posterior.kernel)),
        "trend": posterior.trend,
        "engine": posterior.engine,
        "data": json.dumps(
            {
                "name": data.name,
                "units": data.units,
                "coordinate_units": data.coordinate_units,
                "crs": None if data.crs is None else data.crs.to_wkt(),
                "transform": data.transform,
            }
        ),
    }
    if isinstance(posterior._engine, LatentEngine):
        ds.attrs["band"] = json.dumps(posterior._engine.band.to_dict())
    encoding = {name: {"dtype": "int8"} for name in ds if ds[name].dtype == bool}
    ds.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def load(path: str | Path) -> Posterior:
    """Read a Posterior that `Posterior.save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one of ours.
    """
    import pyproj

    ds = _read(Path(path))
    about, kernel = json.loads(ds.attrs["data"]), json.loads(ds.attrs["kernel"])
    crs = about.pop("crs")
    data = SpatialData(
        coords=ds["coords"].to_numpy(),
        values=ds["values"].to_numpy(),
        rows=ds["rows"].to_numpy(),
        crs=None if crs is None else pyproj.CRS.from_wkt(crs),
        centred=ds.attrs["trend"] != "none",
        response=_response(ds),
        **about,
    )
    kernel = _kernel(kernel)
    stats = [name for name in ds if str(name).startswith("stat_")]
    engine = _engine(ds, kernel, data)
    chains = [name for name in ds if "chain" in ds[name].dims and name not in stats]
    sample_stats = ds[stats].rename({name: str(name).removeprefix("stat_") for name in stats})
    if "diverging" in sample_stats:
        sample_stats["diverging"] = sample_stats["diverging"].astype(bool)
    draws = ds[chains]
    draws.attrs = sample_stats.attrs = {}  # they were the file's
    return Posterior(
        data,
        kernel,
        ds.attrs["trend"],
        draws,
        sample_stats if stats else None,
        ds.attrs["engine"],
        engine,
    )


def _response(ds: xr.Dataset) -> Response | None:
    if "likelihood" not in ds.attrs:
        return None
    amounts = {name: ds[name].to_numpy() for name in ("exposure", "trials") if name in ds}
    return Response(ds.attrs["likelihood"], **amounts)


def _engine(ds: xr.Dataset, kernel: Kernel, data: SpatialData) -> Engine:
    """The engine that the draws came from."""
    trend = ds.attrs["trend"]
    if data.response is None:
        return choose_engine("dense", kernel, Trend(trend), data, "anisotropy_1" in ds)[0]
    from womble.latent_model import Latent

    model = Latent(kernel, trend, data)
    if "band" not in ds.attrs:
        return model.sites()
    return model.with_band(Band.from_dict(json.loads(ds.attrs["band"])))


def _described(kernel: Kernel) -> dict[str, Any]:
    """A kernel as numbers and names, its components within a sum too."""
    if isinstance(kernel, kernels.Sum):
        return {"name": "Sum", "components": [_described(part) for part in kernel.components]}
    return {"name": type(kernel).__name__, **asdict(kernel)}


def _kernel(described: dict[str, Any]) -> Kernel:
    """The inverse of `_described`."""
    name, rest = described["name"], {k: x for k, x in described.items() if k != "name"}
    if name == "Sum":
        return kernels.Sum(tuple(_kernel(part) for part in rest["components"]))
    return getattr(kernels, name)(**rest)


def _read(path: Path) -> xr.Dataset:
    """The file's contents, refused unless `save` wrote it."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; write one with post.save(path).")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            ds = opened.load()
    except OSError as error:
        raise ValueError(
            f"{str(path)!r} is not a womble posterior: it is no NetCDF-4 file ({error}). Expected "
            "a file written by post.save(path)."
        ) from error
    if ds.attrs.get("format") != FORMAT:
        raise ValueError(
            f"{str(path)!r} is not a womble posterior (format {FORMAT}); got format "
            f"{ds.attrs.get('format')!r}. Expected a file written by post.save(path)."
        )
    return ds
