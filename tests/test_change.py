"""Change points: where a curve is steepest, how sure and how precisely, in any units."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from likelihood_mode import mode

import womble as wb
from womble.change import Steepest, apart
from womble.field import FunctionField
from womble.grid import Grid
from womble.profile import Probes
from womble.vertices import Vertices, candidate_vertices, probes_of

N, NOISE, SAMPLES = 100, 0.1, 100
X = np.sort(np.random.default_rng(5).uniform(size=N))
E = NOISE * np.random.default_rng(6).standard_normal(N)
SHAPE = {"lengthscale": 0.2, "amplitude": 0.6, "noise_sd": NOISE}
TABLE = ["position", "position_sd", "position_q025", "position_q975", "steepness_mean"]
TABLE += ["steepness_q025", "steepness_q975", "direction", "probability", "level_before"]
TABLE += ["level_after", "rule"]


def step(x, at, width=0.05):
    return 0.5 * np.tanh((x - at) / width)


def condition(values, x=X, **theta):
    return wb.FieldModel().condition((x, values), **(SHAPE | theta))


def found(post, **options):
    return post.change_points(**({"rng": 1, "progress": False, "samples": SAMPLES} | options))


@pytest.fixture(scope="module")
def stepped():
    return condition(step(X, 0.4) + E)


@pytest.fixture(scope="module")
def table(stepped):
    return found(stepped)


# --- the arithmetic, on curves known exactly --------------------------------------------------


def exact(function):
    """A field of jets (m, 3) on 101 positions of [0, 1]."""
    grid = Grid.from_data(np.linspace(0, 1, 101), spacing=0.01, mask=None)
    return FunctionField(lambda points, order: function(points[:, 0])[:, : order + 1], grid, 2)


def two_steps(x, heights=(1.0, 0.9), at=(0.3, 0.7), width=0.05):
    out = np.zeros((len(x), 3))
    for height, place in zip(heights, at, strict=True):
        t = np.tanh((x - place) / width)
        first = height / width * (1 - t**2)
        out += np.stack([height * t, first, -2 * t * first / width], axis=1)
    return out


def test_candidates_are_the_maxima_of_the_slope_s_size():
    """f = sin(a x): |f'| is highest at whole multiples of pi / a, rising and falling."""
    a = 10.0
    curve = exact(lambda x: np.stack([np.sin(a * x), a * np.cos(a * x), -a * a * np.sin(a * x)], 1))
    points = candidate_vertices(curve, Steepest()).points[:, 0]
    # The parabola through f' f'' errs by its third difference: step^3 (2 a)^3 / 10 of a period.
    npt.assert_allclose(points, np.pi / a * np.arange(1, 4), atol=(0.005 * 2 * a) ** 3 / 10 / a)


def test_probes_are_the_flattest_places_before_it_gets_steeper():
    curve = exact(two_steps)
    vertices = candidate_vertices(curve, Steepest())
    npt.assert_allclose(vertices.points[:, 0], [0.3, 0.7], atol=1e-4)
    probes = probes_of(curve, Steepest(), vertices)
    # The lower step sees as far as the higher one, the higher step past the lower to the end.
    assert abs(probes.reach[1, 0] - 0.2) < 0.03
    assert abs(probes.reach[0, 1] - 0.7) < 0.03
    cut = apart(curve, Steepest(), vertices, probes)
    npt.assert_allclose(cut.reach[0, 1] + cut.reach[1, 0], np.ptp(vertices.points), rtol=1e-12)
    npt.assert_allclose(cut.reach[0, 1], 0.2, atol=0.4 / 60 + 1e-3)
    npt.assert_array_equal(cut.reach[[0, 1], [0, 1]], probes.reach[[0, 1], [0, 1]])


def test_probes_that_are_near_already_stay():
    curve = exact(two_steps)
    vertices = Vertices.of([np.array([[0.3]]), np.array([[0.7]])], 1)
    near = np.array([[0.1, 0.15], [0.12, 0.1]])
    npt.assert_array_equal(apart(curve, Steepest(), vertices, Probes(near)).reach, near)


# --- tables -----------------------------------------------------------------------------------


def test_a_step_is_found_where_it_is(table):
    assert list(table) == TABLE
    assert len(table) == 1
    row = table.iloc[0]
    assert row.position_q025 < 0.4 < row.position_q975
    assert row.position_q025 < row.position < row.position_q975
    assert abs(row.position - 0.4) < 4 * row.position_sd
    assert row.direction == "rise"
    assert row.probability > 0.99
    npt.assert_allclose([row.level_before, row.level_after], [-0.5, 0.5], atol=4 * NOISE / 3)


