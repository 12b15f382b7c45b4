"""Calibration of the field's value and slope, responses not Gaussian, hyperparameters known.

Truth and responses are drawn from the prior; where the posterior is right the truth's posterior
probability integral transform is uniform (Cook, Gelman and Rubin 2006). Rows are kept in
data/validation/latent_calibration.csv: a run continues where the last one stopped.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases import holm
from scipy.special import expit
from scipy.stats import kstest, norm

import womble as wb
from womble.covariance import Scale, jet_covariance

FILE = Path(__file__).parents[1] / "data" / "validation" / "latent_calibration.csv"
SITES, POINTS = 100, np.array([[0.3, 0.4], [0.6, 0.55], [0.5, 0.8]])
GIVEN = {"lengthscale": 0.3, "amplitude": 1.0}
NAMES = ("value", "dx", "dy")
DATASETS = {"laplace": 200, "nuts": 50}
KERNEL = wb.Matern(3.5)


def simulated(likelihood, seed):
    """Sites, responses, and the truth's jets (3, 3) at the points, from the prior."""
    rng = np.random.default_rng([seed, len(likelihood)])
    coords = rng.uniform(size=(SITES, 2))
    places = np.concatenate([POINTS, coords])
    scale = Scale(GIVEN["amplitude"], GIVEN["lengthscale"])
    V = jet_covariance(KERNEL, scale, places[:, None] - places, 1)
    V = V.transpose(0, 2, 1, 3).reshape(3 * len(places), -1)
    wanted = np.concatenate([np.arange(9), 9 + 3 * np.arange(SITES)])
    # 1e-10 of the variance: rounding of close sites.
    root = np.linalg.cholesky(V[np.ix_(wanted, wanted)] + 1e-10 * np.eye(len(wanted)))
    drawn = root @ rng.standard_normal(len(wanted))
    field = drawn[9:]
    y = rng.poisson(np.exp(field)) if likelihood == "poisson" else rng.random(SITES) < expit(field)
    return coords, y.astype(float), drawn[:9].reshape(3, 3)


def transforms(likelihood, inference, seed):
    """P(jet < truth | y) of value and slopes at each point, (3, 3)."""
    coords, y, truth = simulated(likelihood, seed)
    model = wb.FieldModel(kernel=KERNEL, trend="none", likelihood=likelihood)
    options = {"draws": 250, "tune": 150, "chains": 1, "rng": seed, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a single chain with few draws
        post = model.condition((coords, y), inference=inference, **GIVEN, **options)
    ensemble = post.ensemble(
        "surface", None if inference == "nuts" else 2, np.random.default_rng(0)
    )
    below = []
    for theta in ensemble.thetas:
        mean, covariance = ensemble.condition(theta).groups(POINTS[:, None], 1)
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        below.append(norm.cdf((truth - mean) / sd))
    return np.mean(below, axis=0)


def rows(likelihood, inference):
    """All rows of the study so far, the missing ones computed while there is time."""
    known = pd.read_csv(FILE) if FILE.is_file() else pd.DataFrame()
    mine = known
    if len(known):
        mine = known[(known.likelihood == likelihood) & (known.inference == inference)]
    done = set(mine["seed"]) if len(mine) else set()
    most = int(os.environ.get("WOMBLE_STUDY_DATASETS", DATASETS[inference]))
    for seed in range(min(most, DATASETS[inference])):
        if seed in done:
            continue
        found = transforms(likelihood, inference, seed)
        table = pd.DataFrame(
            [
                {
                    "likelihood": likelihood,
                    "inference": inference,
                    "seed": seed,
                    "point": point,
                    "quantity": name,
                    "transform": round(float(found[point, i]), 6),
                }
                for point in range(len(POINTS))
                for i, name in enumerate(NAMES)
            ]
        )
        table.to_csv(FILE, mode="a", header=not FILE.is_file(), index=False)
    every = pd.read_csv(FILE)
    return every[(every.likelihood == likelihood) & (every.inference == inference)]


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["poisson", "bernoulli"])
@pytest.mark.parametrize("inference", ["laplace", "nuts"])
def test_value_and_slope_are_calibrated(likelihood, inference):
    table = rows(likelihood, inference)
    groups = table.groupby(["point", "quantity"])["transform"]
    adjusted = holm(groups.apply(lambda u: kstest(u, "uniform").pvalue))
    inside = table["transform"].between(0.025, 0.975)
    of_quantity = inside.groupby(table["quantity"]).mean()
    print(
        f"\n{likelihood}, {inference}, {table['seed'].nunique()} data sets: coverage "
        f"{inside.mean():.3f} ({of_quantity.round(3).to_dict()}), smallest adjusted p "
        f"{adjusted.min():.3f}, mean transform {table['transform'].mean():.3f}, "
        f"sd {table['transform'].std():.3f} (uniform 0.289)"
    )
    assert adjusted.min() > 0.05


@pytest.mark.slow
def test_intervals_by_nuts_cover():
    table = pd.concat([rows(likelihood, "nuts") for likelihood in ("poisson", "bernoulli")])
    inside = table["transform"].between(0.025, 0.975)
    # The nine quantities of a data set are dependent: its shares are what is independent.
    shares = inside.groupby([table["likelihood"], table["seed"]]).mean()
    error = shares.std() / np.sqrt(len(shares))
    print(f"\n95% intervals by NUTS: coverage {inside.mean():.3f}, standard error {error:.3f}")
    assert 0.93 <= inside.mean() <= 0.97
