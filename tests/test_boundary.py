"""Boundaries of surfaces whose crests and contours are known (hyperparameters given)."""

import json
from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import A1, A5, A6, A6_BROAD, A7_PARABOLOID, A7_PLANE, A7_SADDLE, simulate

import womble as wb
from womble import jet
from womble.kinds import Gradient
from womble.mean_field import MeanField
from womble.priors import domain_diameter
from womble.vertices import Vertices, candidate_vertices

# Lengthscale and amplitude near the likelihood's mode for each surface at n = 400.
FRONTS = [
    (A6, 0.7, 0.6),
    (A6_BROAD, 0.9, 0.6),
]
SMOOTH = [(A7_PLANE, 2.0, 1.0), (A7_PARABOLOID, 1.5, 1.0), (A7_SADDLE, 1.5, 1.0)]


def posterior(surface, lengthscale, amplitude, n=400, seed=0, kernel=None):
    data = simulate(surface, n, np.random.default_rng(seed))
    model = wb.FieldModel(kernel=kernel or wb.Matern(nu=3.5))
    return model.condition(
        data, lengthscale=lengthscale, amplitude=amplitude, noise_sd=surface.noise_sd
    )


@pytest.mark.parametrize(("surface", "lengthscale", "amplitude"), FRONTS)
def test_a_front_is_found_over_its_full_span(surface, lengthscale, amplitude):
    lines = posterior(surface, lengthscale, amplitude).boundaries(rng=1, progress=False)
    assert len(lines) == 1
    x, y = shapely.get_coordinates(lines.geometry).T
    # A line's error is common to its vertices; two posterior sds bound it.
    assert np.abs(x - 0.5).mean() < min(2 * lines.position_sd[0], 0.05)
    # The convex hull of 400 uniform sites stops about 0.01 short of the square.
    assert np.ptp(y) > 0.95
    true_slope = surface.gradient(np.array([[0.5, 0.5]]))[0, 0]
    assert lines.steepness_q025[0] < true_slope < lines.steepness_q975[0]
    assert lines.probability[0] > 0.95


def test_the_crest_of_a_cliff_lies_on_the_diagonal_within_its_position_sd():
    cliff = replace(A5, noise_sd=0.02)
    lines = posterior(cliff, 0.4, 0.1).boundaries(rng=1, progress=False)
    longest = lines.iloc[lines.length.argmax()]
    x, y = shapely.get_coordinates(longest.geometry).T
    distance = np.abs(y - x) / np.sqrt(2)
    assert distance.mean() < 0.02
    # Mean absolute error of a normal is 0.8 sd; three sd bound a line's average over 1.2 units.
    assert distance.mean() < 3 * longest.position_sd


@pytest.mark.parametrize(("surface", "lengthscale", "amplitude"), SMOOTH)
@pytest.mark.parametrize("seed", range(3))
def test_smooth_trends_have_no_boundary(surface, lengthscale, amplitude, seed):
    found = posterior(surface, lengthscale, amplitude, seed=seed)
    lines = found.boundaries(rng=1, progress=False)
    assert lines.empty
    assert lines.columns.tolist()[:4] == ["boundary_id", "kind", "level", "length"]


def test_crest_vertices_are_zeros_of_q_where_it_falls():
    found = posterior(A6, 0.7, 0.6)
    ensemble = found.ensemble("surface", 2, np.random.default_rng(0))
    field = MeanField(ensemble, wb.Grid.from_data(found.data, mask="hull"), 2, False)
    vertices = candidate_vertices(field, Gradient())
    q, scale = (
        np.abs(jet.crest_indicator(field.exact(points, 2)))
        for points in (vertices.points, field.grid.points)
    )
    # The parabola leaves an error of third order in the step of 1/120: far below 1e-3 of q.
    assert q.max() < 1e-3 * np.quantile(scale, 0.9)
    ahead = vertices.points + 1e-3 * vertices.directions
    behind = vertices.points - 1e-3 * vertices.directions
    assert (jet.crest_indicator(field.exact(ahead, 2)) < 0).all()
    assert (jet.crest_indicator(field.exact(behind, 2)) > 0).all()


def test_level_lines_lie_on_the_mean_surface_and_at_the_truth():
    found = posterior(A6, 0.7, 0.6)
    levels = [-0.2, 0.0, 0.2]
    lines = found.boundaries(kind="level", levels=levels, rng=1, progress=False)
    assert sorted(lines.level) == levels
    for level, line in zip(lines.level, lines.geometry, strict=True):
        points = shapely.get_coordinates(line)
        mean, _ = found.jet_moments(points, order=0)
        # One Newton step from a linear interpolation in cells of 1/60.
        npt.assert_allclose(mean[:, 0], level, atol=1e-5)
        assert np.abs(points[:, 0] - (0.5 + np.arctanh(2 * level) / 3)).mean() < 0.03
    assert (lines.kind == "level").all()
    assert (lines.position_sd > 0).all()


def test_position_sd_of_a_level_is_value_sd_over_slope():
    found = posterior(A6, 0.7, 0.6)
    lines = found.boundaries(kind="level", levels=[0.0], samples=400, rng=1, progress=False)
    points = shapely.get_coordinates(lines.geometry[0])
    mean, covariance = found.jet_moments(points, order=1)
    expected = np.sqrt(covariance[:, 0, 0]) / np.linalg.norm(mean[:, 1:], axis=1)
    # First order in the small sd; 400 draws at 24 stations, and profiles read linearly.
    npt.assert_allclose(lines.position_sd[0], np.sqrt((expected**2).mean()), rtol=0.15)


