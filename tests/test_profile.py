"""Profiles across boundaries, on curves whose extremes are known."""

import numpy as np
import numpy.testing as npt

from womble import profile
from womble.profile import Probes, argmax_along, find_probes, half_width, rays, rise_along

ALONG_X = np.array([[1.0, 0.0]])
EXTREMUM, CROSSING = (-1, -1), (-1, 1)


def in_unit_square(points):
    return ((points >= 0) & (points <= 1)).all(axis=1)


def test_probes_of_a_crest_stop_at_the_lowest_slope_before_the_next_crest():
    # Crests at 0.25 and, twice as high, at 0.75; the slope is 0 at 0, 0.5 and 1.
    def slope(points):
        x = points[:, 0]
        return np.sin(2 * np.pi * x) ** 2 * np.where(x > 0.5, 2.0, 1.0)

    vertex = np.array([[0.25, 0.5]])
    probes = find_probes(vertex, ALONG_X, 0.01, 100, slope, in_unit_square, EXTREMUM)
    npt.assert_allclose(probes.reach, [[0.25, 0.25]], atol=1e-12)
    npt.assert_allclose(probes.points(vertex, ALONG_X), [[[0.0, 0.5], [0.5, 0.5]]], atol=1e-12)


def test_a_vertex_at_the_edge_of_the_region_has_no_probe_there():
    vertex = np.array([[1.0, 0.5]])
    probes = find_probes(vertex, ALONG_X, 0.01, 100, lambda p: p[:, 0], in_unit_square, EXTREMUM)
    assert np.isnan(probes.reach[0, 1])
    assert probes.reach[0, 0] == 1.0
    assert not probes.both[0]


def test_probes_of_a_level_reach_the_extremes_before_the_value_comes_back():
    def value(points):
        return np.sin(2 * np.pi * points[:, 0])  # at 0.5 falling: uphill is towards smaller x

    vertex, uphill = np.array([[0.5, 0.5]]), -ALONG_X
    probes = find_probes(vertex, uphill, 0.01, 100, value, in_unit_square, CROSSING)
    npt.assert_allclose(probes.reach, [[0.25, 0.25]], atol=1e-12)


def test_probes_do_not_depend_on_how_far_is_looked_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    vertices, angle = rng.uniform(size=(200, 2)), rng.uniform(0, 2 * np.pi, 200)
    directions = np.column_stack([np.cos(angle), np.sin(angle)])

    def score(points):
        return np.sin(9 * points[:, 0]) * np.cos(7 * points[:, 1])

    for ends in (EXTREMUM, CROSSING):
        found = []
        for stride in (1, 7, 1000):
            monkeypatch.setattr(profile, "STRIDE", stride)
            given = (vertices, directions, 0.01, 140, score, in_unit_square, ends)
            found.append(find_probes(*given).reach)
        assert 0.2 < np.isnan(found[0]).mean() < 0.8
        npt.assert_array_equal(found[1], found[0])
        npt.assert_array_equal(found[2], found[0])


def test_probes_without_both_sides_are_known():
    assert Probes(np.array([[1.0, 2.0], [np.nan, 1.0]])).both.tolist() == [True, False]


def test_rays_run_from_probe_to_probe():
    probes = Probes(np.array([[1.0, 3.0]]))
    offsets = probes.offsets(5)
    npt.assert_allclose(offsets, [[-1.0, 0.0, 1.0, 2.0, 3.0]])
    points = rays(np.array([[10.0, 20.0]]), np.array([[0.0, 1.0]]), offsets)
    npt.assert_allclose(points[0, :, 0], 10.0)
    npt.assert_allclose(points[0, :, 1], 20.0 + offsets[0])


def test_the_argmax_of_a_parabola_is_exact_and_stays_at_an_end():
    positions = np.linspace(-1.0, 1.0, 9)
    peaks = np.array([-0.61, 0.0, 0.33])
    npt.assert_allclose(
        argmax_along(1 - (positions - peaks[:, None]) ** 2, positions), peaks, atol=1e-12
    )
    assert argmax_along(positions, positions) == 1.0


def test_a_straight_line_rises_through_zero_where_it_does():
    positions = np.linspace(-1.0, 1.0, 9)
    zeros = np.array([-0.61, 0.0, 0.33])
    npt.assert_allclose(rise_along(positions - zeros[:, None], positions), zeros, atol=1e-12)
    assert np.isnan(rise_along(positions + 2, positions))
    assert np.isnan(rise_along(-positions, positions))


def test_half_width_of_a_triangle_is_half_its_base():
    positions = np.linspace(-2.0, 2.0, 17)
    peaks = np.array([-0.5, 0.0, 0.75])  # nodes, so that linear interpolation is exact
    triangles = 1 - np.abs(positions - peaks[:, None])
    ends = half_width(triangles, positions)
    npt.assert_allclose(ends, np.column_stack([peaks - 0.5, peaks + 0.5]), atol=1e-12)


def test_half_width_is_of_the_peak_alone_and_censored_where_the_profile_ends():
    positions = np.linspace(0.0, 6.0, 7)
    two = np.array([0.9, 0.0, 0.0, 1.0, 0.0, 0.0, 0.9])
    npt.assert_allclose(half_width(two, positions), [2.5, 3.5])
    rising = positions.copy()
    npt.assert_allclose(half_width(rising, positions), [3.0, np.inf])
    npt.assert_allclose(half_width(rising[::-1], positions), [-np.inf, 3.0])
    npt.assert_allclose(half_width(-1 - rising, positions), [-np.inf, np.inf])
