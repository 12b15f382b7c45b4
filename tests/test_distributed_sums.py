"""Sums over a dask frame on two processes, one of which is killed in the middle."""

import os
import signal
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble.engines import spectral

distributed = pytest.importorskip("distributed")

N, PARTS = 8000, 6
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"x": 1000 * RNG.uniform(size=N), "y": 700 * RNG.uniform(size=N)})
TABLE["z"] = np.sin(TABLE["x"] / 100) + 0.3 * RNG.standard_normal(N)
GIVEN = {"lengthscale": 200.0, "amplitude": 1.0, "noise_sd": 0.3}


def killed(part, folder, times, partition_info=None):
    """The partition; the fourth ends its process when it is read for the `times`th time."""
    if partition_info is not None and partition_info["number"] == 3:
        seen = len(os.listdir(folder))
        (Path(folder) / str(seen)).touch()
        if seen + 1 == times:
            os.kill(os.getpid(), signal.SIGKILL)
    return part


def frame_that_kills(folder, times):
    frame = dd.from_pandas(TABLE, npartitions=PARTS, sort=False)
    return frame.map_partitions(killed, str(folder), times, meta=TABLE.iloc[:0])


@pytest.fixture
def client():
    """Of two processes, anew for each test: who was killed may take long to be replaced."""
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=120)
        yield client


@pytest.fixture(scope="module")
def alone():
    """In this process, without a cluster."""
    import dask

    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="sync"):
        patch.setattr(spectral, "DENSE_FEATURES", 10)
        frame = dd.from_pandas(TABLE, npartitions=PARTS, sort=False)
        return wb.FieldModel().condition(wb.open_points(frame, paths=16), "z", **GIVEN)


@pytest.mark.parametrize("times", [0, 1, 2], ids=["none", "in the survey", "in the sums"])
def test_two_processes_give_what_one_does(client, alone, tmp_path, monkeypatch, times):
    monkeypatch.setattr(spectral, "DENSE_FEATURES", 10)
    frame = frame_that_kills(tmp_path, times)
    before = set(client.scheduler_info()["workers"])
    post = wb.FieldModel().condition(wb.open_points(frame, paths=16), "z", **GIVEN)
    gone = before - set(client.scheduler_info()["workers"])
    assert len(gone) == (times > 0)
    for name in ("table", "trend_rows", "values", "squares", "noise"):
        ours, theirs = (np.asarray(getattr(p._engine.statistics, name)) for p in (post, alone))
        npt.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * np.abs(theirs).max(), err_msg=name)
    npt.assert_array_equal(post.data.coords, alone.data.coords)
    points = TABLE[["x", "y"]].to_numpy()[:20]
    ours, theirs = (p.paths(samples=4, rng=1, progress=False).jets(points) for p in (post, alone))
    npt.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
