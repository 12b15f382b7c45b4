"""The files beside a report: every number of the page is in one of them, in full."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING

from womble.reporting.content import Section, numbers
from womble.reporting.findings import Findings, answered

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

NUMBERS = "numbers.json"


def write_files(findings: Findings, folder: Path) -> list[tuple[str, str]]:
    """Write all arrays and tables; names and what they hold, in order.

    The list ends with `numbers.json`, which `write_numbers` writes when the page is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [*_fit(findings, folder), *_surfaces(findings, folder), *_tables(findings, folder)]
    return [*written, (NUMBERS, "every number of the page by its id, in full")]


def write_numbers(sections: Sequence[Section], folder: Path) -> None:
    """Write every number of the page by its id; NaN is null, infinity the text "inf"."""
    plain = {name: _plain(x) for name, x in numbers(sections).items()}
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / NUMBERS).write_text(text + "\n", encoding="utf-8")


def _plain(value: float) -> float | str | None:
    """A number as JSON can hold it."""
    if isfinite(value):
        return value
    return None if isnan(value) else str(value)


def _fit(findings: Findings, folder: Path) -> Iterator[tuple[str, str]]:
    # A covariate field that is a function cannot be saved, and the list says so.
    _, refused = answered(lambda: findings.posterior.save(folder / "fit.nc"))
    held = "data, model, priors, draws, sampler statistics, versions; wb.load reads it"
    yield "fit.nc", f"not written: {refused}" if refused else held


def _surfaces(findings: Findings, folder: Path) -> Iterator[tuple[str, str]]:
    maps = {
        "surface.nc": (findings.surface, "the field and its derivatives, link scale (CF NetCDF)"),
        "surface_response.nc": (findings.response, "the same on the response scale"),
    }
    for name, (ds, what) in maps.items():
        if ds is not None:
            ds.to_netcdf(folder / name, engine="h5netcdf")
            yield name, what


def _tables(findings: Findings, folder: Path) -> Iterator[tuple[str, str]]:
    post = findings.posterior
    tables: dict[str, tuple[pd.DataFrame | None, str]] = {
        "summary.csv": (post.summary(), "hyperparameters: moments, quantiles, R-hat, ESS"),
        "coefficients.csv": (
            None if post.data.covariates is None else post.coefficients(),
            "coefficients of the covariates",
        ),
        "change_points.csv": (findings.changes, "change points"),
        "replicated.csv": (findings.replicated, "statistics of the data and of the model's"),
        "sensitivity.csv": (findings.sensitivity, "other kernels and priors"),
    }
    if findings.check is not None:
        seen = findings.check.observations
        scores = findings.check.table
        tables["check.csv"] = (seen.drop(columns="geometry", errors="ignore"), "each prediction")
        tables["check_scores.csv"] = (scores, "their scores")
    for name, (table, what) in tables.items():
        if table is not None:
            table.to_csv(folder / name)
            yield name, what
    frames = {
        "segments.gpkg": (findings.segments, "wombling measures of each segment of the curves"),
        "curves.gpkg": (findings.totals, "wombling measures of each curve"),
    }
    for found in findings.found:
        name = f"boundaries_{found.kind}.gpkg"
        frames[name] = (found.lines, f"lines of kind {found.kind} with all their columns")
        frames[f"bands_{found.kind}.gpkg"] = (found.bands, "their position bands")
    for name, (frame, what) in frames.items():
        if frame is not None and len(frame):
            _write_frame(frame, folder / name)
            yield name, what


def _write_frame(frame: gpd.GeoDataFrame, path: Path) -> None:
    path.unlink(missing_ok=True)  # layers of an older report
    with warnings.catch_warnings():
        # Data in a plane of their own have none, and the report says so.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        frame.to_file(path)
