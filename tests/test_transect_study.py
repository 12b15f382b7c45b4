"""Derivatives and change points of known curves: slow, resumable.

Hyperparameters are at their likelihood's mode, so that their own uncertainty is missing from the
bands. Rows already in data/validation/line_*.csv are not computed again: delete the file to start
afresh.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from likelihood_mode import mode

import womble as wb

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation"
SEEDS = 50
STEP, WIDTH = 0.4, 0.05


def condition(x, values):
    return wb.FieldModel().condition((x, values), **mode((x, values)))


def wave(x):
    """sin(2 pi x) with its derivatives, shape (3, n)."""
    a = 2 * np.pi
    return np.stack([np.sin(a * x), a * np.cos(a * x), -(a**2) * np.sin(a * x)])


def covered(noise_sd, seed):
    """Share of 201 positions whose 95% intervals hold the truth, and how wide they are."""
    rng = np.random.default_rng([31, seed])
    x = np.sort(rng.uniform(size=200))
    post = condition(x, wave(x)[0] + noise_sd * rng.standard_normal(200))
    grid = wb.Grid.from_data(x, spacing=0.005, bounds=(0.0, 1.0), mask=None)
    ds = post.surface(grid, rng=seed, progress=False)
    row = {"noise_sd": noise_sd, "seed": seed}
    for name, truth in zip(("value", "dx", "dxx"), wave(grid.x), strict=True):
        low, high = (ds[name].sel(statistic=q).to_numpy() for q in ("q025", "q975"))
        row[name] = np.mean((low <= truth) & (truth <= high))
        row[f"{name}_width"] = np.mean(high - low)
    return row


def located(n, seed):
    """The change point of a step at 0.4, if it is the only one found."""
    rng = np.random.default_rng([32, seed])
    x = np.sort(rng.uniform(size=n))
    post = condition(x, 0.5 * np.tanh((x - STEP) / WIDTH) + 0.1 * rng.standard_normal(n))
    table = post.change_points(rng=seed, progress=False)
    row = {"n": n, "seed": seed, "found": len(table)}
    if len(table) == 1:
        one = table.iloc[0]
        row |= {"position": one.position, "position_sd": one.position_sd}
        row["covered"] = int(one.position_q025 <= STEP <= one.position_q975)
    return row


CURVES = {"line": lambda x: x, "parabola": lambda x: 2 * (x - 0.5) ** 2}


def falsely(curve, seed):
    """How many change points noise makes on a curve that has none."""
    rng = np.random.default_rng([33, seed])
    x = np.sort(rng.uniform(size=200))
    post = condition(x, CURVES[curve](x) + 0.1 * rng.standard_normal(200))
    table = post.change_points(rng=seed, progress=False)
    return {"curve": curve, "seed": seed, "found": len(table)}


def rows(path, key, function, wanted):
    """A row for each (key, seed), those in the file already as they are."""
    known = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[key, "seed"])
    done = set(zip(known[key], known["seed"], strict=True))
    for pair in wanted:
        if pair not in done:
            new = pd.DataFrame([function(*pair)])
            known = new if known.empty else pd.concat([known, new], ignore_index=True)
            known.to_csv(path, index=False, float_format="%.6g")
    return known


@pytest.mark.parametrize("noise_sd", [0.1, 0.3])
def test_bands_of_a_wave_hold_its_derivatives(noise_sd):
    wanted = [(noise_sd, seed) for seed in range(SEEDS)]
    table = rows(RESULTS / "line_coverage.csv", "noise_sd", covered, wanted)
    table = table[table.noise_sd == noise_sd]
    print(f"\nnoise sd {noise_sd}, {len(table)} seeds")
    for name in ("value", "dx", "dxx"):
        error = table[name].std() / np.sqrt(len(table))
        print(
            f"  {name}: coverage {table[name].mean():.3f} +- {error:.3f}, "
            f"mean width {table[f'{name}_width'].mean():.3g}"
        )
        # The wave is smoother than any path of the prior, so that bands may hold too much.
        assert table[name].mean() > 0.95 - 3 * error, name


@pytest.mark.parametrize("n", [50, 100, 200, 400])
def test_change_points_close_in_on_a_step(n):
    table = rows(RESULTS / "line_changes.csv", "n", located, [(n, s) for s in range(SEEDS)])
    table = table[table.n == n]
    one = table[table.found == 1]
    error = np.sqrt(np.mean((one.position - STEP) ** 2))
    share = one.covered.mean()
    print(
        f"\nn {n}: one found in {len(one)} of {len(table)}, rms error {error:.4f}, "
        f"rms sd {np.sqrt(np.mean(one.position_sd**2)):.4f}, covered {share:.3f}"
    )
    assert len(one) >= 0.9 * len(table)
    assert share > 0.95 - 4 * np.sqrt(0.95 * 0.05 / len(one))


@pytest.mark.parametrize("curve", CURVES)
def test_curves_without_a_change_point_have_few(curve):
    wanted = [(curve, seed) for seed in range(SEEDS)]
    table = rows(RESULTS / "line_false_changes.csv", "curve", falsely, wanted)
    count = int((table[table.curve == curve].found > 0).sum())
    print(f"\n{curve}: a change point in {count} of {SEEDS}")
    # A vertex must be prominent with 95%: 5% of data sets, and four binomial standard errors.
    assert count <= SEEDS * 0.05 + 4 * np.sqrt(SEEDS * 0.05 * 0.95)
