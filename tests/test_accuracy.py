"""Crests of surfaces that are known, by fits at the mode of the likelihood: slow.

Run by `make validate`. Each study prints a table and writes it to data/validation/. Errors of full
fits are in `test_published_study.py`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from cases import A5, A6, A6_BROAD, A7_PARABOLOID, A7_PLANE, A7_SADDLE, simulate
from likelihood_mode import mode

import womble as wb

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation"


def record(name, rows):
    table = pd.DataFrame(rows)
    RESULTS.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.5g")
    print(f"\n{table.to_string(index=False)}")
    return table


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
