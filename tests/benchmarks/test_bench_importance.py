"""Seconds of importance sampling and of NUTS, and effective draws a second, in one run."""

from time import perf_counter

import numpy as np
import pytest
from cases import A1, simulate

import womble as wb

pytestmark = pytest.mark.benchmark


# Adaptation is what two short chains spend half of their time on, as four long ones do.
SHORT = {"draws": 250, "tune": 250, "chains": 2}


@pytest.mark.filterwarnings("ignore:few effective draws:UserWarning")
@pytest.mark.filterwarnings("ignore:chains disagree:UserWarning")
@pytest.mark.parametrize("n", [100, 500])
def test_seconds_of_a_fit(n, record):
    """NUTS' usual 8,000 iterations are reckoned from 1,000 of them."""
    data = simulate(A1, n, np.random.default_rng(0))
    model, seconds, effective = wb.FieldModel(), {}, {}
    few = {"tune": 5, "draws": 5, "chains": 1}
    model.fit(tuple(x[:50] for x in data), inference="importance", rng=1, progress=False)  # compile
    with pytest.warns(UserWarning):  # noqa: PT030  (of five draws: they compile)
        model.fit(tuple(x[:50] for x in data), rng=1, progress=False, **few)
    for way, options in (("importance", {}), ("nuts", SHORT)):
        start = perf_counter()
        post = model.fit(data, inference=way, rng=1, progress=False, **options)
        seconds[way] = perf_counter() - start
        effective[way] = post.summary()["ess_bulk"].min()
    whole = seconds["nuts"] * 8
    rate = {way: effective[way] / seconds[way] for way in seconds}
    record(f"fit by importance sampling, n = {n}", seconds["importance"], "NUTS, 4 x 2,000", whole)
    what = f"effective draw by importance sampling, n = {n}"
    record(what, 1 / rate["importance"], "NUTS", 1 / rate["nuts"])
    assert n < 500 or whole > 10 * seconds["importance"]
