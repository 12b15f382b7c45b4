"""The dense engine against scipy, brute-force conditioning and differences of its own moments."""

import pickle

import numpy as np
import numpy.testing as npt
import pytest
from cases import (
    KERNELS,
    TARGETS,
    TRENDS,
    correlation,
    difference_jets,
    highest_order,
    stencil,
)
from scipy.sparse import csr_array, random_array
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

from womble import jet
from womble.covariance import Scale, jet_covariance, parts
from womble.engines import dense
from womble.engines.dense import DenseEngine
from womble.functional import Functional
from womble.hyperparameters import PLAIN, Layout, Theta
from womble.kernels import Matern, RationalQuadratic, SquaredExponential
from womble.trend import COEFFICIENT_SD, Trend

SCALE = Scale(amplitude=1.1, lengthscale=0.8)
THETA = Theta((SCALE,), noise_sd=0.3)
SUM = Matern(3.5) + RationalQuadratic(1.5) + Matern(2.5)
SUMMED = Theta((SCALE, Scale(0.7, 0.4), Scale(0.5, 0.3)), noise_sd=0.3)
# On and around a circle of radius 1.2, so that its inside is clear of data.
ANGLES = 2 * np.pi * np.arange(24) / 24
RADII = 1.2 + 0.15 * np.cos(5 * ANGLES)
COORDS = RADII[:, None] * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
VALUES = np.sin(2 * COORDS[:, 0]) + COORDS[:, 1] + 0.3 * np.random.default_rng(0).normal(size=24)
POINTS = np.array([[0.1, -0.2], [-0.35, 0.3], [0.4, 0.45]])  # at least 0.3 from the data

every_kernel = pytest.mark.parametrize("kernel", [*KERNELS, SUM], ids=repr)
every_plain_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
every_trend = pytest.mark.parametrize("trend", TRENDS)
every_target = pytest.mark.parametrize("target", TARGETS)


def theta_of(kernel):
    return SUMMED if kernel == SUM else THETA


def engine_of(kernel, trend, coords=COORDS, values=VALUES):
    return DenseEngine(kernel, Trend(trend), coords, values)


def data_covariance(kernel, trend, theta, coords=COORDS):
    """K from the definition: sigma^2 rho + tau^2 I + H B H'."""
    H = Trend(trend).jets(coords, 0)[:, 0]
    r = cdist(coords, coords)
    each = parts(kernel, theta.scales)
    Z = sum(s.amplitude**2 * correlation(k, r / s.lengthscale) for k, s in each)
    noise = theta.noise_sd**2 * np.eye(len(coords))
    return Z + noise + COEFFICIENT_SD**2 * H @ H.T


def brute_force(kernel, trend, target, points, order, coords=COORDS, values=VALUES):
    """Joint mean (p c,) and covariance of jets at `points` by the formula for normals."""
    theta, everywhere = theta_of(kernel), np.concatenate([points, coords])
    V = jet_covariance(kernel, theta.scales, everywhere[:, None] - everywhere, order)
    c = V.shape[-1]
    V = V.transpose(0, 2, 1, 3).reshape(len(everywhere) * c, -1)
    H = COEFFICIENT_SD * Trend(trend).jets(everywhere, order).reshape(len(V), -1)
    wanted = np.arange(len(points) * c)
    data = len(wanted) + c * np.arange(len(coords))  # values alone
    K = (V + H @ H.T)[np.ix_(data, data)] + theta.noise_sd**2 * np.eye(len(coords))
    if target == "surface":
        V = V + H @ H.T
    C = V[np.ix_(wanted, data)]
    mean = C @ np.linalg.solve(K, values)
    return mean, V[np.ix_(wanted, wanted)] - C @ np.linalg.solve(K, C.T)


# -- likelihood ------------------------------------------------------------------------------------


@every_kernel
@every_trend
def test_log_likelihood_is_the_normal_log_density(kernel, trend):
    value, _ = engine_of(kernel, trend).log_likelihood(theta_of(kernel))
    K = data_covariance(kernel, trend, theta_of(kernel))
    expected = multivariate_normal(np.zeros(len(K)), K).logpdf(VALUES)
    # The condition number is about 1e4 (trend variance 100 against noise 0.09).
    npt.assert_allclose(value, expected, rtol=1e-10)


