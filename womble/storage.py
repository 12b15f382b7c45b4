"""A Posterior in one NetCDF file: data, model, draws and versions."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from womble import kernels, sums_storage
from womble.arguments import checked
from womble.axis import Axis
from womble.covariate_storage import from_dataset, to_dataset
from womble.engines import choose_engine, covariate_terms
from womble.engines.band import Band
from womble.engines.base import Engine
from womble.engines.disc import Disc
from womble.engines.latent import LatentEngine
from womble.engines.spectral import SpectralEngine
from womble.kernels import Kernel
from womble.posterior import Posterior
from womble.response import Response
from womble.slopes import Slopes
from womble.spatial_data import SpatialData
from womble.trend import Trend
from womble.whole import Whole

FORMAT = "womble-posterior-1"
# Of NUTS, what diagnostics and trace plots ask for; of importance sampling, all.
STATISTICS = (
    "diverging",
    "energy",
    "tree_depth",
    "lp",
    "n_steps",
    "step_size",
    "acceptance_rate",
    "log_weight",
    "point",
    "k_hat",
    "ess",
    "points",
    "modes",
    "distinct",
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
    if data.measurement_sd is not None:
        ds["measurement_sd"] = ("observation", data.measurement_sd)
    if data.weights is not None:
        ds["observation_weights"] = ("observation", data.weights)
    if data.slopes is not None:
        ds = ds.assign(_slope_variables(data.slopes))
    ds = ds.merge(posterior.draws, join="exact", compat="override")
    if data.response is not None:
        observed = data.response.to_dict()
        ds.attrs["likelihood"] = observed.pop("likelihood")
        ds = ds.assign({name: ("observation", x) for name, x in observed.items()})
    if posterior.sample_stats is not None:
        plain = posterior.sample_stats
        plain = plain[[name for name in STATISTICS if name in plain]]
        ds = ds.merge(
            plain.rename({name: f"stat_{name}" for name in plain}), join="exact", compat="override"
        )
    ds.attrs |= {
        "format": FORMAT,
        "versions": json.dumps({name: version(name) for name in VERSIONED}),
        "kernel": json.dumps(_described(posterior.kernel)),
        "trend": posterior.trend,
        "engine": posterior.engine,
        "inference": posterior.inference,
        "data": json.dumps(
            {
                "name": data.name,
                "units": data.units,
                "coordinate_units": data.coordinate_units,
                "crs": None if data.crs is None else data.crs.to_wkt(),
                "transform": data.transform,
                "axis": {
                    "name": data.axis.name,
                    "origin": None if data.axis.origin is None else str(data.axis.origin),
                },
            }
        ),
    }
    covariates = to_dataset(data.covariates)
    ds = ds.merge(covariates, join="exact", compat="override", combine_attrs="no_conflicts")
    if data.whole is not None:
        sums = sums_storage.to_dataset(posterior._engine.statistics)
        ds = ds.merge(sums, join="exact", compat="override", combine_attrs="no_conflicts")
        ds.attrs["whole"] = json.dumps(data.whole.to_dict())
    if isinstance(posterior._engine, SpectralEngine):
        ds.attrs["spectral"] = json.dumps(posterior._engine.band)
    if isinstance(posterior._engine, LatentEngine):
        ds.attrs["band"] = json.dumps(posterior._engine.band.to_dict())
    encoding = {name: {"dtype": "int8"} for name in ds if ds[name].dtype == bool}
    ds.to_netcdf(path, engine="h5netcdf", encoding=encoding)


@checked
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
    crs, axis = about.pop("crs"), about.pop("axis", None)
    data = SpatialData(
        coords=ds["coords"].to_numpy(),
        values=ds["values"].to_numpy(),
        rows=ds["rows"].to_numpy(),
        crs=None if crs is None else pyproj.CRS.from_wkt(crs),
        centred=ds.attrs["trend"] != "none",
        measurement_sd=ds["measurement_sd"].to_numpy() if "measurement_sd" in ds else None,
        weights=ds["observation_weights"].to_numpy() if "observation_weights" in ds else None,
        slopes=_read_slopes(ds) if "slope_values" in ds else None,
        covariates=from_dataset(ds),
        axis=_axis(axis),
        response=_response(ds),
        whole=Whole.from_dict(json.loads(ds.attrs["whole"])) if "whole" in ds.attrs else None,
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
        ds.attrs.get("inference", "NUTS" if stats else "given hyperparameters"),
    )


def _response(ds: xr.Dataset) -> Response | None:
    if "likelihood" not in ds.attrs:
        return None
    names = [f.name for f in fields(Response) if f.name in ds]
    return Response(ds.attrs["likelihood"], **{name: ds[name].to_numpy() for name in names})


def _engine(ds: xr.Dataset, kernel: Kernel, data: SpatialData) -> Engine:
    """The engine that the draws came from, with the band it had."""
    trend, scaling = Trend(ds.attrs["trend"]), data.scaling
    if data.response is not None:
        from womble.latent_model import Latent

        model = Latent(kernel, trend.name, data)
        if "band" not in ds.attrs:
            return model.sites()
        return model.with_band(Band.from_dict(json.loads(ds.attrs["band"])))
    if "spectral" not in ds.attrs:
        return choose_engine("dense", kernel, trend, data, "anisotropy_1" in ds)[0]
    from womble.engines.spectral_choice import again, from_sums

    observed = scaling.coords_in(data.coords), scaling.values_in(data.values)
    band, covariates = json.loads(ds.attrs["spectral"]), covariate_terms(data)
    if data.whole is None:
        return again(kernel, trend, *observed, band, covariates, data.weights)
    disc = Disc(np.array(band["centre"]), np.array(band["period"]), band["radius"])
    statistics = sums_storage.from_dataset(ds, disc, trend)
    return from_sums(kernel, statistics, np.array(band["domain"]), *observed, covariates)


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


def _slope_variables(slopes: Slopes) -> dict[str, tuple]:
    return {
        f"slope_{name}": (("slope", "dimension")[: array.ndim], array)
        for name, array in vars(slopes).items()
    }


def _read_slopes(ds: xr.Dataset) -> Slopes:
    return Slopes(**{f.name: ds[f"slope_{f.name}"].to_numpy() for f in fields(Slopes)})


def _axis(plain: dict[str, str | None] | None) -> Axis:
    """The axis of data on a line; files written before there was one have none."""
    if plain is None:
        return Axis()
    origin = plain["origin"]
    return Axis(plain["name"], None if origin is None else np.datetime64(origin, "ns"))


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