def test_the_table_repeats_what_the_posterior_says(stepped, table):
    row = table.iloc[0]
    mean, covariance = stepped.jet_moments([row.position])
    # Steepest: f' f'' = 0 to the grid's precision, a small part of its own uncertainty.
    assert abs(mean[0, 2]) < 0.05 * np.sqrt(covariance[0, 2, 2])
    sd = np.sqrt(covariance[0, 1, 1])
    assert abs(row.steepness_mean - mean[0, 1]) < 5 * sd / np.sqrt(SAMPLES)
    # Quantiles of 100 draws: standard error (p (1 - p) / 100)^(1/2) over the density, 0.27 sd.
    tails = mean[0, 1] + np.array([-1.96, 1.96]) * sd
    npt.assert_allclose([row.steepness_q025, row.steepness_q975], tails, atol=4 * 0.27 * sd)


def test_positions_are_where_paths_are_steepest(stepped, table):
    """Brute force: the argmax of |f'| of other paths on a fine grid about the step."""
    row = table.iloc[0]
    x = np.linspace(0.2, 0.6, 801)
    jets = stepped.paths(samples=200, rng=99, progress=False).jets(x, 1)
    steepest = x[np.abs(jets[..., 1]).argmax(axis=1)]
    # Standard errors of a mean and an sd, of 100 and 200 draws together 1 / 67; 5 of them.
    assert abs(row.position - steepest.mean()) < 5 * row.position_sd / np.sqrt(67) + 0.002
    npt.assert_allclose(row.position_sd, steepest.std(), rtol=5 / np.sqrt(2 * 67))


def test_two_steps_of_either_sign_are_two_change_points():
    table = found(condition(step(X, 0.3) - step(X, 0.7) + E))
    assert table.direction.tolist() == ["rise", "fall"]
    for at, row in zip((0.3, 0.7), table.itertuples(), strict=True):
        assert row.position_q025 < at < row.position_q975
        assert abs(row.position - at) < 0.05
    # Neither interval reaches the other step, however alike they are.
    assert table.position_q975[0] < 0.5 < table.position_q025[1]


@pytest.mark.parametrize("curve", [lambda x: x, lambda x: 2 * (x - 0.5) ** 2], ids=["line", "bow"])
def test_a_line_and_a_parabola_have_none_but_by_chance(curve):
    """Noise makes one with a chance of about 5%: of 5 data sets, more than one is 2% likely."""
    tables = []
    for seed in range(5):
        values = curve(X) + NOISE * np.random.default_rng(seed).standard_normal(N)
        tables.append(found(condition(values, **mode((X, values)))))
    assert sum(len(table) > 0 for table in tables) <= 1
    empty = min(tables, key=len)
    assert list(empty) == TABLE
    assert empty.position.dtype == float


def test_positions_are_surer_with_more_data():
    sds = {40: [], 160: []}
    for n, drawn in sds.items():
        x = (np.arange(n) + 0.5) / n
        for seed in range(3):
            values = step(x, 0.4) + NOISE * np.random.default_rng([7, seed]).standard_normal(n)
            (row,) = found(condition(values, x), samples=40).itertuples()
            assert abs(row.position - 0.4) < 4 * row.position_sd
            drawn.append(row.position_sd)
    # The study finds a rate of n^(-1/2); an sd of 40 draws errs by 11%, and differs between data.
    assert np.mean(sds[160]) < 0.75 * np.mean(sds[40])


@pytest.mark.parametrize(
    ("shift", "stretch", "level", "factor"),
    [(1000.0, 4.0, 7.0, 3.0), (-3.0, 0.01, -50.0, 0.02), (1000.0, 4.0, 7.0, -3.0)],
)
def test_units_of_place_and_value_carry_over(table, shift, stretch, level, factor):
    other = wb.FieldModel().condition(
        (shift + stretch * X, level + factor * (step(X, 0.4) + E)),
        lengthscale=stretch * 0.2,
        amplitude=abs(factor) * 0.6,
        noise_sd=abs(factor) * NOISE,
    )
    if factor < 0:  # paths are not mirrored: only what does not depend on them is
        row, mirrored = table.iloc[0], found(other).iloc[0]
        npt.assert_allclose(mirrored.position, shift + stretch * row.position, rtol=1e-9)
        assert (row.direction, mirrored.direction) == ("rise", "fall")
        return
    moved = found(other)
    for name in ("position", "position_q025", "position_q975"):
        npt.assert_allclose(moved[name], shift + stretch * table[name], rtol=1e-7)
    npt.assert_allclose(moved.position_sd, stretch * table.position_sd, rtol=1e-6)
    for name in ("steepness_mean", "steepness_q025", "steepness_q975"):
        npt.assert_allclose(moved[name], factor / stretch * table[name], rtol=1e-6)
    for name in ("level_before", "level_after"):
        npt.assert_allclose(moved[name], level + factor * table[name], rtol=1e-6)
    npt.assert_array_equal(moved.probability, table.probability)