@every_kernel
@every_trend
def test_gradient_of_log_likelihood_is_its_difference(kernel, trend):
    engine, layout = engine_of(kernel, trend), Layout.of(kernel)
    _, gradient = engine.log_likelihood(theta_of(kernel))
    step, at = 1e-4, layout.vector(theta_of(kernel))
    assert gradient.shape == at.shape
    axes = np.eye(len(at))
    for i, exact in enumerate(gradient):

        def central(step, i=i):
            plus, minus = (
                engine.log_likelihood(layout.theta(at + h * axes[i]))[0] for h in (step, -step)
            )
            return (plus - minus) / (2 * step)

        # Extrapolated: truncation step^4 = 1e-16 times a fifth derivative (1e6 at most, by the
        # noise), rounding 1e-13 of a value near 30 over the step.
        difference = (4 * central(step / 2) - central(step)) / 3
        npt.assert_allclose(exact, difference, rtol=1e-7, atol=1e-7)


def test_repeated_locations_are_informative():
    coords, values = np.repeat(COORDS, 2, axis=0), np.repeat(VALUES, 2) + np.tile([0.1, -0.1], 24)
    value, _ = engine_of(Matern(2.5), "linear", coords, values).log_likelihood(THETA)
    K = data_covariance(Matern(2.5), "linear", THETA, coords)
    npt.assert_allclose(value, multivariate_normal(np.zeros(48), K).logpdf(values), rtol=1e-10)


def test_a_covariance_that_is_not_positive_definite_has_no_likelihood():
    # Eigenvalues of a Gaussian correlation 40 times wider than the domain fall below rounding.
    engine, theta = engine_of(SquaredExponential(), "constant"), PLAIN.theta([100.0, 1.0, 0.0])
    value, gradient = engine.log_likelihood(theta)
    assert value == -np.inf
    npt.assert_array_equal(gradient, np.zeros(3))
    with pytest.raises(ValueError, match=r"not positive definite .* give a larger noise_sd"):
        engine.condition(theta)


def test_the_engine_is_not_changed_by_use():
    engine = engine_of(Matern(2.5), "linear")
    first = engine.log_likelihood(THETA)
    engine.condition(THETA).groups(POINTS[:, None], 2)
    engine.log_likelihood(PLAIN.theta([0.3, 1.1, 0.3]))
    second = engine.log_likelihood(THETA)
    assert first[0] == second[0]
    npt.assert_array_equal(first[1], second[1])


# -- conditioning ----------------------------------------------------------------------------------


@every_kernel
@every_trend
@every_target
def test_moments_are_those_of_the_conditional_normal(kernel, trend, target, monkeypatch):
    monkeypatch.setattr(dense, "BLOCK_ENTRIES", 6 * 24 * 2)  # blocks of two points, then one
    order = highest_order(kernel)
    points = np.concatenate([POINTS, COORDS[:1], COORDS[1:2] + 1e-9])  # at and next to data too
    conditional = engine_of(kernel, trend).condition(theta_of(kernel), target)
    mean, covariance = brute_force(kernel, trend, target, points, order)
    sd = np.sqrt(np.diag(covariance))
    c = jet.size(2, order)

    npt.assert_allclose(
        conditional.mean(points, order).ravel() / sd, mean / sd, atol=1e-9, err_msg="mean"
    )
    for k in (1, 5):  # point by point, and all five together
        means, covariances = conditional.groups(points.reshape(-1, k, 2), order)
        npt.assert_allclose(means.ravel() / sd, mean / sd, atol=1e-9)
        for g, actual in enumerate(covariances):
            block = slice(g * k * c, (g + 1) * k * c)
            size = np.outer(sd[block], sd[block])
            # A variance V - C' K^-1 C of a trend's prior, 100, keeps 13 - 2 digits or so.
            npt.assert_allclose(actual / size, covariance[block, block] / size, atol=1e-8)


