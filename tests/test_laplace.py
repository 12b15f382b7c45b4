"""Modes are found, with their curvature, where densities are known."""

import numpy as np
import numpy.testing as npt

from womble.laplace import NormalApproximation, climb, curvature, find_modes, promising_starts

MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.09]])
PRECISION = np.linalg.inv(COVARIANCE)


def normal(q):
    gradient = PRECISION @ (MEAN - q)
    return 0.5 * (q - MEAN) @ gradient, gradient


def two_peaks(weight):
    """Normals with sd 0.1 at 0 and 3 on each axis, the second with the given log weight."""

    def density(q):
        logs = -0.5 * np.array([np.sum(q**2), np.sum((q - 3.0) ** 2)]) / 0.01 + [0.0, weight]
        share = np.exp(logs - logs.max())
        value = logs.max() + np.log(share.sum())
        share /= share.sum()
        return value, -(share[0] * q + share[1] * (q - 3.0)) / 0.01

    return density


def test_a_normal_is_its_own_approximation():
    mode, value = climb(normal, np.zeros(3))
    # BFGS stops at a gradient of 1e-3.
    npt.assert_allclose(mode, MEAN, atol=1e-3)
    assert -1e-5 < value <= 0
    npt.assert_allclose(curvature(normal, mode), COVARIANCE, rtol=1e-9, atol=1e-10)


def test_starts_that_reach_the_same_mode_count_once():
    found = find_modes(normal, np.array([[0.0, 0.0, 0.0], [5.0, -5.0, 1.0], [1.0, 1.0, 1.0]]))
    assert len(found) == 1


def test_both_modes_are_found_the_heavier_first():
    starts = np.array([[0.2, 0.1, 0.0], [3.3, 2.9, 3.0]])
    found = find_modes(two_peaks(2.0), starts)
    npt.assert_allclose([found[0].mode, found[1].mode], [[3.0] * 3, [0.0] * 3], atol=1e-4)


def test_a_mode_of_no_weight_is_none():
    starts = np.array([[0.2, 0.1, 0.0], [3.3, 2.9, 3.0]])
    (found,) = find_modes(two_peaks(-12.0), starts)
    npt.assert_allclose(found.mode, 0.0, atol=1e-4)


def test_where_there_is_no_maximum_the_spread_is_one():
    def plane(q):
        return q.sum(), np.ones(3)

    npt.assert_array_equal(curvature(plane, np.zeros(3)), np.eye(3))


def test_dispersed_starts_have_twice_the_spread():
    rng = np.random.default_rng(1)
    here = NormalApproximation(MEAN, COVARIANCE, 0.0)
    draws = np.array([here.dispersed(rng) for _ in range(4000)])
    # The standard error of a variance is sqrt(2 / 4000) of it; four of them, the largest of 2.
    npt.assert_allclose(np.cov(draws.T), 4 * COVARIANCE, atol=4 * 2 * np.sqrt(2 / 4000))


def test_a_look_around_promises_every_peak():
    """Two narrow peaks within reach of the start: neither basin may be passed over."""

    def density(q):
        centres = np.array([[-1.2, 0.4, -0.9], [1.0, -0.6, 1.1]])
        squares = np.sum((q - centres) ** 2, axis=1) / 0.5**2
        logs = np.array([-0.5, -0.5]) * squares
        share = np.exp(logs - logs.max())
        slope = share / share.sum() @ (centres - q) / 0.5**2
        return logs.max() + np.log(share.sum()), slope

    starts = promising_starts(lambda q: density(q)[0], np.zeros(3))
    assert len(starts) < 16  # few are worth a climb
    assert len(find_modes(density, starts)) == 2
    values = [density(q)[0] for q in starts]
    assert values == sorted(values, reverse=True)


def test_normals_know_their_mass():
    """exp(log_mass) (2 pi)^(3/2) is the integral: here of 5 times a normal density."""

    def density(q):
        value, gradient = normal(q)
        return value + np.log(5.0), gradient

    (found,) = find_modes(density, np.zeros((1, 3)))
    exact = np.log(5.0) + 0.5 * np.linalg.slogdet(COVARIANCE)[1]
    npt.assert_allclose(found.log_mass, exact, atol=1e-5)
