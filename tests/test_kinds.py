"""Kinds of boundary, on surfaces whose lines are known and on data from them."""

import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import A6, Surface, quadratic, rotation, simulate

import womble as wb
from womble.feature import Crossing, Extremum
from womble.field import FunctionField
from womble.kinds import (
    KINDS,
    Gradient,
    Level,
    Ridge,
    Valley,
    ZeroCurvature,
    downward_axis,
    features,
)
from womble.vertices import candidate_vertices, directed

SIDE = np.linspace(-1.5, 1.5, 60)


def field(jets, order=2, inside=None):
    """A surface that is known, on 60 x 60 cells of [-1.5, 1.5]^2."""
    grid = wb.Grid(SIDE, SIDE, np.ones((60, 60), bool) if inside is None else inside)
    return FunctionField(lambda points, _: jets(points), grid, order)


def rolled(sign=1.0):
    """sign * -(r - 1)^2: a ridge, or valley, on the unit circle; g = -2 (r - 1) u."""

    def jets(points):
        r = np.hypot(*points.T)
        ux, uy = points.T / r
        first, around = -2 * (r - 1), -2 * (r - 1) / r
        bend = [-2 * a + around * (d - a) for a, d in ((ux * ux, 1), (ux * uy, 0), (uy * uy, 1))]
        return sign * np.stack([-((r - 1) ** 2), first * ux, first * uy, *bend], axis=1)

    return jets


def bump(points, width=0.12):
    """exp(-t^2 / 2), t = (x - 0.5) / width: a ridge along x = 0.5 with valleys on neither side."""
    t = (points[:, 0] - 0.5) / width
    value, zero = np.exp(-0.5 * t**2), np.zeros_like(t)
    slope, bend = -t * value / width, (t**2 - 1) * value / width**2
    return np.stack([value, slope, zero, bend, zero, zero], axis=1)


BUMP = Surface("ridge along x = 0.5", bump, 0.02)


# -- surfaces --------------------------------------------------------------------------------------


def test_the_downward_axis_is_the_eigenvector_of_the_smallest_eigenvalue():
    jets = np.random.default_rng(0).normal(size=(50, 6))
    hessian = np.stack([jets[:, [3, 4]], jets[:, [4, 5]]], axis=1)
    expected = np.linalg.eigh(hessian)[1][:, :, 0]
    npt.assert_allclose(np.abs(np.sum(downward_axis(jets) * expected, axis=1)), 1, atol=1e-12)


@pytest.mark.parametrize(("kind", "sign"), [(Ridge, 1.0), (Valley, -1.0)])
@pytest.mark.parametrize("angle", [0.0, 0.6, 2.0])
def test_a_paraboloid_has_its_ridge_along_the_long_axis_through_the_summit(kind, sign, angle):
    # -(8 a^2 + b^2) / 2 in axes turned by `angle`: the ridge is a = 0, unbroken at the summit.
    across, along = rotation(angle).T
    H = -8 * np.outer(across, across) - np.outer(along, along)
    surface = field(quadratic(0, 0, 0, sign * H[0, 0], sign * H[0, 1], sign * H[1, 1]))
    vertices = candidate_vertices(surface, kind())
    assert set(vertices.line) == {0}
    npt.assert_allclose(vertices.points @ across, 0, atol=1e-12)
    reach = 1.45 / np.abs(along).max()  # the outermost cells are at 1.5
    assert np.ptp(vertices.points @ along) > 2 * reach
    npt.assert_allclose(np.abs(vertices.directions @ across), 1, atol=1e-12)


@pytest.mark.parametrize(("kind", "sign"), [(Ridge, 1.0), (Valley, -1.0)])
def test_a_round_ridge_is_a_circle_and_its_directions_point_one_way(kind, sign):
    vertices = candidate_vertices(field(rolled(sign)), kind())
    radius = np.hypot(*vertices.points.T)
    assert set(vertices.line) == {0}
    npt.assert_allclose(radius, 1, atol=1e-9)
    outward = np.sum(vertices.directions * vertices.points, axis=1) / radius
    npt.assert_allclose(np.abs(outward), 1, atol=1e-6)
    assert len(np.unique(np.sign(outward))) == 1
    # Within r < 1 / 2 the field turned over is a cone, whose every radius is a ridge.
    outside = np.hypot(*np.meshgrid(SIDE, SIDE)) > 0.6
    over = field(rolled(-sign), inside=outside)
    assert candidate_vertices(over, kind()).points.size == 0


def test_the_direction_across_a_ridge_is_to_the_right_of_travel():
    surface = field(quadratic(0, 0, 0, -8, 0, -1))
    north = np.column_stack([np.zeros(5), np.linspace(0, 1, 5)])
    for line, right in ((north, 1.0), (north[::-1], -1.0)):
        vertices = type(candidate_vertices(surface, Ridge())).of([line])
        npt.assert_allclose(
            directed(surface, Ridge(), vertices).directions, [[right, 0.0]] * 5, atol=1e-12
        )


