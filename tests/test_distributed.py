"""The same maps from a cluster of two processes, one of which may die."""

import os
import signal
import time

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from distributed import Client, LocalCluster

import womble as wb

QUIET = {"progress": False}


@pytest.fixture(scope="module")
def client():
    """A client of two single-threaded worker processes; its dashboard takes any free port."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def many():
    """Three thousand data at known hyperparameters: paths by conjugate gradients."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 1000, (3000, 2))
    values = np.sin(coords[:, 0] / 150) + 0.3 * rng.standard_normal(3000)
    known = {"lengthscale": 150.0, "amplitude": 1.0, "noise_sd": 0.3}
    post = wb.FieldModel().condition((coords, values), engine="spectral", **known)
    assert not post._engine.closed_form
    return post


def assert_equal(actual, expected):
    """To 1e-10, relative to the size of each variable."""
    for name in expected.data_vars:
        a, b = actual[name].to_numpy(), expected[name].to_numpy()
        npt.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
        size = np.nanmax(np.abs(b), initial=0.0) or 1.0
        npt.assert_allclose(a / size, b / size, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("keep", [False, True], ids=["statistics", "draws"])
def test_two_workers_and_one_process_agree(client, many, keep):
    grid = wb.Grid.from_data(many.data, spacing=40.0, mask="hull")
    ds = many.surface(grid, chunks=16, samples=6, keep_draws=keep, rng=1)
    assert_equal(ds.compute(), ds.compute(scheduler="sync"))


def test_a_killed_worker_costs_no_result(client, fitted):
    grid = wb.Grid.from_data(fitted.data, spacing=2.5, mask="hull")
    ds = fitted.surface(grid, chunks=8, samples=40, rng=1)
    pids = client.run(os.getpid)
    future = client.compute(ds)
    started = time.monotonic()
    # The variables of a few tiles are there, of more than forty.
    while client.run_on_scheduler(_done) < 100:
        assert time.monotonic() - started < 60
        time.sleep(0.02)
    assert not future.done()
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    assert_equal(future.result(), ds.compute(scheduler="sync"))
    assert client.run(os.getpid) != pids


def _done(dask_scheduler):
    return sum(task.state == "memory" for task in dask_scheduler.tasks.values())


def test_a_store_is_filled_by_the_cluster(client, many, tmp_path):
    grid = wb.Grid.from_data(many.data, spacing=40.0, mask="hull")
    ds = many.surface(grid, chunks=16, samples=4, rng=1)[["value", "dx_significant"]]
    path = wb.write_zarr(ds, tmp_path / "map.zarr", **QUIET)
    with xr.open_zarr(path) as stored:
        assert_equal(stored.load(), ds.compute(scheduler="sync"))
