"""Profiles across boundaries, on curves whose extremes are known."""

import numpy as np
import numpy.testing as npt

from womble.profile import Probes, argmax_along, extreme_before_turn, lowest_before_rise

ALONG_X = np.array([[1.0, 0.0]])


def in_unit_square(points):
    return ((points >= 0) & (points <= 1)).all(axis=1)


def test_probes_of_a_crest_stop_at_the_lowest_slope_before_the_next_crest():
    # Crests at 0.25 and, twice as high, at 0.75; the slope is 0 at 0, 0.5 and 1.
    def slope(points):
        x = points[:, 0]
        return np.sin(2 * np.pi * x) ** 2 * np.where(x > 0.5, 2.0, 1.0)

    probes = lowest_before_rise(np.array([[0.25, 0.5]]), ALONG_X, 0.01, 100, slope, in_unit_square)
    npt.assert_allclose(probes.reach, [[0.25, 0.25]], atol=1e-12)
    npt.assert_allclose(
        probes.points(np.array([[0.25, 0.5]]), ALONG_X), [[[0.0, 0.5], [0.5, 0.5]]], atol=1e-12
    )


def test_a_vertex_at_the_edge_of_the_region_has_no_probe_there():
    probes = lowest_before_rise(
        np.array([[1.0, 0.5]]), ALONG_X, 0.01, 100, lambda p: p[:, 0], in_unit_square
    )
    assert np.isnan(probes.reach[0, 1])
    assert probes.reach[0, 0] == 1.0
    assert not probes.both[0]


def test_probes_of_a_level_reach_the_extremes_before_the_value_comes_back():
    def value(points):
        return np.sin(2 * np.pi * points[:, 0])  # at 0.5 falling: uphill is towards smaller x

    uphill = -ALONG_X
    probes = extreme_before_turn(np.array([[0.5, 0.5]]), uphill, 0.01, 100, value, in_unit_square)
    npt.assert_allclose(probes.reach, [[0.25, 0.25]], atol=1e-12)


def test_probes_without_both_sides_are_known():
    assert Probes(np.array([[1.0, 2.0], [np.nan, 1.0]])).both.tolist() == [True, False]


def test_the_argmax_of_a_parabola_is_exact_and_stays_at_an_end():
    positions = np.linspace(-1.0, 1.0, 9)
    peaks = np.array([-0.61, 0.0, 0.33])
    npt.assert_allclose(
        argmax_along(1 - (positions - peaks[:, None]) ** 2, positions), peaks, atol=1e-12
    )
    assert argmax_along(positions, positions) == 1.0
