"""Size and power of the null test, hyperparameters known: slow, run by `make validate`.

400 sites on the unit square, Matern 7/2, lengthscale 0.4, noise sd 0.2. Sites and hyperparameters
are the same for all data sets of a field, and so is the law of the null: its 999 replicates are
made once. Every replicate and every data set is a row of data/validation/null.csv; rows that are
there are not computed again, so that a study that was stopped goes on.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from cases import correlation
from scipy.spatial.distance import cdist

import womble as wb
from womble.null import Search, line_statistics, null_maxima, p_values

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation" / "null.csv"
COLUMNS = ["case", "amplitude", "seed", "lines", "largest", "largest_near"]
REPLICATES, SIZE_SETS, POWER_SETS = 999, 400, 50
LENGTHSCALE, NOISE_SD = 0.4, 0.2
STEP_HEIGHT, STEP_WIDTH, NEAR = 4 * NOISE_SD, 0.05, 0.05
KERNEL = wb.Matern(nu=3.5)
COORDS = np.random.default_rng(2024).uniform(size=(400, 2))
GRID = wb.Grid.from_data(COORDS, spacing=1 / 30, mask="hull")
BATCH = 37  # replicates between two writes


def condition(values, amplitude):
    return wb.FieldModel(kernel=KERNEL).condition(
        (COORDS, values), lengthscale=LENGTHSCALE, amplitude=amplitude, noise_sd=NOISE_SD
    )


def simulated(amplitude, height, seed):
    """A field by Cholesky factor, apart from the package's own paths, with a step at x = 0.5."""
    rng = np.random.default_rng([seed, round(1000 * amplitude), round(1000 * height)])
    R = correlation(KERNEL, cdist(COORDS, COORDS) / LENGTHSCALE) + 1e-10 * np.eye(len(COORDS))
    field = amplitude * np.linalg.cholesky(R) @ rng.standard_normal(len(COORDS))
    step = 0.5 * height * np.tanh((COORDS[:, 0] - 0.5) / STEP_WIDTH)
    return field + step + NOISE_SD * rng.standard_normal(len(COORDS))


def searched(amplitude, height, seed):
    """Number of lines of one data set, the largest statistic, and the largest near the step."""
    posterior = condition(simulated(amplitude, height, seed), amplitude)
    lines = posterior.boundaries(GRID, rng=seed, progress=False)
    statistics = line_statistics(posterior.ensemble("surface", None, None), lines.geometry.array)
    away = [np.abs(shapely.get_coordinates(line)[:, 0] - 0.5).mean() for line in lines.geometry]
    near = statistics[np.array(away, dtype=float) <= NEAR]
    return {
        "lines": len(lines),
        "largest": statistics.max(initial=0.0),
        "largest_near": near.max(initial=0.0),
    }


def replicates(amplitude, seed):
    """The largest statistics of a batch of replicates."""
    posterior = condition(simulated(amplitude, 0.0, 0), amplitude)
    lines = posterior.boundaries(GRID, rng=0, progress=False)
    return null_maxima(
        posterior.ensemble("surface", None, None),
        Search.of(lines.attrs["womble"]),
        replicates=BATCH,
        rng=np.random.default_rng([7, round(1000 * amplitude), seed]),
        progress=False,
    )


def stored():
    return pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame(columns=COLUMNS)


def append(rows):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False, float_format="%.6g")


def rows_of(case, amplitude, count, make):
    """The rows of a case, those that are missing computed by make(seed) -> rows of new seeds."""
    while True:
        table = stored()
        table = table[(table["case"] == case) & (table["amplitude"] == amplitude)]
        if len(table) >= count:
            return table
        append(
            {"case": case, "amplitude": amplitude, "seed": len(table) + i} | row
            for i, row in enumerate(make(len(table)))
        )


def null_distribution(amplitude):
    def make(seed):
        return [{"largest": x} for x in replicates(amplitude, seed)]

    return rows_of("replicate", amplitude, REPLICATES, make)["largest"].to_numpy()


def test_at_most_one_map_of_smooth_fields_in_twenty_has_a_line_called():
    amplitude = 1.0
    maxima = null_distribution(amplitude)
    table = rows_of("size", amplitude, SIZE_SETS, lambda seed: [searched(amplitude, 0.0, seed)])
    p = p_values(table["largest"].to_numpy(), maxima)
    called = (p <= 0.05).mean()
    error = np.sqrt(0.05 * 0.95 / len(p))
    print(
        f"\nsize: {called:.4f} of {len(p)} maps have a line with p <= 0.05 (0.10: "
        f"{(p <= 0.1).mean():.3f}, 0.50: {(p <= 0.5).mean():.3f}); binomial error {error:.4f}"
        f"\nlines a map {table['lines'].mean():.2f}; maps with none "
        f"{(table['lines'] == 0).mean():.3f}, replicates with none {(maxima == 0).mean():.3f}"
        f"\nlargest statistic, quantiles 5, 50, 95 %: maps "
        f"{np.quantile(table['largest'], [0.05, 0.5, 0.95]).round(2)}, replicates "
        f"{np.quantile(maxima, [0.05, 0.5, 0.95]).round(2)}"
    )
    assert called <= 0.05 + 2 * error


@pytest.mark.parametrize("amplitude", [0.25, 0.5, 1.0])
def test_power_against_a_step_of_four_noise_sds(amplitude):
    """A report; asserted only where the step is three times the sd of the field or more."""
    maxima = null_distribution(amplitude)
    table = rows_of(
        "power",
        amplitude,
        POWER_SETS,
        lambda seed: [searched(amplitude, STEP_HEIGHT, seed)],
    )
    found = (table["largest_near"] > 0).mean()
    power = (p_values(table["largest_near"].to_numpy(), maxima) <= 0.05).mean()
    error = np.sqrt(power * (1 - power) / len(table))
    print(
        f"\npower, amplitude {amplitude}: a line within {NEAR} of the step on {found:.2f} of "
        f"{len(table)} maps, with p <= 0.05 on {power:.2f} +- {error:.2f}"
        f"\nlargest near the step, median {table['largest_near'].median():.2f} "
        f"(the step's own slope is {STEP_HEIGHT / 2 / STEP_WIDTH:g} at x = 0.5); "
        f"replicates' 95 % quantile {np.quantile(maxima, 0.95):.2f}"
    )
    if amplitude == 0.25:
        assert power > 0.8
