"""What is saved comes back: data, model, draws, and so every answer."""

import json
import subprocess
import sys

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr

import womble as wb
from womble.grid import Grid

GRID = {"x": 181010.0 + 20.0 * np.arange(4), "y": 332020.0 + 20.0 * np.arange(3)}


@pytest.fixture
def grid(zinc):
    return Grid(GRID["x"], GRID["y"], np.ones((3, 4), dtype=bool), zinc.crs, "m")


def there_and_back(post, path):
    post.save(path)
    return wb.load(path)


def assert_same_data(ours, theirs):
    npt.assert_array_equal(ours.coords, theirs.coords)
    npt.assert_array_equal(ours.values, theirs.values)
    npt.assert_array_equal(ours.rows, theirs.rows)
    for name in ("name", "units", "coordinate_units", "crs", "transform"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_a_fit_comes_back(fitted, grid, tmp_path):
    loaded = there_and_back(fitted, tmp_path / "fit.nc")
    assert_same_data(loaded.data, fitted.data)
    assert (loaded.kernel, loaded.trend) == (fitted.kernel, fitted.trend)
    assert loaded.engine == fitted.engine
    assert not loaded.given
    xr.testing.assert_equal(loaded.draws, fitted.draws)
    for name in ("diverging", "energy", "tree_depth", "lp", "n_steps", "step_size"):
        npt.assert_array_equal(loaded.sample_stats[name], fitted.sample_stats[name])
    assert loaded.sample_stats["diverging"].dtype == bool
    assert loaded.draws.attrs == loaded.sample_stats.attrs == {}
    xr.testing.assert_identical(
        loaded.surface(grid, samples=10, rng=3, progress=False),
        fitted.surface(grid, samples=10, rng=3, progress=False),
    )
    assert loaded.summary().equals(fitted.summary())


@pytest.mark.parametrize(
    ("kernel", "trend"),
    [
        (wb.Matern(2.7), "linear"),
        (wb.SquaredExponential(), "none"),
        (wb.RationalQuadratic(0.8), "constant"),
        (wb.Matern(3.5) + wb.SquaredExponential() + wb.Matern(2.5), "constant"),
    ],
    ids=["Matern", "SquaredExponential", "RationalQuadratic", "Sum"],
)
def test_given_hyperparameters_come_back(zinc, grid, tmp_path, kernel, trend):
    shares = np.array([1.0, 0.5, 0.4])[: len(kernel.components)]
    post = wb.FieldModel(kernel=kernel, trend=trend).condition(
        zinc,
        "zinc",
        transform="log",
        engine="dense",
        lengthscale=30.0 * shares,
        amplitude=0.3 * shares,
        noise_sd=0.5,
    )
    loaded = there_and_back(post, str(tmp_path / "given.nc"))
    assert_same_data(loaded.data, post.data)
    assert (loaded.kernel, loaded.trend, loaded.engine) == (kernel, trend, post.engine)
    assert loaded.given
    assert loaded.sample_stats is None
    xr.testing.assert_equal(loaded.draws, post.draws)
    xr.testing.assert_identical(
        loaded.surface(grid, samples=50, rng=3, progress=False),
        post.surface(grid, samples=50, rng=3, progress=False),
    )


def test_data_without_crs_and_units_in_one_dimension(tmp_path):
    x = np.linspace(0, 1, 20)
    post = wb.FieldModel().condition(
        (x, np.sin(5 * x)), lengthscale=0.3, amplitude=1.0, noise_sd=0.1
    )
    loaded = there_and_back(post, tmp_path / "line.nc")
    assert_same_data(loaded.data, post.data)
    for ours, theirs in zip(loaded.jet_moments([0.5]), post.jet_moments([0.5]), strict=True):
        npt.assert_array_equal(ours, theirs)


def test_what_was_loaded_can_be_saved(fitted, tmp_path):
    again = there_and_back(there_and_back(fitted, tmp_path / "one.nc"), tmp_path / "two.nc")
    xr.testing.assert_identical(
        again.draws, fitted.draws.drop_attrs() if fitted.draws.attrs else fitted.draws
    )
    npt.assert_array_equal(again.sample_stats["lp"], fitted.sample_stats["lp"])


def test_the_file_says_what_wrote_it(fitted, tmp_path):
    fitted.save(tmp_path / "fit.nc")
    with xr.open_dataset(tmp_path / "fit.nc", engine="h5netcdf") as ds:
        assert ds.attrs["format"] == "womble-posterior-1"
        versions = json.loads(ds.attrs["versions"])
    assert versions["womble"] == wb.__version__
    assert {"pymc", "arviz", "numpy"} <= set(versions)


SCRIPT = """
import sys
import womble as wb
mean, _ = wb.load(sys.argv[1]).jet_moments([[181050.0, 332050.0]])
print(*(x.hex() for x in mean[0].tolist()))
"""


def test_a_fresh_process_reads_it(given, tmp_path):
    path = tmp_path / "given.nc"
    given.save(path)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    mean, _ = given.jet_moments([[181050.0, 332050.0]])
    # Another process may split sums over BLAS threads in another way.
    npt.assert_allclose([float.fromhex(x) for x in run.stdout.split()], mean[0], rtol=1e-9)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file '.*none\.nc'; write one with post\.save"):
        wb.load(tmp_path / "none.nc")


def test_a_foreign_netcdf(tmp_path):
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"not a womble posterior .*got format None"):
        wb.load(tmp_path / "other.nc")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "notes.nc").write_text("no NetCDF at all")
    with pytest.raises(ValueError, match="not a womble posterior: it is no NetCDF-4 file"):
        wb.load(tmp_path / "notes.nc")
