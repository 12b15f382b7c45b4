"""What a file holds, in words: data with their problems, and fits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from womble.data_checks import MINIMUM_LOCATIONS
from womble.file_formats import DEGREES, PLANAR
from womble.readers import looks_like_degrees, point_coordinates

if TYPE_CHECKING:
    import geopandas as gpd

    from womble.arrays import FloatArray

MOST_COLUMNS = 40
MOST_LINES = 10
CANDIDATE = 0.8  # a prominence that shows lines of which a fifth may be false
# A positive response this skewed is usually closer to a Gaussian field on logarithms.
SKEWED = 1.0
# Distinct whole numbers that fill their range to this inverse share are numbers of the rows.
DENSE = 2


def of_data(path: Path, data: Any, named: Sequence[str]) -> list[str]:
    """Lines about the data of a file, read with the options `named`."""
    if not hasattr(data, "geometry"):
        return _of_raster(path, data, named)
    kinds = sorted({str(kind) for kind in data.geom_type.dropna()})
    lines = [
        f"{path}: {len(data)} rows, {', '.join(kinds) or 'no geometry'}",
        f"  CRS  {_crs(data)}",
    ]
    if kinds != ["Point"]:
        advice = "points are needed to fit a field: explode() MultiPoints, centroids of areas"
        use = "lines and areas can be tested: womble curves FIT " + shlex.quote(str(path))
        return [*lines, *_columns(data), "problems", f"  {advice}", "next", f"  {use}"]
    coords = point_coordinates(data, "data")
    lines += _extent(coords)
    lines += _columns(data)
    found = list(_problems(data, coords, named))
    lines += ["problems", *(f"  {problem}" for problem in found)] if found else []
    return [*lines, "next", *_next(path, data, coords, named)]


def of_fit(path: Path) -> list[str]:
    """Lines about a fit, and how `womble run` made it."""
    from womble.cli import options

    posterior, record = options.load(path)
    lines = [f"{path}: {posterior!r}", posterior.summary().to_string(float_format="{:.4g}".format)]
    if record:
        made = {k: v for k, v in record.items() if v not in (None, [], False) and k != "data"}
        lines.append("made with " + ", ".join(f"{key}={word}" for key, word in made.items()))
    quoted = shlex.quote(str(path))
    return [*lines, "next", f"  womble report {quoted}", f"  womble curves {quoted} LINES.gpkg"]


def of_lines(lines: gpd.GeoDataFrame, prominence: float) -> list[str]:
    """The lines found, the steepest first."""
    if not len(lines):
        weaker = f"; --prominence {CANDIDATE} --alpha {1 - CANDIDATE:.2g} shows candidates"
        hint = weaker if prominence > CANDIDATE else ""
        return [f"no boundary stands out with probability {prominence:g}{hint}"]
    names = ["kind", "level", "length", "probability", "steepness_mean", "position_sd"]
    shown = lines[["boundary_id", *names]].head(MOST_LINES)
    table = shown.to_string(index=False, float_format="{:.4g}".format, na_rep="")
    more = len(lines) - len(shown)
    count = "1 boundary line" if len(lines) == 1 else f"{len(lines)} boundary lines"
    units = lines.attrs.get("units", {}).get("steepness_mean")
    head = f"{count}, steepness in {units}" if units else count
    return [head, table, *([f"... {more} more"] if more else [])]


def _of_raster(path: Path, raster: Any, named: Sequence[str]) -> list[str]:
    ny, nx = raster.shape
    present = int(raster.notnull().sum())
    west, south, east, north = raster.rio.bounds()
    lines = [
        f"{path}: raster of {ny} x {nx} cells, {present} with a value",
        f"  CRS  {raster.rio.crs or 'none: taken as planar'}",
        f"  x    {west:g} to {east:g}",
        f"  y    {south:g} to {north:g}",
        f"  {raster.name}: {float(raster.min()):g} to {float(raster.max()):g}",
    ]
    if raster.rio.crs is not None and raster.rio.crs.is_geographic:
        lines += ["problems", "  coordinates are degrees: gdalwarp -t_srs to a projected CRS first"]
    return [*lines, "next", f"  {_command(path, None, named)}"]


def _crs(data: gpd.GeoDataFrame) -> str:
    if data.crs is None:
        return "none: taken as planar"
    code = data.crs.to_authority()
    return f"{data.crs.name}{f' ({code[0]}:{code[1]})' if code else ''}"


def _extent(coords: FloatArray) -> list[str]:
    from scipy.spatial import cKDTree

    distinct = np.unique(coords[np.isfinite(coords).all(axis=1)], axis=0)
    if len(distinct) < 2:
        return [f"  {len(distinct)} distinct locations"]
    (west, south), (east, north) = distinct.min(axis=0), distinct.max(axis=0)
    nearest = np.median(cKDTree(distinct).query(distinct, k=2)[0][:, 1])
    return [
        f"  x    {west:.10g} to {east:.10g}",
        f"  y    {south:.10g} to {north:.10g}",
        f"  {len(distinct)} distinct locations; median distance to the nearest {nearest:.4g}",
    ]


def _columns(data: gpd.GeoDataFrame) -> list[str]:
    table = pd.DataFrame(data.drop(columns=data.geometry.name))
    lines, width = ["columns"], max((len(str(name)) for name in table), default=0)
    for name in list(table)[:MOST_COLUMNS]:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and column.notna().any():
            what = f"{column.min():.6g} to {column.max():.6g}"
        else:
            what = str(column.dtype)
        counts = f"{column.nunique()} distinct"
        missing = int(column.isna().sum())
        lines.append(
            f"  {name!s:<{width}}  {what}, {counts}{f', {missing} missing' if missing else ''}"
        )
    more = len(table.columns) - MOST_COLUMNS
    return [*lines, f"  ... {more} more"] if more > 0 else lines


def _problems(data: gpd.GeoDataFrame, coords: FloatArray, named: Sequence[str]) -> Iterator[str]:
    """What would be refused or warned of, with the remedy."""
    coords = coords[np.isfinite(coords).all(axis=1)]
    lost = len(data) - len(coords)
    if lost:
        yield f"{lost} rows have no location and will be left out"
    distinct = np.unique(coords, axis=0)
    if len(distinct) < MINIMUM_LOCATIONS:
        yield f"{len(distinct)} distinct locations are too few: at least {MINIMUM_LOCATIONS}"
    if data.crs is not None and data.crs.is_geographic:
        yield "coordinates are degrees, and distances must be lengths: add --project"
    elif data.crs is None and len(distinct) and looks_like_degrees(distinct):
        yield "coordinates look like degrees: if they are, add --crs EPSG:4326 --project"
    elif data.crs is None and "--crs" not in named:
        yield "no CRS: fine in any plane; results then have none (--crs EPSG:... states it)"
    if len(distinct) < len(coords):
        yield (
            f"{len(coords) - len(distinct)} rows repeat a location: taken as repeated measurements"
        )


def _next(
    path: Path, data: gpd.GeoDataFrame, coords: FloatArray, named: Sequence[str]
) -> list[str]:
    table = pd.DataFrame(data.drop(columns=data.geometry.name))
    places = {name for pair in (*PLANAR, *DEGREES) for name in pair} | {w.lower() for w in named}
    rest = [name for name in table if str(name).lower() not in places]
    usable = [str(name) for name in rest if _is_response(table[name], coords)]
    if not usable:
        return ["  no column of numbers that vary: nothing to fit"]
    options = [*named]
    if data.crs is not None and data.crs.is_geographic:
        options.append("--project")
    lines = [f"  {_command(path, usable[0], [*options, *_suited(table[usable[0]])])}"]
    if len(usable) > 1:
        lines.append(f"  or --value {', '.join(usable[1:MOST_COLUMNS])}")
    return lines


def _is_response(column: pd.Series, coords: FloatArray) -> bool:
    """Whether a column varies, and is neither a coordinate nor a number of the row."""
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2:
        return False
    if column.nunique() == 2:
        return set(column.dropna().unique()) == {0, 1}
    numbers = column.to_numpy(dtype=float, na_value=np.nan)
    if any(np.array_equal(numbers, axis, equal_nan=True) for axis in coords.T):
        return False
    numbered = pd.api.types.is_integer_dtype(column) and column.is_unique
    return not (numbered and np.ptp(numbers) <= DENSE * len(numbers))


def _suited(column: pd.Series) -> list[str]:
    """Options of the model that the response's values suggest."""
    values = column.dropna().to_numpy(dtype=float)
    whole = bool((values == np.round(values)).all()) and values.min() >= 0
    if whole and set(np.unique(values)) == {0.0, 1.0}:
        return ["--likelihood", "bernoulli", "--inference", "laplace", "--level", "0.5"]
    if whole and (values == 0).any():
        return ["--likelihood", "poisson", "--inference", "laplace"]
    if values.min() > 0 and pd.Series(values).skew() > SKEWED:
        return ["--transform", "log"]
    return []


def _command(path: Path, value: str | None, options: Sequence[str]) -> str:
    words = ["womble", "run", str(path)]
    words += ["--value", value] if value is not None else []
    return shlex.join([*words, *options])
