"""The main job on real data: from zinc in the Meuse flood plain to surfaces and boundaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

import womble as wb
from womble.job import Job, fit_once
from womble.pipeline import Plan, write_results

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
REPORT = {
    "prominence": CANDIDATE,
    "line_alpha": 1 - CANDIDATE,
    "null_replicates": 99,  # p to 0.02
    "title": "Zinc at the Meuse",
}


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


def searches(level: float) -> list[dict[str, Any]]:
    """Candidate crests of the slope, and the line where the surface passes `level`."""
    return [
        {"prominence": CANDIDATE, "alpha": 1 - CANDIDATE},
        {"kind": "level", "levels": [level]},
    ]


def run(out: Path, *, seed: int, progress: bool) -> list[Path]:
    """Fit log zinc, write surfaces, boundaries, the tested bank, figures, summary and report.

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
    model = wb.FieldModel(kernel=wb.Matern(nu=3.5))
    job = Job(value="zinc", transform="log", rng=seed)
    posterior, _ = fit_once(model, zinc, job, out / "fit.nc", anew=True, progress=progress)
    level = float(np.log(INTERVENTION))
    about = REPORT | {"levels": [level], "segment_length": SEGMENT, "rng": seed}
    plan = Plan(
        grid=wb.Grid.from_data(zinc, spacing=SPACING),
        searches=searches(level),
        curves=nearest_bank(zinc, wb.datasets.meuse_river()),
        curves_called="bank",
        segment_length=SEGMENT,
        samples=SAMPLES,
        report=about,
        seed=seed,
    )
    return [out / "fit.nc", *write_results(posterior, plan, out, progress=progress).files]
