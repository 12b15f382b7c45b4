"""The command line and the main job, run as a user would, and its files opened by others."""

import re
import shutil
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


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_help_names_the_commands():
    result = invoke("--help")
    assert result.exit_code == 0
    for name in ("info", "run", "curves", "report", "demo"):
        assert name in result.output
        told = invoke(name, "--help")
        assert told.exit_code == 0
        assert "Example" in told.output
        assert "--debug" in told.output


@pytest.fixture(scope="module")
def soil(tmp_path_factory):
    """The samples of the Meuse as a table, with unusual names of coordinates."""
    table = pd.DataFrame(wb.datasets.meuse().drop(columns="geometry"))
    path = tmp_path_factory.mktemp("soil") / "soil.csv"
    table.rename(columns={"x": "east", "y": "north"}).to_csv(path, index=False)
    return path


READ = ("--x", "east", "--y", "north")
RUN = ("--value", "zinc", *READ, "--transform", "log", "--inference", "map", "--spacing", 200)


@pytest.fixture(scope="module")
def fitted(soil, tmp_path_factory):
    """The folder of a run, and what was said."""
    folder = tmp_path_factory.mktemp("run")
    result = invoke("run", soil, *RUN, "--level", 400, "--prominence", 0.6, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_run_writes_what_the_library_gives(fitted):
    folder, said = fitted
    assert "fit.nc written" in said
    posterior = wb.load(folder / "fit.nc")
    again = wb.FieldModel().fit(
        wb.datasets.meuse(),
        "zinc",
        transform="log",
        inference="map",
        rng=1,
        progress=False,
    )
    npt.assert_allclose(posterior.draws["lengthscale"], again.draws["lengthscale"], rtol=1e-10)
    grid = wb.Grid.from_data(posterior.data, spacing=200.0)
    ds = posterior.surface(grid, samples=300, rng=1, progress=False)
    stored = xr.open_dataset(folder / "surface.nc", engine="h5netcdf")
    npt.assert_allclose(stored["dx"], ds["dx"], rtol=1e-8, atol=1e-12)
    how = {"prominence": 0.6, "rng": 1, "progress": False}
    crests = posterior.boundaries(grid, **how)
    level = posterior.boundaries(grid, kind="level", levels=[np.log(400)], **how)
    stored = gpd.read_file(folder / "boundaries.gpkg")
    assert len(crests) + len(level) > 0
    npt.assert_allclose(stored["length"], [*crests["length"], *level["length"]], rtol=1e-6)
    assert f"{len(stored)} boundary line" in said


def test_a_run_is_taken_up_again(soil, fitted):
    folder, _ = fitted
    before = (folder / "fit.nc").stat()
    less = ("--boundaries", "none", "--format", "csv", "--out", folder)
    result = invoke("run", soil, *RUN, *less)
    assert result.exit_code == 0, result.output
    assert "fit.nc reused" in result.output
    assert (folder / "fit.nc").stat().st_mtime_ns == before.st_mtime_ns


def test_what_changes_the_fit_is_named(soil, fitted, tmp_path):
    shutil.copy(fitted[0] / "fit.nc", tmp_path / "fit.nc")
    less = ("--boundaries", "none", "--out", tmp_path)
    result = invoke("run", soil, *RUN, "--trend", "linear", *less, "--covariates", "elev")
    assert result.exit_code == 0, result.output
    assert "fit.nc written anew: covariates, data, trend changed" in result.output
    assert "elev" in wb.load(tmp_path / "fit.nc").coefficients().index
    altered = pd.read_csv(soil)
    altered.loc[3, "elev"] += 1
    altered.to_csv(tmp_path / "altered.csv", index=False)
    again = ("run", tmp_path / "altered.csv", *RUN, "--trend", "linear", *less)
    result = invoke(*again, "--covariates", "elev")
    assert "fit.nc written anew: data changed" in result.output


def test_a_fit_of_unknown_origin_is_not_overwritten(soil, fitted, tmp_path):
    wb.load(fitted[0] / "fit.nc").save(tmp_path / "fit.nc")
    result = invoke("run", soil, *RUN, "--boundaries", "none", "--out", tmp_path)
    assert result.exit_code == 2
    assert "no record of how it was made" in result.output
    assert "--refit" in result.output


def test_curves_are_tested_and_written(fitted, tmp_path):
    folder, _ = fitted
    line = shapely.LineString([(179000, 331000), (180500, 332500)])
    wb.write_table(gpd.GeoDataFrame({"name": ["road"]}, geometry=[line]), tmp_path / "road.gpkg")
    words = ("curves", folder / "fit.nc", tmp_path / "road.gpkg", "--samples", 50)
    result = invoke(*words, "--out", tmp_path / "tested.csv")
    assert result.exit_code == 0, result.output
    expected = wb.load(folder / "fit.nc").womble(
        [line], by="curve", samples=50, rng=1, progress=False
    )
    table = pd.read_csv(tmp_path / "tested.csv")
    npt.assert_allclose(table["gradient_mean"], expected["gradient_mean"], rtol=1e-12)
    assert "road" in result.output
    by_segment = invoke(*words, "--by", "segment", "--segment-length", 20)
    assert "more rows" in by_segment.output
    assert "must be 'segment' or 'curve'" in invoke(*words, "--by", "nothing").output


@pytest.fixture
def reported(monkeypatch):
    """What the report was asked for, in place of the report, which takes a minute."""
    asked = []

    def report(posterior, path, **settings):
        asked.append((posterior, path, settings))
        return [path]

    monkeypatch.setattr(wb, "report", report, raising=False)
    return asked


def test_report_is_asked_for_the_same_things(soil, fitted, reported, tmp_path):
    folder, _ = fitted
    result = invoke("report", folder / "fit.nc", "--spacing", 200, "--alpha", 0.1)
    assert result.exit_code == 0, result.output
    again = ("--boundaries", "none", "--level", 400, "--alpha", 0.1, "--out", folder, "--report")
    result = invoke("run", soil, *RUN, *again)
    assert result.exit_code == 0, result.output
    for posterior, path, settings in reported:
        assert posterior.data.name == "zinc"
        assert path == folder / "report.html"
        assert settings["grid"].spacing == (200.0, 200.0)
        assert (settings["rule"], settings["alpha"], settings["rng"]) == ("fdr", 0.1, 1)
    npt.assert_allclose(reported[1][2]["levels"], [np.log(400)])
    assert "report.html" in result.output


def test_info_tells_what_to_type_next(soil, fitted):
    told = invoke("info", soil, *READ).output
    assert "155 rows, Point" in told
    assert "x    " in told
    assert f"womble run {soil} --value cadmium --x east --y north --transform log" in told
    about_fit = invoke("info", fitted[0] / "fit.nc").output
    assert "log zinc, n = 155" in about_fit
    assert "inference=map" in about_fit
    assert "womble curves" in about_fit


def test_info_names_problems(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"lon": rng.uniform(5, 6, 30), "lat": rng.uniform(51, 52, 30)})
    table.loc[3, "lon"] = np.nan
    table.loc[5] = table.loc[6]
    table = table.assign(id=range(30), seen=rng.integers(0, 2, 30))
    table.to_csv(tmp_path / "t.csv", index=False)
    told = invoke("info", tmp_path / "t.csv", "--crs", "EPSG:4326").output
    assert "1 rows have no location" in told
    assert "add --project" in told
    assert "1 rows repeat a location" in told
    assert "--value seen --crs EPSG:4326 --project --likelihood bernoulli" in told
    told = invoke("info", tmp_path / "t.csv", "--crs", "EPSG:4326", "--project").output
    assert "UTM zone 31N" in told or "UTM zone 32N" in told


