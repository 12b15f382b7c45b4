"""Accuracy on surfaces that are known: slow, run by `make validate`.

Errors of jets come from full fits; lines, whose 30 fits of 400 sites would take an hour, from fits
at the mode of the likelihood.

Each study prints a table and writes it to data/validation/.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from cases import A1, A2, A5, A6, A6_BROAD, A7_PARABOLOID, A7_PLANE, A7_SADDLE, simulate
from likelihood_mode import mode

import womble as wb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:(few effective|chains disagree):UserWarning"),
]

RESULTS = Path(__file__).parent.parent / "data" / "validation"
# Root mean square errors at n = 100 of a plug-in Matern 5/2 fit, mean of 20 seeds: f; f_x, f_y;
# f_xx, f_xy, f_yy over the interior 19 x 19 grid (see the README's table).
PLUG_IN = {
    "A1": np.array([0.87, 10.6, 11.4, 158.0, 92.0, 202.0]),
    "A2": np.array([1.09, 15.1, 13.1, 253.0, 156.0, 220.0]),
}
SEEDS = range(10)


def fit(data, kernel, seed, draws):
    return wb.FieldModel(kernel=kernel).fit(
        data, draws=draws, tune=draws, chains=2, rng=seed, progress=False
    )


def record(name, rows):
    table = pd.DataFrame(rows)
    RESULTS.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.5g")
    print(f"\n{table.to_string(index=False)}")
    return table


@pytest.mark.parametrize(("name", "surface"), [("A1", A1), ("A2", A2)])
def test_errors_are_no_worse_than_a_plug_in_fit(name, surface):
    side = np.arange(1, 20) / 20
    points = np.column_stack([axis.ravel() for axis in np.meshgrid(side, side)])
    names = ["f", "f_x", "f_y", "f_xx", "f_xy", "f_yy"]
    rows = []
    for seed in SEEDS:
        posterior = fit(
            simulate(surface, 100, np.random.default_rng(seed)), wb.Matern(nu=2.5), seed, 500
        )
        mean, _ = posterior.jet_moments(points, samples=400, rng=seed)
        error = np.sqrt(np.mean((mean - surface.jets(points)) ** 2, axis=0))
        rows.append({"seed": seed} | dict(zip(names, error, strict=True)))
    table = record(f"{name}_rmse", rows)
    ratio = table[names].mean().to_numpy() / PLUG_IN[name]
    print(f"mean {table[names].mean().round(3).to_dict()}, ratio to plug-in {ratio.round(3)}")
    assert (ratio < 1.1).all()


CASES = {
    "A5": (replace(A5, noise_sd=0.02), True),
    "A6 steepness 3": (A6, True),
    "A6 steepness 2": (A6_BROAD, True),
    "A7 plane": (A7_PLANE, False),
    "A7 paraboloid": (A7_PARABOLOID, False),
    "A7 saddle": (A7_SADDLE, False),
}


def off_the_truth(name, points):
    """Distance of points from the true crest: y = x for A5, x = 0.5 for A6."""
    x, y = points.T
    return np.abs(y - x) / np.sqrt(2) if name == "A5" else np.abs(x - 0.5)


@pytest.mark.parametrize("name", CASES)
def test_crests_are_found_where_they_are_and_nowhere_else(name):
    surface, has_crest = CASES[name]
    rows = []
    for seed in range(5):
        data = simulate(surface, 400, np.random.default_rng(seed))
        posterior = wb.FieldModel(kernel=wb.Matern(nu=3.5)).condition(data, **mode(data))
        lines = posterior.boundaries(rng=seed, progress=False)
        points = shapely.get_coordinates(lines.geometry)
        rows.append(
            {
                "case": name,
                "seed": seed,
                "lines": len(lines),
                "length": lines.length.sum(),
                "mean_distance": off_the_truth(name, points).mean() if len(points) else np.nan,
                "position_sd": lines.position_sd.mean(),
                "lengthscale": float(posterior.draws["lengthscale"].mean()),
            }
        )
    table = record(f"crests_{name.replace(' ', '_')}", rows)
    if has_crest:
        assert (table.lines > 0).all()
        assert table.mean_distance.mean() < (0.02 if name == "A5" else 0.05)
    else:
        assert (table.lines == 0).all()
