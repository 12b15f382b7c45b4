"""Covariates in a saved posterior's file."""

from __future__ import annotations

import json
from dataclasses import asdict

import xarray as xr

from womble.covariate import Covariate
from womble.covariate_field import RasterField
from womble.covariates import Covariates

NAMES = ("x", "y", "cells")


def to_dataset(covariates: Covariates | None) -> xr.Dataset:
    """Variables and one attribute that `from_dataset` reads; empty without covariates.

    Raises
    ------
    ValueError
        If a covariate's field is a function, which no file can hold.
    """
    if covariates is None:
        return xr.Dataset()
    ds = xr.Dataset({"covariates": (("observation", "column"), covariates.design)})
    for name, field in covariates.fields.items():
        if not isinstance(field, RasterField):
            raise ValueError(
                f"covariate_fields[{name!r}] must be a raster to be saved; it is a function. Fit "
                "with its values on a fine raster."
            )
        axes = (f"field_{name}_x", f"field_{name}_y")
        for part, dims in zip(NAMES, ((axes[0],), (axes[1],), axes), strict=True):
            ds[f"field_{name}_{part}"] = (dims, getattr(field, part))
    ds.attrs["covariates"] = json.dumps(
        {"columns": [asdict(c) for c in covariates.columns], "fields": list(covariates.fields)}
    )
    return ds


def from_dataset(ds: xr.Dataset) -> Covariates | None:
    """The covariates that `to_dataset` wrote, or None."""
    if "covariates" not in ds.attrs:
        return None
    about = json.loads(ds.attrs["covariates"])
    columns = tuple(
        Covariate(**{**c, "levels": None if c["levels"] is None else tuple(c["levels"])})
        for c in about["columns"]
    )
    fields = {
        name: RasterField(name, *(ds[f"field_{name}_{part}"].to_numpy() for part in NAMES))
        for name in about["fields"]
    }
    return Covariates(columns, ds["covariates"].to_numpy(), fields)