def test_short_flat_and_improbable_lines_are_left_out():
    found = posterior(A6, 0.7, 0.6)
    common = {"rng": 1, "progress": False}
    assert found.boundaries(min_length=2.0, **common).empty
    assert found.boundaries(min_steepness=2.0, **common).empty
    assert len(found.boundaries(min_steepness=1.0, **common)) == 1


def test_lines_that_stand_at_once_are_the_most_probable_ones():
    found = posterior(replace(A1, noise_sd=4.0), 0.3, 8.0, n=40)
    options = {"kind": "level", "levels": (-4.0, 0.0, 4.0), "prominence": 0.6}
    options |= {"samples": 400, "min_length": 0.0, "progress": False}
    every = found.boundaries(**options, rule="interval", alpha=0.5, rng=1)
    strict, loose = (
        found.boundaries(**options, rule="simultaneous", alpha=alpha, rng=1)
        for alpha in (0.05, 0.4)
    )
    assert 0 < len(strict) < len(loose) <= len(every)
    # All searches draw the same numbers up to the choice: the same lines are recognised.
    for fewer, more in ((strict, loose), (loose, every)):
        kept = more.geometry.isin(fewer.geometry)
        assert kept.sum() == len(fewer)
        assert kept.all() or more.probability[kept].min() >= more.probability[~kept].max()
    assert "all lines at once, each at its middle" in strict["rule"].iloc[0]
    # What stands together with probability 0.95 stands alone with at least that, at its middle.
    assert strict.probability.min() > 0.9


def test_lines_are_cut_at_the_mask():
    found = posterior(A6, 0.7, 0.6)
    hole = shapely.box(0, 0, 1, 1).difference(shapely.box(0.3, 0.4, 0.7, 0.6))
    grid = wb.Grid.from_data(found.data, mask=hole, bounds=(0, 0, 1, 1))
    lines = found.boundaries(grid, rng=1, progress=False)
    assert len(lines) == 2
    cell = max(grid.spacing)
    assert not lines.intersects(shapely.box(0.3, 0.4, 0.7, 0.6).buffer(-cell)).any()


def test_the_same_seed_gives_the_same_lines():
    found = posterior(A6, 0.7, 0.6, n=100)
    first, second = (found.boundaries(rng=5, progress=False) for _ in range(2))
    assert first.equals(second)


def test_the_settings_travel_with_the_lines():
    found = posterior(A6, 0.7, 0.6, n=100)
    lines = found.boundaries(kind="level", levels=(0, 0.2), samples=50, rng=1, progress=False)
    settings = dict(lines.attrs["womble"])
    assert json.loads(json.dumps(settings)) == settings  # files can hold them
    grid = wb.Grid.from_dict(settings.pop("grid"))
    assert settings == {
        "kind": "level",
        "levels": [0.0, 0.2],
        "min_length": 0.05 * domain_diameter(found.data.coords),
        "min_steepness": 0.0,
        "prominence": 0.95,
        "target": "surface",
        "samples": 50,
        "rule": "fdr",
        "alpha": 0.05,
    }
    # They find the same lines again.
    again = found.boundaries(grid, **settings, rng=1, progress=False)
    assert again.equals(lines)


def test_runs_break_at_gaps_and_between_lines():
    line = np.array([0, 0, 0, 0, 1, 1])
    position = np.array([0, 1, 3, 4, 5, 6])
    vertices = Vertices(np.zeros((6, 2)), np.zeros((6, 2)), line, position)
    assert [run.tolist() for run in vertices.runs()] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "cliff"}, "`kind` must be one of 'gradient', 'level', .*; got 'cliff'"),
        ({"kind": "level"}, "`levels` goes with kind='level'"),
        ({"levels": [0.0]}, "`levels` goes with kind='level'"),
        ({"kind": "level", "levels": [9.0]}, "within the mean surface.*got 9"),
        ({"prominence": 1.0}, r"`prominence` must lie in \[0.5, 1\); got 1.0"),
        ({"rule": "bonferroni"}, "`rule` must be one of"),
        ({"alpha": 0.0}, "`alpha` must be an error rate"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    found = posterior(A6, 0.7, 0.6, n=40)
    with pytest.raises(ValueError, match=message):
        found.boundaries(progress=False, **arguments)


def test_rough_kernels_have_levels_but_no_crests():
    found = posterior(A6, 0.7, 0.6, n=100, kernel=wb.Matern(nu=1.5))
    with pytest.raises(
        ValueError, match=r"Matern\(nu=1.5\) has no mean-square derivative of order 2"
    ):
        found.boundaries(progress=False)
    lines = found.boundaries(kind="level", levels=[0.0], prominence=0.8, rng=1, progress=False)
    assert (lines.kind == "level").all()


def test_boundaries_keep_columns_and_crs_in_a_geopackage(tmp_path):
    import geopandas as gpd

    coords, values = simulate(A6, 200, np.random.default_rng(0))
    frame = gpd.GeoDataFrame(
        {"lead": values}, geometry=gpd.points_from_xy(*(1000 * coords.T + 5e5)), crs=28992
    )
    found = wb.FieldModel().condition(
        frame, "lead", lengthscale=700.0, amplitude=0.6, noise_sd=0.05, units="mg kg-1"
    )
    lines = found.boundaries(rng=1, progress=False)
    assert lines.attrs["units"]["steepness_mean"] == "mg kg-1 m-1"
    lines.to_file(tmp_path / "lines.gpkg")
    back = gpd.read_file(tmp_path / "lines.gpkg")
    assert back.crs == lines.crs
    assert back.columns.tolist() == lines.columns.tolist()
    npt.assert_allclose(back.steepness_mean, lines.steepness_mean)
    assert back.geometry.geom_equals_exact(lines.geometry, 1e-9).all()
