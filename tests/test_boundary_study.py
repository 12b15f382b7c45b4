"""Where boundaries lie: coverage of their positions, and distance from known fronts.

Slow, and resumable: every data set is a row of a table in data/validation/, and rows that are there
are not computed again.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from cases import A5, A6, A6_BROAD, simulate
from likelihood_mode import mode

import womble as wb
from womble.across import Across, drawn_positions
from womble.boundary import prominence
from womble.covariance import Scale
from womble.engines.fourier import FourierPrior
from womble.field import FunctionField
from womble.kinds import Gradient
from womble.mean_field import MeanField
from womble.profile import Probes, rays
from womble.vertices import candidate_vertices, probes_of

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "data" / "validation"
CREST = Gradient()
BOX = np.array([[-0.1, -0.1], [1.1, 1.1]])
TAILS = (0.05, 0.95)


def resumed(name, keys, compute):
    """The table of `compute(*key)` for all keys; only rows not yet in the file are computed."""
    path = RESULTS / f"{name}.csv"
    columns = list(keys[0])
    known = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=columns)
    there = set(known[columns].itertuples(index=False, name=None))
    for key in keys:
        if tuple(key.values()) in there:
            continue
        row = pd.DataFrame([key | compute(**key)])
        RESULTS.mkdir(parents=True, exist_ok=True)
        row.to_csv(path, mode="a", header=not path.exists(), index=False, float_format="%.5g")
    return pd.read_csv(path)


def true_positions(jets, vertices, probes):
    """Where the true slope is highest along each vertex's profile; 401 nodes and a parabola."""
    offsets = probes.offsets(401)
    slopes = CREST.score_of(jets, rays(vertices.points, vertices.directions, offsets))
    return CREST.position(slopes, offsets)


def covered(jets, mean, vertices, probes, rng):
    """Whether the 90% interval of each vertex's position holds the truth; and its width."""
    drawn = drawn_positions(mean, [Across(CREST, vertices, probes)], BOX, rng)[0]
    low, high = np.quantile(drawn, TAILS, axis=0)
    truth = true_positions(jets, vertices, probes)
    return (low <= truth) & (truth <= high), high - low


# -- calibration on draws from the prior -----------------------------------------------------------

THETA = {"lengthscale": 0.3, "amplitude": 1.0, "noise_sd": 0.1}


def prior_data_set(seed):
    """One field of the prior: of each of its crests a random vertex, and the mean's nearest one."""
    rng = np.random.default_rng(seed)
    kernel = wb.Matern(nu=3.5)
    truth = FourierPrior(kernel, Scale(THETA["amplitude"], THETA["lengthscale"]), BOX).draw(rng)
    coords = rng.uniform(size=(200, 2))
    values = truth.jets(coords, 0)[:, 0] + THETA["noise_sd"] * rng.standard_normal(200)
    post = wb.FieldModel(kernel=kernel, trend="none").condition((coords, values), **THETA)
    grid = wb.Grid.from_data(post.data, mask="hull")
    mean = MeanField(post.ensemble("surface", 200, rng), grid, 2, False)
    found = candidate_vertices(mean, CREST)
    probability, probes = prominence(mean, found, CREST, rng)
    keep = probability >= 0.95
    found, reach = found.at(keep), probes.reach[keep]

    field = FunctionField(truth.jets, grid, 2)
    crests = candidate_vertices(field, CREST)
    crests = crests.at(probes_of(field, CREST, crests).both)
    chosen = set()
    for line in np.unique(crests.line):
        point = rng.choice(crests.points[crests.line == line])
        distance = np.linalg.norm(found.points - point, axis=1)
        if len(distance) and distance.min() <= reach[distance.argmin()].max():
            chosen.add(int(distance.argmin()))
    if not chosen:
        return {"vertices": 0, "covered": 0, "width": np.nan}
    pick = np.array(sorted(chosen))
    inside, width = covered(truth.jets, mean, found.at(pick), Probes(reach[pick]), rng)
    return {"vertices": len(pick), "covered": int(inside.sum()), "width": width.mean()}


def test_position_intervals_cover_the_crests_of_prior_draws():
    table = resumed("position", [{"seed": seed} for seed in range(60)], prior_data_set)
    vertices, hits = table.vertices.sum(), table.covered.sum()
    # Vertices of one field are dependent: the error is that of a ratio over fields.
    residual = table.covered - hits / vertices * table.vertices
    error = np.sqrt((residual**2).sum()) / vertices
    width = np.average(table.width.fillna(0), weights=table.vertices)
    print(
        f"\n{len(table)} fields, {vertices} vertices, coverage {hits / vertices:.3f} "
        f"+- {error:.3f}, mean width {width:.3f}"
    )
    assert 0.82 <= hits / vertices <= 0.97


# -- fronts that are known -------------------------------------------------------------------------

FRONTS = {"A5": replace(A5, noise_sd=0.02), "A6 steepness 3": A6, "A6 steepness 2": A6_BROAD}


def off_the_truth(case, points):
    """Distance of points from the true crest: y = x for A5, x = 0.5 for A6."""
    x, y = points.T
    return np.abs(y - x) / np.sqrt(2) if case == "A5" else np.abs(x - 0.5)


def front_data_set(case, n, seed):
    surface = FRONTS[case]
    data = simulate(surface, n, np.random.default_rng([seed, n]))
    theta = mode(data)
    post = wb.FieldModel(kernel=wb.Matern(nu=3.5)).condition(data, **theta)
    rng = np.random.default_rng(seed)
    lines = post.boundaries(rng=rng, progress=False)
    row = {"lines": len(lines), "length": lines.length.sum(), "lengthscale": theta["lengthscale"]}
    if lines.empty:
        return row | {"distance": np.nan, "vertices": 0, "coverage": np.nan, "width": np.nan}
    mean = MeanField(
        post.ensemble("surface", 200, rng),
        wb.Grid.from_dict(lines.attrs["womble"]["grid"]),
        2,
        False,
    )
    points = [shapely.get_coordinates(line) for line in lines.geometry]
    across = Across.of(mean, CREST, points)
    jets = lambda at, order: surface.jets(at)  # noqa: E731  (order 2 holds the lower ones)
    inside, width = covered(jets, mean, across.vertices, across.probes, rng)
    return row | {
        "distance": off_the_truth(case, np.concatenate(points)).mean(),
        "vertices": len(inside),
        "coverage": inside.mean(),
        "width": width.mean(),
    }


def test_known_fronts_are_within_their_intervals_and_nearer_with_more_data():
    keys = [
        {"case": case, "n": n, "seed": seed}
        for n in (100, 400, 1600)
        for case in FRONTS
        for seed in range(4)
    ]
    table = resumed("position_fronts", keys, front_data_set)
    grouped = table.groupby(["case", "n"])
    summary = grouped[["lines", "length", "distance", "coverage", "width"]].mean()
    print(f"\n{summary.round(4).to_string()}")
    found = table[table.lines > 0]
    pooled = np.average(found.coverage, weights=found.vertices)
    print(f"pooled coverage {pooled:.3f} over {found.vertices.sum()} vertices")
    assert pooled >= 0.85
    distance = summary["distance"].unstack()
    assert (distance[1600] < distance[100]).all()
    assert (table[table.n >= 400].lines > 0).all()
