"""Fits of data whose hyperparameters were drawn from the stated priors: ranks are uniform.

Simulation-based calibration with penalised-complexity priors, 40 sites on the unit square, Matern
5/2, no trend, importance sampling. Rows already in data/validation/prior_calibration.csv are not
computed again.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kstest

import womble as wb
from womble.hyperparameters import PLAIN

FILE = Path(__file__).parents[1] / "data" / "validation" / "prior_calibration.csv"
PRIORS = wb.PenalisedComplexity(
    lengthscale=(0.05, 0.05), amplitude=(3.0, 0.05), noise_sd=(1.0, 0.05)
)
KERNEL, N, SEEDS, DRAWS = wb.Matern(2.5), 40, 100, 400


def one(seed):
    """Share of posterior draws below the truth, for each hyperparameter."""
    rng = np.random.default_rng(seed)
    truth = {name: law.draw(1, rng).item() for name, law in PRIORS.laws(PLAIN, 2).items()}
    coords = rng.uniform(size=(N, 2))
    K = truth["amplitude"] ** 2 * KERNEL.radial(cdist(coords, coords) / truth["lengthscale"], 0)
    C = K + truth["noise_sd"] ** 2 * np.eye(N)
    values, vectors = np.linalg.eigh(C)  # hardly any noise leaves C singular to rounding
    y = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.standard_normal(N))
    model = wb.FieldModel(kernel=KERNEL, trend="none", priors=PRIORS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of k-hat and short lengthscales
        post = model.fit((coords, y), inference="importance", draws=DRAWS, rng=seed, progress=False)
    ranks = {name: float((post.draws[name] < truth[name]).mean()) for name in PLAIN.names}
    return {"seed": seed, **ranks, "nuts": post.inference.startswith("NUTS")}


@pytest.mark.slow
def test_ranks_are_uniform():
    rows = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame()
    for seed in range(len(rows), SEEDS):
        rows = pd.concat([rows, pd.DataFrame([one(seed)])], ignore_index=True)
        rows.to_csv(FILE, index=False)
    p = {name: kstest(rows[name], "uniform").pvalue for name in PLAIN.names}
    inside = {name: rows[name].between(0.025, 0.975).mean() for name in PLAIN.names}
    print(f"\np of uniform ranks {p}; 95% intervals {inside}; NUTS in {rows['nuts'].sum()}")
    assert min(p.values()) > 0.05 / 3