def test_dates_in_dates_out(table):
    days = pd.Timestamp("2010-05-01") + pd.to_timedelta(np.round(1000 * X) * 864e5, unit="ms")
    series = pd.Series(step(X, 0.4) + E, index=days, name="level")
    series.attrs["units"] = "m"
    post = wb.FieldModel().condition(series, lengthscale=200.0, amplitude=0.6, noise_sd=NOISE)
    dated = found(post)
    for name in ("position", "position_q025", "position_q975"):
        assert dated[name].dtype.kind == "M"
        past = (dated[name] - pd.Timestamp("2010-05-01")) / pd.Timedelta("1D")
        # Sites are rounded to whole days.
        npt.assert_allclose(past, 1000 * table[name], atol=1.0)
    npt.assert_allclose(dated.position_sd, 1000 * table.position_sd, rtol=0.02)
    units = {"position_sd": "days"} | dict.fromkeys(["level_before", "level_after"], "m")
    units |= dict.fromkeys([n for n in TABLE if n.startswith("steep")], "m days-1")
    assert dated.attrs["units"] == units
    empty = found(post, min_steepness=1.0)
    assert empty.position.dtype.kind == "M"


def test_the_same_seed_gives_the_same_table(stepped, table):
    pd.testing.assert_frame_equal(found(stepped), table)


def test_the_mask_limits_the_search(stepped):
    grid = Grid.from_data(stepped.data, bounds=(0.5, 1.0), spacing=0.005)
    assert found(stepped, grid=grid).empty
    grid = Grid.from_data(stepped.data, bounds=(0.2, 0.6), spacing=0.002)
    npt.assert_allclose(found(stepped, grid=grid).position, found(stepped).position, atol=1e-3)


def test_sampled_hyperparameters_are_averaged_over(stepped, table):
    draws = stepped.draws.isel(draw=[0] * 40).assign_coords(draw=np.arange(40))
    draws["lengthscale"] = (("chain", "draw"), np.linspace(0.15, 0.25, 40)[None])
    many = replace(stepped, draws=draws, sample_stats=draws)
    row = found(many, samples=None).iloc[0]
    assert abs(row.position - 0.4) < 4 * row.position_sd
    npt.assert_allclose(row.position_sd, table.position_sd[0], rtol=0.5)


# --- what is kept, what is refused ------------------------------------------------------------


@pytest.mark.parametrize("rule", ["interval", "fdr", "simultaneous"])
def test_a_sure_change_point_passes_every_rule(stepped, rule):
    table = found(stepped, rule=rule)
    assert len(table) == 1
    assert table.rule[0].startswith(f"{rule}, alpha = 0.05")


def test_prominence_and_steepness_are_thresholds(stepped, table):
    assert found(stepped, min_steepness=1.01 * table.steepness_mean[0]).empty
    assert len(found(stepped, min_steepness=0.99 * table.steepness_mean[0])) == 1
    loose = found(stepped, prominence=0.5, rule="interval", alpha=0.5)
    assert len(loose) > 1
    assert (loose.probability >= 0.75).all()  # 1 - alpha / 2


def test_change_points_are_for_lines(given):
    with pytest.raises(ValueError, match=r"data on a line.*2 coordinates.*boundaries\(\)"):
        given.change_points()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prominence": 1.0}, r"`prominence` must lie in \[0.5, 1\); got 1.0"),
        ({"rule": "none"}, "`rule`"),
        ({"alpha": 2.0}, "`alpha`"),
        ({"samples": 10, "rule": "simultaneous"}, "at least 19 draws; got 10"),
    ],
)
def test_bad_arguments(stepped, options, message):
    with pytest.raises(ValueError, match=message):
        found(stepped, **options)


def test_a_rough_kernel_has_no_change_points():
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition((X, E), **SHAPE)
    with pytest.raises(ValueError, match=r"order 2.*nu > 2"):
        found(post)
