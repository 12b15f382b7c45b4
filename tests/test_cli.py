"""The command line and the main job, run as a user would, and its files opened by others."""

import subprocess
import sys

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import rasterio
import shapely
import xarray as xr
from typer.testing import CliRunner

import womble as wb
from womble.cli import app
from womble.demo import nearest_bank

VARIABLES = [
    "value",
    "dx",
    "dy",
    "dxx",
    "dxy",
    "dyy",
    "gradient_magnitude",
    "gradient_direction",
    "laplacian",
    "gaussian_curvature",
    "curvature_max",
    "curvature_min",
]


def test_help_names_the_commands():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "demo" in result.output


def test_the_bank_lies_on_the_river_and_its_normal_points_out():
    samples, river = wb.datasets.meuse(), wb.datasets.meuse_river()
    bank = nearest_bank(samples, river)
    assert bank.crs == samples.crs
    line = bank.geometry.iloc[0]
    assert line.distance(river.geometry.iloc[0].exterior) < 1e-6
    assert line.length > 5000
    middle = np.array(line.interpolate(0.5, normalized=True).coords[0])
    ahead = np.array(line.interpolate(line.length / 2 + 1.0).coords[0])
    tx, ty = (ahead - middle) / np.linalg.norm(ahead - middle)
    outside = shapely.Point(middle + 5.0 * np.array([ty, -tx]))
    assert not river.geometry.iloc[0].contains(outside)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The folder of `womble demo`, run in a process of its own."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "womble", "demo", "--out", str(folder), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "files written" in done.stdout
    return folder


def test_the_demo_writes_every_file(out):
    expected = {f"{name}.tif" for name in VARIABLES}
    expected |= {"fit.nc", "surface.nc", "summary.csv", "boundaries.gpkg", "segments.gpkg"}
    written = {path.name for path in out.iterdir()}
    assert expected <= written
    assert sum(name.endswith(".png") for name in written) >= 6


def test_geotiffs_are_north_up_and_hold_the_surface(out):
    ds = xr.open_dataset(out / "surface.nc", engine="h5netcdf").load()
    where = {"x": 179600.0, "y": 331700.0}
    cell = ds.sel(where, method="nearest")
    for name in VARIABLES:
        with rasterio.open(out / f"{name}.tif") as raster:
            assert raster.crs.to_epsg() == 28992
            assert raster.transform.e < 0
            assert raster.descriptions[:5] == ("mean", "sd", "q025", "q50", "q975")
            (values,) = raster.sample([(float(cell.x), float(cell.y))])
        npt.assert_allclose(values[:5], cell[name].to_numpy(), rtol=1e-12)


def test_tables_open_with_columns_and_crs(out):
    boundaries = gpd.read_file(out / "boundaries.gpkg")
    segments = gpd.read_file(out / "segments.gpkg")
    assert boundaries.crs.to_epsg() == segments.crs.to_epsg() == 28992
    assert {"boundary_id", "kind", "probability", "position_sd", "rule"} <= set(boundaries)
    assert {"curve_id", "segment_id", "gradient_mean", "curvature_significant"} <= set(segments)
    # Zinc falls away from the river, which flooded the plain with it.
    assert (segments.average_gradient_mean < 0).mean() > 0.9
    assert (boundaries.kind == "level").any()


def test_the_summary_and_the_fit_agree(out):
    summary = pd.read_csv(out / "summary.csv", index_col=0)
    fitted = wb.load(out / "fit.nc")
    npt.assert_allclose(summary["mean"], fitted.summary()["mean"])
    assert (summary["r_hat"] < 1.01).all()
    assert (summary["ess_bulk"] > 1000).all()
