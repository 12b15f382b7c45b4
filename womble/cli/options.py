"""Options that several commands share, and what they mean to the library."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from womble.cli.errors import DEBUG

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr


def _debug(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[DEBUG] = value
    return value


DATA, MODEL, MAP, LINES, OUTPUT = "Data", "Model", "Map", "Boundaries and curves", "Output"


def _of(panel: str, text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, **settings)


File = Annotated[
    Path, typer.Argument(help="GeoPackage, GeoJSON, Shapefile, GeoParquet, CSV or GeoTIFF.")
]
Fit = Annotated[Path, typer.Argument(help="fit.nc, as `womble run` writes it.")]

Value = Annotated[str | None, _of(DATA, "Column of the response.", "--value", "-v")]
X = Annotated[str | None, _of(DATA, "Column of eastings, of a CSV.", "--x")]
Y = Annotated[str | None, _of(DATA, "Column of northings, of a CSV.", "--y")]
Crs = Annotated[str | None, _of(DATA, "CRS of a file that does not say, as EPSG:28992.")]
Layer = Annotated[str | None, _of(DATA, "Layer, or band of a raster.")]
Project = Annotated[bool, _of(DATA, "Take degrees to their UTM zone.", "--project")]
Units = Annotated[str | None, _of(DATA, "Units of the response.")]

Covariates = Annotated[str, _of(MODEL, "Columns that enter linearly: AGE,SQFT.")]
Transform = Annotated[str | None, _of(MODEL, "log, of a positive response.")]
LIKELIHOODS = "gaussian, student_t, poisson, negative_binomial, bernoulli, binomial or gamma."
Likelihood = Annotated[str, _of(MODEL, LIKELIHOODS)]
Exposure = Annotated[str | None, _of(MODEL, "Column: what counts are proportional to.")]
Trials = Annotated[str | None, _of(MODEL, "Column: what binomial counts are out of.")]
KernelName = Annotated[str, _of(MODEL, "matern or squared-exponential.", "--kernel")]
Nu = Annotated[float | None, _of(MODEL, "Smoothness of matern; 3.5, of rough fields 2.5.")]
Trend = Annotated[str, _of(MODEL, "none, constant, linear or quadratic.")]
ANISOTROPIC = "The lengthscale depends on the direction."
Anisotropic = Annotated[bool, _of(MODEL, ANISOTROPIC, "--anisotropic")]
METHODS = "nuts; importance, far quicker; map; with other likelihoods laplace."
Inference = Annotated[str, _of(MODEL, METHODS)]
Draws = Annotated[int, _of(MODEL, "Posterior draws (a chain).")]

Spacing = Annotated[float | None, _of(MAP, "Side of the cells, in coordinate units.")]
MASKS = "Where to answer: distance (near data), hull, none, or a file of polygons."
Mask = Annotated[str, _of(MAP, MASKS)]
Samples = Annotated[int | None, _of(MAP, "Posterior draws of maps; 300, or all.")]

KINDS = "gradient (steepest lines), ridge, valley, zero_curvature or none."
Kind = Annotated[str, _of(LINES, KINDS, "--boundaries")]
LEVEL = "Also find where the surface passes this value of the response; may be repeated."
Levels = Annotated[list[float] | None, _of(LINES, LEVEL, "--level")]
Prominence = Annotated[float, _of(LINES, "Probability with which a line stands out.")]
Curves = Annotated[Path | None, _of(LINES, "File of lines or areas to test too.")]
SegmentLength = Annotated[float | None, _of(LINES, "Longest piece of a tested curve.")]
Rule = Annotated[str, _of(LINES, "What is significant: interval, fdr or simultaneous.")]
Alpha = Annotated[float, _of(LINES, "Error rate of that rule.")]

Out = Annotated[Path, _of(OUTPUT, "Folder to write into.")]
Report = Annotated[bool, _of(OUTPUT, "Write report.html too.", "--report")]
Format = Annotated[str, _of(OUTPUT, "Of lines: gpkg, geojson, fgb, parquet or csv.", "--format")]
Refit = Annotated[bool, _of(OUTPUT, "Do not reuse the fit in the folder.", "--refit")]
Seed = Annotated[int, _of(OUTPUT, "Seed of all random numbers.", min=0)]
Quiet = Annotated[bool, _of(OUTPUT, "No progress bars.", "--quiet", "-q")]
Debug = Annotated[bool, _of(OUTPUT, "Show tracebacks.", "--debug", callback=_debug, is_eager=True)]


def read(
    file: Path, x: str | None, y: str | None, crs: str | None, layer: str | None, project: bool
) -> gpd.GeoDataFrame | xr.DataArray:
    """The data of a command."""
    import womble as wb

    data = wb.read_data(file, x=x, y=y, crs=crs, layer=layer)
    if project and hasattr(data, "rio"):
        raise ValueError(
            "--project is for points; reproject a raster first, for instance with gdalwarp -t_srs."
        )
    return wb.project(data) if project else data


def read_mask(mask: str) -> Any:
    """`Grid.from_data`'s mask: a name, None, or polygons from a file."""
    import womble as wb

    if mask in ("distance", "hull"):
        return mask
    if mask == "none":
        return None
    if not Path(mask).exists():
        raise ValueError(
            f"--mask must be distance, hull, none or a file of polygons; got {mask!r}, and there "
            "is no such file."
        )
    return wb.read_data(mask)


def progress(quiet: bool) -> bool:
    """Whether to show progress bars: not where nobody watches."""
    return not quiet and sys.stdout.isatty()


def names(listed: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def load(fit: Path) -> tuple[Any, dict[str, Any]]:
    """A fit, and the record of how `womble run` made it."""
    import womble as wb
    from womble.job import read_record

    return wb.load(fit), read_record(fit)


def say_written(written: list[Path]) -> None:
    """List files, a paragraph a folder."""
    typer.echo(f"{len(written)} {'file' if len(written) == 1 else 'files'} written:")
    for folder in dict.fromkeys(path.parent for path in written):
        names = ", ".join(path.name for path in written if path.parent == folder)
        text = f"{folder}{os.sep} {names}"
        typer.echo(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="    "))
