"""Importance sampling beside NUTS on real data, and predictions of stations that were held out.

Slow, and resumable: every case is a row of a table in data/validation/.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from cases import A1, simulate

import womble as wb
from womble.hyperparameters import PLAIN

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation"


def sic2004(split):
    stations = wb.datasets.sic2004()
    chosen = stations[stations["split"] == split]
    chosen.attrs = stations.attrs
    return chosen


CASES = {
    "meuse": lambda: ((wb.datasets.meuse(), "zinc"), {"transform": "log"}),
    "A1": lambda: ((simulate(A1, 100, np.random.default_rng(1)),), {}),
    "sic2004": lambda: ((sic2004("train"), "dayx"), {}),
}


def compared(case):
    """Moments of log hyperparameters by both ways, and the seconds that each took."""
    data, options = CASES[case]()
    row, logs = {}, {}
    for way in ("importance", "nuts"):
        start = perf_counter()
        post = wb.FieldModel().fit(*data, inference=way, rng=1, progress=False, **options)
        row[f"{way}_seconds"] = perf_counter() - start
        row[f"{way}_ess"] = post.summary()["ess_bulk"].min()
        logs[way] = {name: np.log(post.draws[name].to_numpy()) for name in PLAIN.names}
        if way == "importance":
            row["k_hat"] = float(post.sample_stats["k_hat"])
    for name in PLAIN.names:
        ours, theirs = logs["importance"][name], logs["nuts"][name]
        row[f"{name}_shift"] = (ours.mean() - theirs.mean()) / theirs.std()
        row[f"{name}_sd_ratio"] = ours.std() / theirs.std()
    return row


def resumed(path, cases):
    """The table of `compared`; only cases not yet in the file are computed."""
    known = set(pd.read_csv(path)["case"]) if path.exists() else set()
    for case in cases:
        if case not in known:
            row = pd.DataFrame([{"case": case} | compared(case)])
            path.parent.mkdir(parents=True, exist_ok=True)
            row.to_csv(path, mode="a", header=not path.exists(), index=False, float_format="%.5g")
    return pd.read_csv(path)


def test_importance_sampling_agrees_with_nuts():
    table = resumed(RESULTS / "importance.csv", CASES)
    print(f"\n{table.T.to_string()}")
    for name in PLAIN.names:
        assert (table[f"{name}_shift"].abs() < 0.15).all()
        assert (np.abs(table[f"{name}_sd_ratio"] - 1) < 0.15).all()
    assert (table["k_hat"] < 0.7).all()


def test_stations_held_out_of_sic2004():
    """The best published mean absolute error is about 9.05 (EUR 21595 EN)."""
    options = {"inference": "importance", "rng": 1, "progress": False}
    post = wb.FieldModel().fit(sic2004("train"), "dayx", **options)
    table = post.check(sic2004("test")).table
    print(f"\n{table.round(3).to_string()}")
    assert table["mae"].item() <= 9.5
    # Four binomial standard errors of 808 stations; neighbours are not independent.
    assert abs(table["coverage"].item() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 808)
