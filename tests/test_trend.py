"""Trends: their jets against differences, and a prior that does not know the axes."""

import numpy as np
import numpy.testing as npt
import pytest
from cases import TRENDS, jet_rotation, rotation, stencil

from womble.trend import Trend

POINTS = np.random.default_rng(0).normal(size=(6, 3))


@pytest.mark.parametrize("name", TRENDS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_jets_are_differences_of_the_basis(name, dimension):
    # Central differences of quadratics are exact at any step; half a unit leaves no rounding.
    points, trend = POINTS[:, :dimension], Trend(name)
    offsets, weights = stencil(dimension, 2, 0.5)
    values = trend.jets((points[:, None] + offsets).reshape(-1, dimension), 0)[:, 0]
    expected = weights @ values.reshape(len(points), len(offsets), -1)
    npt.assert_allclose(trend.jets(points, 2), expected, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("none", (0, 0, 0)),
        ("constant", (1, 1, 1)),
        ("linear", (2, 3, 4)),
        ("quadratic", (3, 6, 10)),
    ],
)
def test_basis_has_every_monomial(name, counts):
    for dimension, count in zip((1, 2, 3), counts, strict=True):
        basis = Trend(name).jets(POINTS[:, :dimension], 0)[:, 0]
        assert basis.shape == (len(POINTS), count)
        rich = np.random.default_rng(1).normal(size=(50, dimension))
        assert np.linalg.matrix_rank(Trend(name).jets(rich, 0)[:, 0]) == count


@pytest.mark.parametrize("name", TRENDS)
@pytest.mark.parametrize("order", [0, 1])
def test_lower_orders_are_the_first_components(name, order):
    points = POINTS[:, :2]
    lower = Trend(name).jets(points, order)
    npt.assert_array_equal(lower, Trend(name).jets(points, 2)[:, : lower.shape[1]])


@pytest.mark.parametrize("name", TRENDS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_prior_covariance_turns_with_the_axes(name, dimension):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn = rotation(0.7) if dimension == 2 else turn
    points, T = POINTS[:, :dimension], jet_rotation(turn, 2)
    jets, turned = Trend(name).jets(points, 2), Trend(name).jets(points @ turn.T, 2)
    for i in range(3):
        expected = T @ jets[i] @ jets[i + 1].T @ T.T
        npt.assert_allclose(turned[i] @ turned[i + 1].T, expected, atol=1e-12)


def test_an_unknown_trend_is_refused():
    with pytest.raises(ValueError, match=r"`trend` must be one of none, .*; got 'cubic'"):
        Trend("cubic")
