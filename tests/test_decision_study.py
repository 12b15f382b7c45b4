"""Do joint statements hold as often as they say? Fields drawn from the prior: slow, resumable.

Hyperparameters are known. Then posterior sds, standardised paths and the critical value depend on
the sites alone: each design computes them once for all of its fields. Rows already in
data/validation/simultaneous.csv are not computed again: delete the file to start afresh.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import womble as wb
from womble import decision
from womble.covariance import Scale
from womble.engines.fourier import FourierPrior

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation" / "simultaneous.csv"
THETA = {"lengthscale": 0.25, "amplitude": 1.0, "noise_sd": 0.1}
N, ALPHA = 100, 0.05
DESIGNS, FIELDS = 12, 50
SAMPLES, EXCURSION_SAMPLES = 4000, 1000
LEVEL = 0.5  # of the excursion set {f > 0.5}: half an amplitude
KERNEL = wb.Matern(nu=2.5)
SIDE = (np.arange(30) + 0.5) / 30
GRID = wb.Grid(SIDE, SIDE, np.ones((30, 30), dtype=bool))


def condition(coords, values):
    return wb.FieldModel(kernel=KERNEL).condition((coords, values), **THETA)


def design(seed):
    """One row: what happened to the fields of one set of sites."""
    rng = np.random.default_rng([20, seed])
    coords, points = rng.uniform(size=(N, 2)), GRID.points
    prior = FourierPrior(
        KERNEL, Scale(THETA["amplitude"], THETA["lengthscale"]), np.array([[0.0, 0.0], [1.0, 1.0]])
    )
    fields = [prior.draw(rng) for _ in range(FIELDS)]
    noise = THETA["noise_sd"] * rng.standard_normal((FIELDS, N))
    values = np.array([field.jets(coords, 0)[:, 0] for field in fields]) + noise
    truths = np.array([field.jets(points, 1) for field in fields])
    post = condition(coords, values[0])
    options = {"rng": rng, "progress": False}
    ds = post.surface(GRID, rule="simultaneous", alpha=ALPHA, samples=SAMPLES, **options)
    c = ds["dx_band"].attrs["critical_value"]
    paths = post.paths(samples=EXCURSION_SAMPLES, domain=(0, 0, 1, 1), **options)
    centre, _ = post.jet_moments(points, order=1)
    residuals = paths.jets(points, 0)[..., 0] - centre[:, 0]
    tallies = [
        tally(condition(coords, y), truth, c, residuals)
        for y, truth in zip(values, truths, strict=True)
    ]
    row = {"design": seed, "fields": FIELDS, "critical_value": c}
    return row | {key: np.mean([t[key] for t in tallies]) for key in tallies[0]}


def tally(post, truth, c, residuals):
    """What one field did: shares of wrong calls, and whether joint statements held."""
    mean, covariance = post.jet_moments(GRID.points, order=1)
    slope, sd = mean[:, 1], np.sqrt(covariance[:, 1, 1])
    band = decision.simultaneous_sign(slope, sd, c)
    inside, _ = decision.joint_excursion(mean[:, 0] + residuals, LEVEL, ALPHA)
    p = ndtr((mean[:, 0] - LEVEL) / np.sqrt(covariance[:, 0, 0]))
    right = np.sign(truth[:, 1])
    row = {
        "band_covers": decision.largest_deviation(truth[:, 1], slope, sd) <= c,
        "band_calls": np.mean(band != 0),
        "band_any_wrong": np.any((band != 0) & (band != right)),
    }
    for rule in ("fdr", "interval"):
        sign = decision.significance(ndtr(slope / sd), rule, ALPHA)
        row[f"{rule}_calls"] = np.mean(sign != 0)
        row[f"{rule}_wrong"] = np.sum((sign != 0) & (sign != right)) / max(1, np.sum(sign != 0))
    row["pointwise_covers"] = np.mean(np.abs(truth[:, 1] - slope) < 1.959964 * sd)
    row["excursion_holds"] = np.all(truth[inside, 0] > LEVEL)
    row["excursion_cells"] = np.mean(inside)
    row["marginal_holds"] = np.all(truth[p >= 1 - ALPHA, 0] > LEVEL)
    return row


def test_joint_statements_hold_as_often_as_they_say():
    done = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame({"design": []})
    for seed in range(DESIGNS):
        if seed not in set(done["design"]):
            done = pd.concat([done, pd.DataFrame([design(seed)])], ignore_index=True)
            done.to_csv(RESULTS, index=False, float_format="%.6g")
    assert len(done) == DESIGNS
    count = done["fields"].sum()
    # Fields of a design share its critical value, whose own coverage has an sd of 0.3%.
    error = np.sqrt(ALPHA * (1 - ALPHA) / count)
    scatter = done.drop(columns=["design", "fields"]).std() / np.sqrt(DESIGNS)
    found = done.drop(columns=["design", "fields"]).mean()
    print(f"\n{count:.0f} fields; binomial standard error of 95% {error:.4f}")
    print(pd.DataFrame({"mean": found, "standard error over designs": scatter}).round(4))
    assert 0.93 < found["band_covers"] < 0.97
    assert found["band_any_wrong"] < ALPHA + 2 * error
    assert found["fdr_wrong"] < ALPHA + 2 * scatter["fdr_wrong"]
    assert found["excursion_holds"] > 1 - ALPHA - 2 * error
