"""Full fits where a covariate is known everywhere: its part, the residual's and their sum."""

import csv
from pathlib import Path

import numpy as np
import pytest

import womble as wb
from womble import jet
from womble.covariance import Scale
from womble.engines.fourier import FourierPrior

pytestmark = pytest.mark.slow

ROWS = Path(__file__).parents[1] / "data" / "validation" / "covariates.csv"
SEEDS, SITES, BETA = 20, 150, 2.0
FIELDS = ["seed", "target", "rmse", "rms", "coverage", "beta", "beta_sd"]


def known(points):
    """x1, a smooth surface, and its jets."""
    x, y = points.T
    s, c = np.sin(4 * x), np.cos(4 * x)
    return np.stack([s + y**2, 4 * c, 2 * y, -16 * s, 0 * x, np.full_like(x, 2.0)], axis=1)


def one(seed):
    """Errors and coverage of gradients of y = 2 x1 + w, w a draw from the prior."""
    rng = np.random.default_rng(seed)
    box = np.array([[0.0, 0.0], [1.0, 1.0]])
    w = FourierPrior(wb.Matern(3.5), Scale(1.0, 0.4), box).draw(rng)
    sites, points = rng.uniform(size=(SITES, 2)), rng.uniform(0.1, 0.9, (100, 2))
    values = BETA * known(sites)[:, 0] + w.jets(sites, 0)[:, 0] + 0.1 * rng.normal(size=SITES)
    post = wb.FieldModel().fit(
        (sites, values),
        covariate_fields={"x1": known},
        inference="importance",
        rng=seed,
        progress=False,
    )
    beta = post.coefficients().loc["x1"]
    part, rest = BETA * known(points), w.jets(points, 2)
    truths = {"total": part + rest, "covariates": part, "process": rest}
    rows = []
    for target, truth in truths.items():
        mean, covariance = post.jet_moments(points, order=1, target=target)
        error = jet.gradient(mean) - jet.gradient(truth)
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[:, 1:]
        rms = np.sqrt(np.mean(jet.gradient(truth) ** 2))
        covered = np.mean(np.abs(error) <= 1.96 * sd)
        found = [seed, target, np.sqrt(np.mean(error**2)), rms, covered, beta["mean"], beta["sd"]]
        rows.append(dict(zip(FIELDS, found, strict=True)))
    return rows


def study():
    """All rows, those that are in the file already and the others."""
    rows = []
    if ROWS.exists():
        with ROWS.open() as file:
            rows = list(csv.DictReader(file))
    done = {int(row["seed"]) for row in rows}
    for seed in sorted(set(range(SEEDS)) - done):
        rows += one(seed)
        with ROWS.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)
    return rows


def test_gradients_are_split_into_their_parts():
    rows = study()
    for target in ("total", "covariates", "process"):
        here = [row for row in rows if row["target"] == target]
        share = np.array([float(row["coverage"]) for row in here])
        error = np.mean([float(row["rmse"]) / float(row["rms"]) for row in here])
        spread = share.std(ddof=1) / np.sqrt(len(share))
        print(f"{target}: rmse {error:.3f} of the rms, coverage {share.mean():.3f} ({spread:.3f})")
        # Values within one field are dependent: the error is that over fields.
        assert share.mean() > 0.95 - 4 * spread - 0.01
        assert error < 0.5
