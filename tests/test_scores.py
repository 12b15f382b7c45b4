"""Scores of normal mixtures against quadrature, and what makes scores proper."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from womble.compiled.scores import distance_by_integral, distance_by_pairs, expected_distance
from womble.scores import Predictive


@pytest.fixture(scope="module")
def predictive():
    rng = np.random.default_rng(0)
    means, sds = rng.normal(size=(5, 4)), rng.uniform(0.2, 1.5, (5, 4))
    weights = rng.dirichlet(np.ones(5), 4).T
    return Predictive(2 * rng.normal(size=4), means, sds, weights)


def cdf(x, p, i):
    return p.weights[:, i] @ norm.cdf(x, p.means[:, i], p.sds[:, i])


def density(x, p, i):
    return p.weights[:, i] @ norm.pdf(x, p.means[:, i], p.sds[:, i])


def integral(function, low, high):
    return quad(function, low, high, epsabs=1e-10, limit=200)[0]


def test_crps_is_the_integral_of_the_squared_difference(predictive):
    """Integral of (F(x) - 1{x >= y})^2 over x, on either side of y."""
    p = predictive
    for i, y in enumerate(p.observed):
        below = integral(lambda x, i=i: cdf(x, p, i) ** 2, -15, y)
        above = integral(lambda x, i=i: (1 - cdf(x, p, i)) ** 2, y, 15)
        npt.assert_allclose(p.crps[i], below + above, atol=1e-8)


def test_crps_of_one_normal_is_gneitings():
    """sd (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)): Gneiting and Raftery (2007), eq. (21)."""
    y, one = np.array([0.3, -2.0]), np.ones((1, 2))
    p = Predictive(y, 0.5 * one, 0.7 * one, one)
    z = (y - 0.5) / 0.7
    exact = 0.7 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    npt.assert_allclose(p.crps, exact, rtol=1e-12)


def test_moments_pit_and_density(predictive):
    p = predictive
    for i, y in enumerate(p.observed):
        mean = integral(lambda x, i=i: x * density(x, p, i), -15, 15)
        square = integral(lambda x, i=i: x * x * density(x, p, i), -15, 15)
        npt.assert_allclose(p.mean[i], mean, atol=1e-8)
        npt.assert_allclose(p.sd[i], np.sqrt(square - mean**2), atol=1e-8)
        npt.assert_allclose(p.pit[i], cdf(y, p, i), rtol=1e-12)
        npt.assert_allclose(np.exp(p.log_density[i]), density(y, p, i), rtol=1e-12)


def test_expected_distance_by_simulation():
    rng = np.random.default_rng(4)
    means, sds, weights = np.array([0.0, 2.0]), np.array([0.5, 1.0]), np.array([0.3, 0.7])
    which = rng.choice(2, (2, 200_000), p=weights)
    a, b = means[which] + sds[which] * rng.standard_normal((2, 200_000))
    distance = np.abs(a - b)
    error = distance.std() / np.sqrt(len(distance))
    assert abs(expected_distance(means, sds, weights) - distance.mean()) < 4 * error


def test_without_spread_the_distance_is_that_of_means():
    almost = np.full(2, 1e-9)
    npt.assert_allclose(
        expected_distance(np.array([1.0, 4.0]), almost, np.array([0.5, 0.5])), 1.5, atol=1e-8
    )


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_the_integral_is_the_sum_over_pairs(spread):
    """Both are exact; hundreds of terms each carry rounding."""
    rng = np.random.default_rng(6)
    means, sds = 1e3 + spread * rng.normal(size=300), rng.uniform(0.5, 2.0, 300)
    weights = rng.dirichlet(np.ones(300))
    low, high = (means - 8.5 * sds).min(), (means + 8.5 * sds).max()
    steps = int(np.ceil((high - low) / (0.5 * sds.min())))
    pairs = distance_by_pairs(means, sds, weights)
    # x is known to 1e-13 of itself, a distance to that of 1e3.
    by_integral = distance_by_integral(means, sds, weights, low, high, steps)
    npt.assert_allclose(by_integral, pairs, rtol=1e-12)
    npt.assert_allclose(expected_distance(means, sds, weights), pairs, rtol=1e-12)
