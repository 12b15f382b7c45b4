"""womble curves"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from womble.cli import options

if TYPE_CHECKING:
    import geopandas as gpd

SHOWN = 20  # rows printed; the file has all


def curves(
    fit: options.Fit,
    curves: Annotated[Path, typer.Argument(help="Lines or areas, in the CRS of the data.")],
    by: Annotated[
        str, typer.Option(help="A row a `curve`, or a `segment`.", rich_help_panel=options.LINES)
    ] = "curve",
    segment_length: options.SegmentLength = None,
    rule: options.Rule = "interval",
    alpha: options.Alpha = 0.05,
    samples: Annotated[int | None, typer.Option(help="Posterior draws; by default 1,000.")] = None,
    reproject: Annotated[
        bool, typer.Option("--reproject", help="Take the curves to the CRS of the data.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the table: .gpkg, .geojson, .fgb, .parquet or .csv."),
    ] = None,
    seed: options.Seed = 1,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Test given lines: does the surface rise or fall across them?

    The gradient measure is the integral along the curve of the slope across it, to the right of
    travel (out of areas); its average is per length.

    Examples:

    `womble curves out/fit.nc river.gpkg`

    `womble curves out/fit.nc districts.geojson --by segment --segment-length 100 --rule fdr`
    """
    import womble as wb

    posterior, _ = options.load(fit)
    lines = wb.read_data(curves)
    if not hasattr(lines, "geometry"):
        raise ValueError(f"{str(curves)!r} is a raster; curves are lines or areas.")
    if reproject:
        if lines.crs is None or posterior.data.crs is None:
            raise ValueError("--reproject needs a CRS on both sides, the curves' and the fit's.")
        lines = lines.to_crs(posterior.data.crs)
    found = posterior.womble(
        lines,
        by=by,
        segment_length=segment_length,
        rule=rule,
        alpha=alpha,
        samples=samples,
        rng=seed,
        progress=options.progress(quiet),
    )
    typer.echo(_table(found, by))
    if out is not None:
        options.say_written([wb.write_table(found, out)])


def _table(found: gpd.GeoDataFrame, by: str) -> str:
    """The columns that answer the question, and units."""
    own = [name for name in ("name", "id") if name in found]
    ids = ["curve_id", "segment_id"] if by == "segment" else ["curve_id"]
    average = {f"average_gradient_{name}": name for name in ("mean", "q025", "q975")}
    decided = {"gradient_p_positive": "P(> 0)", "gradient_significant": "significant"}
    columns = {"length": "length"} | average | decided
    shown = found[[*own, *ids, *columns]].rename(columns=columns)
    units = found.attrs.get("units", {}).get("average_gradient_mean")
    lines = [f"average slope across{f', {units}' if units else ''}; rule: {found['rule'].iloc[0]}"]
    lines.append(shown.head(SHOWN).to_string(index=False, float_format="{:.4g}".format))
    if len(shown) > SHOWN:
        lines.append(f"... {len(shown) - SHOWN} more rows; --out writes all")
    return "\n".join(lines)