@every_kernel
@every_target
def test_joint_law_of_a_functional_is_that_of_its_sums(kernel, target):
    order, rng = highest_order(kernel), np.random.default_rng(1)
    mean, covariance = brute_force(kernel, "quadratic", target, POINTS, order)
    weights = csr_array(random_array((4, len(mean)), density=0.5, rng=rng))
    W = weights.toarray()
    conditional = engine_of(kernel, "quadratic").condition(theta_of(kernel), target)
    actual = conditional.joint(Functional(POINTS, weights, order))
    sd = np.sqrt(np.diag(W @ covariance @ W.T))
    npt.assert_allclose(actual[0] / sd, W @ mean / sd, atol=1e-9)
    npt.assert_allclose(
        actual[1] / np.outer(sd, sd), W @ covariance @ W.T / np.outer(sd, sd), atol=1e-8
    )


@every_kernel
@every_trend
@every_target
def test_mean_jets_are_differences_of_the_mean(kernel, trend, target):
    conditional = engine_of(kernel, trend).condition(theta_of(kernel), target)
    order, step = highest_order(kernel), 0.02
    differences = difference_jets(lambda s: conditional.mean(s, 0)[:, 0], POINTS, order, step)
    # Extrapolated: step^4 / 480 f^(6), with |f^(6)| below 10^3 at 0.3 or more from the data.
    npt.assert_allclose(
        conditional.mean(POINTS, order), differences, atol=step**4 / 480 * 1e3 + 1e-9
    )


@every_plain_kernel
@every_trend
@every_target
def test_covariance_of_separate_jets_is_the_difference_of_covariances(kernel, trend, target):
    # The covariance of values is smooth away from the data and from the diagonal.
    order, pair = highest_order(kernel), POINTS[1:]
    conditional = engine_of(kernel, trend).condition(theta_of(kernel), target)
    c = jet.size(2, order)
    actual = conditional.groups(pair[None], order)[1][0][:c, c:]

    def plain(step):
        offsets, weights = stencil(2, order, step)
        m = len(offsets)
        values = conditional.groups((pair[:, None] + offsets).reshape(1, -1, 2), 0)[1][0]
        return weights @ values[:m, m:] @ weights.T

    step = 0.04
    extrapolated = (4 * plain(step / 2) - plain(step)) / 3
    sd = np.sqrt(np.diagonal(conditional.groups(pair[:, None], order)[1], axis1=1, axis2=2))
    # What is left is step^4 / 240 times an eighth derivative, 10^4 at most here; and rounding,
    # 1e-13 (of prior variances near 100) / (step / 2)^4.
    npt.assert_allclose(actual, extrapolated, atol=step**4 / 240 * 1e4 + 1e-13 / (step / 2) ** 4)
    assert (np.abs(actual) <= np.outer(*sd)).all()


@every_plain_kernel
@every_target
def test_covariance_of_a_jet_is_the_limit_of_differences(kernel, target):
    # On the diagonal k has the cusp |h|^(2 nu): the covariance of central differences of orders
    # a and b converges like step^p, p = min(2, 2 nu - a - b). One extrapolation takes that off.
    order, point = highest_order(kernel), POINTS[:1]
    conditional = engine_of(kernel, "linear").condition(theta_of(kernel), target)
    actual = conditional.groups(point[None], order)[1][0]

    def plain(step):
        offsets, weights = stencil(2, order, step)
        values = conditional.groups((point + offsets)[None], 0)[1][0]
        return weights @ values @ weights.T

    taken = np.array([len(indices) for indices in jet.components(2, order)])
    power = 2.0 ** np.minimum(2, 2 * kernel.differentiability - taken[:, None] - taken)
    step = 0.02
    extrapolated = (power * plain(step / 2) - plain(step)) / (power - 1)
    sd = np.sqrt(np.diag(actual))
    # The next term is of order step^2 or more, times at most 10 in correlation.
    size = np.outer(sd, sd)
    npt.assert_allclose(actual / size, extrapolated / size, atol=10 * step**2)


def test_an_engine_at_work_can_be_sent_to_another_process():
    engine = engine_of(Matern(2.5), "linear")
    before = engine.log_likelihood(THETA)
    again = pickle.loads(pickle.dumps(engine)).log_likelihood(THETA)
    for ours, theirs in zip(again, before, strict=True):
        npt.assert_array_equal(ours, theirs)