def test_info_of_rasters_and_lines(tmp_path):
    grid = wb.datasets.meuse_grid()
    grid["dist"].rio.to_raster(tmp_path / "dist.tif")
    told = invoke("info", tmp_path / "dist.tif").output
    assert "raster of 104 x 78 cells, 3103 with a value" in told
    assert f"womble run {tmp_path / 'dist.tif'}" in told
    wb.write_table(wb.datasets.meuse_river(), tmp_path / "river.gpkg")
    assert "womble curves FIT" in invoke("info", tmp_path / "river.gpkg").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--value", "zin"), "--value must name the column of the response; got 'zin'"),
        (("--kernel", "cubic"), "--kernel must be matern or squared-exponential"),
        (("--kernel", "squared-exponential", "--nu", 2.5), "--nu is the smoothness of matern"),
        (("--nu", 0.5), "`nu` must be above 1"),
        (("--nu", 1.5), "Hessian|differentiab|derivative"),
        (("--trend", "cubic"), "trend"),
        (("--likelihood", "nothing"), "likelihood"),
        (("--level", -3), "--level must be a value of the response between 0 and inf"),
        (("--boundaries", "cliff"), "`kind` must be one of"),
        (("--mask", "no/such.gpkg"), "--mask must be distance, hull, none or a file"),
        (("--format", "shp"), "--format must be one of gpkg"),
        (("--spacing", -1), "`spacing` must be a positive number"),
        (("--curves", "no.gpkg"), "no file 'no.gpkg'"),
        (("--rule", "nothing"), "rule"),
        (("--alpha", 2), "alpha"),
        (("--inference", "magic"), "inference"),
        (("--covariates", "NOTHING"), "NOTHING"),
        (("--prominence", 3), "prominence"),
        (("--samples", 1), "`samples` must be at least 2"),
        (("--nothing",), "No such option"),
        (("--seed", "x"), "seed"),
        (("--seed", -1), "seed"),
        (("--draws", 0), "`draws` must be at least"),
    ],
)
def test_bad_input_ends_with_2_and_a_line(soil, tmp_path, words, message):
    result = invoke("run", soil, *RUN, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2, result.output
    assert re.search(message, result.output), result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "fit.nc").exists()


def test_failures_that_are_not_the_users_end_with_1(soil, monkeypatch, tmp_path):
    def fail(*_, **__):
        return np.linalg.cholesky(-np.eye(2))

    monkeypatch.setattr("womble.job.fit", fail)
    words = ("run", soil, *RUN, "--out", tmp_path)
    result = invoke(*words)
    assert result.exit_code == 1
    assert "failed: LinAlgError" in result.output
    assert "--debug" in result.output
    assert isinstance(invoke(*words, "--debug").exception, np.linalg.LinAlgError)


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
    expected |= {"report.html"}
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