def test_the_laplacian_of_a_front_vanishes_on_it_and_rises_downhill():
    surface = field(lambda s: A6.jets(s + 0.5))  # the front is x = 0
    vertices = candidate_vertices(surface, ZeroCurvature())
    middle = vertices.at(np.abs(vertices.points[:, 0]) < 0.5)
    npt.assert_allclose(middle.points[:, 0], 0, atol=1e-4)
    npt.assert_allclose(middle.directions, [[-1.0, 0.0]] * len(middle.points), atol=1e-9)


def test_levels_and_crests_of_a_front_lie_on_it():
    surface = field(lambda s: A6.jets(s + 0.5))
    level = candidate_vertices(surface, Level(0.2))
    npt.assert_allclose(level.points[:, 0], np.arctanh(0.4) / 3, atol=1e-6)
    crest = candidate_vertices(surface, Gradient())
    npt.assert_allclose(crest.points[:, 0], 0, atol=1e-6)
    for vertices in (level, crest):
        npt.assert_allclose(vertices.directions, [[1.0, 0.0]] * len(vertices.points), atol=1e-9)


def test_what_stands_out_is_told_by_the_family():
    scores = np.array([[1.0, 1.0, 2.0], [-1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 3.0, 2.0]])
    assert Gradient().stands(scores).tolist() == [True, False, False, False]
    assert Level(0.0).stands(scores).tolist() == [False, True, False, False]
    assert [issubclass(kind, Extremum) for kind in (Gradient, Ridge, Valley)] == [True] * 3
    assert [issubclass(kind, Crossing) for kind in (Level, ZeroCurvature)] == [True] * 2


# -- data ------------------------------------------------------------------------------------------


def condition(coords, values, kernel=None):
    return wb.FieldModel(kernel=kernel or wb.Matern(nu=3.5)).condition(
        (coords, values), lengthscale=0.4, amplitude=1.0, noise_sd=0.02
    )


@pytest.fixture(scope="module")
def ridge_data():
    return simulate(BUMP, 250, np.random.default_rng(0))


def test_a_ridge_is_found_and_is_the_valley_of_the_field_turned_over(ridge_data):
    coords, values = ridge_data
    options = {"samples": 100, "rng": 1, "progress": False}
    lines = condition(coords, values).boundaries(kind="ridge", **options)
    assert lines.kind.tolist() == ["ridge"]
    x, y = shapely.get_coordinates(lines.geometry).T
    assert np.abs(x - 0.5).mean() < 2 * lines.position_sd[0] < 0.02
    assert np.ptp(y) > 0.95
    over = condition(coords, -values).boundaries(kind="valley", **options)
    assert over.kind.tolist() == ["valley"]
    npt.assert_allclose(over.geometry[0].length, lines.geometry[0].length, rtol=1e-6)
    assert over.geometry[0].hausdorff_distance(lines.geometry[0]) < 1e-6
    assert condition(coords, -values).boundaries(kind="ridge", **options).empty


def test_edges_of_a_ridge_are_where_the_laplacian_vanishes(ridge_data):
    lines = condition(*ridge_data).boundaries(
        kind="zero_curvature", prominence=0.9, rng=1, progress=False
    )
    assert (lines.kind == "zero_curvature").all()
    x, _ = shapely.get_coordinates(lines.geometry).T
    # f'' = 0 one width from the ridge, on either side.
    away = np.abs(np.abs(x - 0.5) - 0.12)
    assert away.mean() < 2 * lines.position_sd.max() < 0.05
    assert ((x < 0.5).any(), (x > 0.5).any()) == (True, True)


@pytest.mark.parametrize("kind", ["ridge", "valley", "zero_curvature"])
def test_rough_kernels_are_refused_with_a_remedy(ridge_data, kind):
    found = condition(*ridge_data, kernel=wb.Matern(nu=2.5))
    for method in (found.boundaries, found.boundary_draws, found.boundary_probability):
        with pytest.raises(ValueError, match=rf"{kind}.*above 3.*Use Matern\(nu=3.5\) or larger"):
            method(kind=kind, progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_feature(kind):
    levels = [0.0, 1.0] if kind == "level" else None
    assert [feature.kind for feature in features(kind, levels)] == [kind] * (2 if levels else 1)


@pytest.mark.parametrize("levels", [0.5, [], [np.nan], [1.0, 1.0]])
def test_levels_must_be_different_numbers(levels):
    with pytest.raises(ValueError, match="`levels` must be a sequence of finite numbers, all diff"):
        features("level", levels)
