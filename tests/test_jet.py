"""Quantities made of jets against linear algebra and differences; the shared truths themselves."""

from functools import partial

import numpy as np
import numpy.testing as npt
import pytest
from cases import A3, SURFACES, difference_jets, jet_rotation, rotation
from scipy.special import expit

from womble import jet

JETS = np.random.default_rng(0).normal(size=(40, 6))
STEP = 0.01


def interior(surface):
    side = surface.high - surface.low
    points = np.random.default_rng(1).uniform(0.1, 0.9, (30, 2)) * side + surface.low
    return points[np.hypot(*points.T) > 1] if surface is A3 else points


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_truths_are_the_differences_of_their_values(surface):
    points = interior(surface)
    exact = surface.jets(points)
    differences = difference_jets(surface.value, points, 2, STEP)
    # Extrapolated differences are off by step^4 / 480 f^(6) or less; at (3 pi)^6 10 for the waves,
    # and for the cliff (9 sqrt 2)^6 300 / 9, that is 3e-3.
    npt.assert_allclose(differences, exact, atol=3e-3)
    npt.assert_array_equal(surface.gradient(points), exact[:, 1:3])
    npt.assert_array_equal(surface.hessian(points)[:, 0, 1], exact[:, 4])


def test_components_in_order():
    assert jet.components(2, 2) == [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]
    assert [jet.size(d, 2) for d in (1, 2, 3)] == [3, 6, 10]
    assert [jet.size(2, order) for order in (0, 1, 2)] == [1, 3, 6]
    assert len(jet.PLANAR) == 6


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_gradient_and_hessian_take_their_components(dimension):
    columns = jet.components(dimension, 2)
    jets = np.arange(2.0 * len(columns)).reshape(2, -1)
    for i in range(dimension):
        npt.assert_array_equal(jet.gradient(jets, dimension)[:, i], jets[:, columns.index((i,))])
        for j in range(dimension):
            packed = columns.index(tuple(sorted((i, j))))
            npt.assert_array_equal(jet.hessian(jets, dimension)[:, i, j], jets[:, packed])


def test_curvatures_are_those_of_the_hessian():
    H = jet.hessian(JETS)
    largest, smallest = jet.principal_curvatures(JETS)
    npt.assert_allclose(np.stack([smallest, largest], axis=1), np.linalg.eigvalsh(H), atol=1e-14)
    npt.assert_allclose(jet.gaussian_curvature(JETS), np.linalg.det(H), atol=1e-13)
    npt.assert_allclose(jet.laplacian(JETS), np.trace(H, axis1=1, axis2=2), atol=1e-14)
    npt.assert_allclose(largest * smallest, jet.gaussian_curvature(JETS), atol=1e-13)


def test_magnitude_and_direction_are_polar_coordinates_of_the_gradient():
    length, angle = jet.gradient_magnitude(JETS), jet.gradient_direction(JETS)
    polar = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    npt.assert_allclose(polar, jet.gradient(JETS), atol=1e-14)
    uphill_north = np.array([0.0, 0.0, 2.0, 0, 0, 0])
    assert jet.gradient_direction(uphill_north) == pytest.approx(np.pi / 2)


def test_crest_indicator_is_half_the_change_of_squared_slope_along_the_gradient():
    g, H = jet.gradient(JETS), jet.hessian(JETS)
    q = jet.crest_indicator(JETS)
    npt.assert_allclose(q, np.einsum("pi,pij,pj->p", g, H, g), atol=1e-13)
    # For a quadratic surface the gradient at s + t g is g + t H g, and |.|^2 is quadratic in t.
    plus, minus = (np.sum((g + t * np.einsum("pij,pj->pi", H, g)) ** 2, axis=1) for t in (1, -1))
    npt.assert_allclose(q, 0.5 * (plus - minus) / 2, atol=1e-12)


@pytest.mark.parametrize("angle", [0.4, 2.5])
def test_scalars_do_not_know_the_axes(angle):
    turned = JETS @ jet_rotation(rotation(angle), 2).T
    for scalar in (
        jet.gradient_magnitude,
        jet.laplacian,
        jet.gaussian_curvature,
        jet.crest_indicator,
        lambda jets: jet.principal_curvatures(jets)[0],
    ):
        npt.assert_allclose(scalar(turned), scalar(JETS), atol=1e-12)
    change = jet.gradient_direction(turned) - jet.gradient_direction(JETS) - angle
    npt.assert_allclose(np.exp(1j * change), 1, atol=1e-12)


@pytest.mark.parametrize(("link", "inverse"), [("log", np.exp), ("logit", expit)])
@pytest.mark.parametrize("order", [1, 2])
def test_unlink_is_the_chain_rule(order, link, inverse):
    surface = SURFACES[-1]
    points = interior(surface)
    columns = jet.size(2, order)
    differences = difference_jets(lambda s: inverse(surface.value(s)), points, order, STEP)
    # step^4 / 480 times a sixth derivative: below 1e3 for these functions of this saddle.
    actual = jet.unlink(surface.jets(points)[:, :columns], link)
    npt.assert_allclose(actual, differences, atol=STEP**4 / 480 * 1e3)


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("link", ["log", "logit"])
def test_unlink_in_any_dimension(dimension, link):
    """The jet of m(a + b . s + c (b . s)^2 / 2) against its derivatives by t = b . s."""
    b = np.array([0.7, -0.4, 1.1])[:dimension]
    rows, columns = np.triu_indices(dimension)
    f = np.concatenate([[0.3], b, 0.8 * b[rows] * b[columns]])
    p = np.exp(0.3) if link == "log" else expit(0.3)
    first = p if link == "log" else p * (1 - p)
    second = p if link == "log" else first * (1 - 2 * p)
    expected = np.concatenate([[p], first * b, (0.8 * first + second) * b[rows] * b[columns]])
    npt.assert_allclose(jet.unlink(f, link, dimension), expected, rtol=1e-13)
    short = 1 + dimension
    npt.assert_allclose(jet.unlink(f[:short], link, dimension), expected[:short], rtol=1e-13)


def test_draws_may_lead():
    draws = JETS.reshape(4, 10, 6)
    exponential = partial(jet.unlink, link="log")
    for function in (jet.laplacian, jet.crest_indicator, exponential, jet.hessian):
        npt.assert_array_equal(function(draws).reshape(40, -1), function(JETS).reshape(40, -1))
