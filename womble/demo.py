"""The main job on real data: from zinc in the Meuse flood plain to surfaces and boundaries."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import womble as wb

# Longest tested piece of the river bank and side of a cell, in metres: about half the median
# spacing of the samples. Posterior draws of the surfaces and of the bank.
SEGMENT = 100.0
SPACING = 50.0
SAMPLES = 300
# Intervention value for zinc in standard soil (Dutch Soil Remediation Circular 2013), mg/kg.
INTERVENTION = 720.0
# 155 noisy samples do not settle where zinc falls fastest: crests are shown from a prominence of
# 0.8 on, with a fifth of them expected to be false. Their probability is in the table.
CANDIDATE = 0.8


def nearest_bank(samples: gpd.GeoDataFrame, river: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The longest stretch of the river's outline that the samples can speak about.

    Its vertices lie within `womble.mask.data_distance` of a sample. It is travelled so that the
    normal, to the right, points out of the river.
    """
    from scipy.spatial import cKDTree

    from womble.mask import data_distance

    coords = shapely.get_coordinates(samples.geometry)
    outline = shapely.orient_polygons(river.geometry.iloc[0], exterior_cw=False).exterior
    vertices = shapely.get_coordinates(shapely.segmentize(outline, SEGMENT / 2))
    near = cKDTree(coords).query(vertices)[0] <= data_distance(coords)
    runs = np.split(np.arange(len(near)), np.flatnonzero(np.diff(near)) + 1)
    longest = max((run for run in runs if near[run[0]]), key=len)
    bank = shapely.LineString(vertices[longest])
    return gpd.GeoDataFrame({"name": ["river bank"]}, geometry=[bank], crs=river.crs)


def find_boundaries(
    posterior: wb.Posterior, grid: wb.Grid, *, seed: int, progress: bool
) -> gpd.GeoDataFrame:
    """Candidate crests of the slope, and the line where zinc passes the intervention value."""
    crests = posterior.boundaries(
        grid, prominence=CANDIDATE, alpha=1 - CANDIDATE, rng=seed, progress=progress
    )
    contour = posterior.boundaries(
        grid, kind="level", levels=[np.log(INTERVENTION)], rng=seed, progress=progress
    )
    found = [lines for lines in (crests, contour) if len(lines)]
    together = pd.concat(found, ignore_index=True) if found else crests
    return together.assign(boundary_id=range(len(together)))


def run(out: Path, *, seed: int, progress: bool) -> list[Path]:
    """Fit log zinc, write surfaces, boundaries, the tested bank, figures and a summary.

    Parameters
    ----------
    out : path
        Folder, made if need be.
    seed : int
    progress : bool

    Returns
    -------
    list of paths
        Everything written.
    """
    out.mkdir(parents=True, exist_ok=True)
    zinc = wb.datasets.meuse()
    posterior = wb.FieldModel(kernel=wb.Matern(nu=3.5)).fit(
        zinc, "zinc", transform="log", rng=seed, progress=progress
    )
    grid = wb.Grid.from_data(zinc, spacing=SPACING)
    surface = posterior.surface(grid, samples=SAMPLES, rng=seed, progress=progress)
    boundaries = find_boundaries(posterior, grid, seed=seed, progress=progress)
    segments = posterior.womble(
        nearest_bank(zinc, wb.datasets.meuse_river()),
        segment_length=SEGMENT,
        samples=SAMPLES,
        rule="fdr",
        rng=seed,
        progress=progress,
    )
    written = [out / name for name in ("fit.nc", "surface.nc", "summary.csv")]
    posterior.save(written[0])
    surface.to_netcdf(written[1], engine="h5netcdf")
    posterior.summary().to_csv(written[2])
    for name, frame in (("boundaries.gpkg", boundaries), ("segments.gpkg", segments)):
        frame.to_file(out / name)
        written.append(out / name)
    written += wb.write_geotiff(surface, out)
    return written + _figures(out, posterior, surface, boundaries, segments)


def _figures(out, posterior, surface, boundaries, segments) -> list[Path]:
    """One PNG a figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def lines_on_slope():
        return wb.plot.boundaries(boundaries, ax=wb.plot.surface(surface, "gradient_magnitude"))

    figures = {
        "data": lambda: wb.plot.data(
            posterior.data.coords, posterior.data.values, label="log zinc"
        ),
        "value": lambda: wb.plot.surface(surface, "value"),
        "slope_x": lambda: wb.plot.surface(surface, "dx"),
        "slope_y": lambda: wb.plot.surface(surface, "dy"),
        "laplacian": lambda: wb.plot.surface(surface, "laplacian"),
        "gradient": lambda: wb.plot.gradient_arrows(surface),
        "boundaries": lines_on_slope,
        "bank": lambda: wb.plot.segments(segments),
        "bank_profile": lambda: wb.plot.along(segments),
    }
    written = []
    for name, draw in figures.items():
        path = out / f"figure_{name}.png"
        draw().figure.savefig(path, dpi=150, bbox_inches="tight")
        plt.close("all")
        written.append(path)
    return written
