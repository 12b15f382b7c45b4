"""Geometric anisotropy: a field stretched and turned, and every answer with it."""

from itertools import pairwise

import numpy as np
import numpy.testing as npt
import pytest
from cases import difference_jets, jet_rotation, rotation, standard_bound
from scipy.linalg import expm
from scipy.spatial.distance import cdist
from shapely import LineString

import womble as wb
from womble import jet
from womble.anisotropy import coordinate_map, pair_of, ratio_and_angle, squared_map_derivatives
from womble.covariance import Scale
from womble.engines import fourier, paths
from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.dense import DenseEngine
from womble.hyperparameters import Layout, Theta
from womble.kernels import Matern, SquaredExponential
from womble.trend import Trend

PAIRS = [(0.0, 0.0), (1e-3, 2e-3), (0.05, -0.02), (0.3, 0.8), (-2.0, 1.0)]
RNG = np.random.default_rng(0)
COORDS = RNG.uniform(size=(40, 2))
VALUES = np.sin(5 * COORDS[:, 0]) + np.cos(3 * COORDS @ [1, 1]) + 0.1 * RNG.normal(size=40)
POINTS = RNG.uniform(0.1, 0.9, size=(6, 2))
GIVEN = {"lengthscale": 0.4, "amplitude": 1.2, "noise_sd": 0.1}
CURVE = LineString([(0.1, 0.2), (0.9, 0.4), (0.5, 0.9)])


def posterior(ratio=3.0, angle=30.0, coords=COORDS, kernel=None, trend="linear", **given):
    model = wb.FieldModel(kernel=kernel or Matern(3.5), trend=trend, anisotropic=True)
    return model.condition((coords, VALUES), anisotropy=(ratio, angle), **(GIVEN | given))


def conditional(post):
    ensemble = post.ensemble("surface", None, np.random.default_rng(0))
    return ensemble.condition(ensemble.thetas[0])


# -- the map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS)
def test_the_map_is_a_matrix_exponential(pair):
    A = np.array([[pair[0], pair[1]], [pair[1], -pair[0]]])
    npt.assert_allclose(coordinate_map(pair), expm(-A / 2), rtol=1e-13, atol=1e-15)
    npt.assert_allclose(np.linalg.det(coordinate_map(pair)), 1.0, rtol=1e-13)
    for by, derivative in zip(np.eye(2), squared_map_derivatives(pair), strict=True):
        step = 1e-4
        plus, minus = (coordinate_map(pair + h * by) for h in (step, -step))
        # Truncation e^|a| step^2 / 6, 2e-8 at most.
        npt.assert_allclose(derivative, (plus @ plus - minus @ minus) / (2 * step), atol=3e-8)


@pytest.mark.parametrize(("ratio", "angle"), [(3.0, 30.0), (1.5, -80.0), (8.0, 90.0)])
def test_the_longest_lengthscale_lies_along_the_angle(ratio, angle):
    pair = pair_of(ratio, angle)
    npt.assert_allclose(ratio_and_angle(np.array(pair)), (ratio, angle), rtol=1e-12)
    along = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    across = np.array([-along[1], along[0]])
    M = coordinate_map(pair)
    npt.assert_allclose(M @ along, along / np.sqrt(ratio), rtol=1e-12, atol=1e-14)
    npt.assert_allclose(M @ across, across * np.sqrt(ratio), rtol=1e-12, atol=1e-14)


def test_the_chain_rule_is_that_of_a_rotation():
    turn = rotation(0.7)
    npt.assert_allclose(jet.chain_rule(turn, 2), jet_rotation(turn.T, 2), atol=1e-15)


# -- likelihood ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [(0.5, -0.7), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize(
    "kernel", [Matern(2.5), Matern(3.3), Matern(3.5) + SquaredExponential()], ids=repr
)
def test_gradient_of_log_likelihood_is_its_difference(kernel, pair):
    coords = np.concatenate([COORDS, COORDS[:3]])  # with repeats
    engine = AnisotropicEngine(kernel, Trend("quadratic"), coords, np.append(VALUES, [1, 2, 3]))
    layout = Layout.of(kernel, anisotropic=True)
    at = np.array([*[0.4, 1.1, 0.2, 0.4][: 2 * layout.components], 0.3, *pair])
    gradient, step = engine.log_likelihood(layout.theta(at))[1], 1e-4
    assert gradient.shape == at.shape

    def central(step, by):
        plus, minus = (engine.log_likelihood(layout.theta(at + h * by))[0] for h in (step, -step))
        return (plus - minus) / (2 * step)

    difference = [(4 * central(step / 2, e) - central(step, e)) / 3 for e in np.eye(len(at))]
    # Rounding 1e-11 (Bessel functions, times the condition number) over the step.
    npt.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-5)


def test_without_anisotropy_it_is_the_isotropic_likelihood():
    arguments = Matern(3.5), Trend("linear"), COORDS, VALUES
    theta = Theta((Scale(1.1, 0.4),), 0.2)
    value, gradient = DenseEngine(*arguments).log_likelihood(theta)
    mapped = AnisotropicEngine(*arguments).log_likelihood(Theta(theta.scales, 0.2, (0.0, 0.0)))
    npt.assert_allclose(mapped[0], value, rtol=1e-13)
    npt.assert_allclose(mapped[1][:3], gradient, rtol=1e-10)


def test_a_covariance_that_is_not_positive_definite_has_no_likelihood():
    engine = AnisotropicEngine(SquaredExponential(), Trend("constant"), COORDS, VALUES)
    value, gradient = engine.log_likelihood(Theta((Scale(1.0, 100.0),), 0.0, (0.5, 0.5)))
    assert value == -np.inf
    npt.assert_array_equal(gradient, np.zeros(5))


# -- the field -------------------------------------------------------------------------------------


def test_ratio_one_is_isotropy():
    isotropic = wb.FieldModel(trend="linear").condition((COORDS, VALUES), **GIVEN)
    mapped = posterior(ratio=1.0, angle=77.0)
    for ours, theirs in zip(mapped.jet_moments(POINTS), isotropic.jet_moments(POINTS), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    rows = [post.womble([CURVE], rng=1).drop(columns="geometry") for post in (mapped, isotropic)]
    for name in ("gradient_mean", "gradient_sd", "curvature_mean", "curvature_sd"):
        npt.assert_allclose(rows[0][name], rows[1][name], rtol=1e-8)


def test_moments_are_those_of_the_normal_with_stretched_distances():
    post = posterior(trend="none")
    M = expm(-0.5 * np.log(3) * np.array([[0.5, np.sqrt(3) / 2], [np.sqrt(3) / 2, -0.5]]))

    def covariance(s, t):
        x = np.sqrt(7) * cdist(s @ M, t @ M) / GIVEN["lengthscale"]
        return 1.2**2 * (1 + x + 2 * x**2 / 5 + x**3 / 15) * np.exp(-x)

    K = covariance(COORDS, COORDS) + 0.1**2 * np.eye(40)
    C = covariance(POINTS, COORDS)
    mean, cov = post.jet_moments(POINTS, order=0)
    npt.assert_allclose(mean[:, 0], C @ np.linalg.solve(K, VALUES), rtol=1e-9, atol=1e-10)
    variance = 1.2**2 - np.sum(C * np.linalg.solve(K, C.T).T, axis=1)
    npt.assert_allclose(cov[:, 0, 0], variance, rtol=1e-7)


def test_mean_jets_are_differences_of_the_mean():
    f, step = conditional(posterior(trend="quadratic")), 2e-3
    differences = difference_jets(lambda s: f.mean(s, 0)[:, 0], POINTS, 2, step)
    scale = np.abs(differences).max(axis=0)
    # Extrapolated: step^4 / 480 f^(6) with |f^(6)| below (15)^6; rounding 1e-13 / step^2.
    npt.assert_allclose(f.mean(POINTS, 2) / scale, differences / scale, atol=1e-5)


def test_joint_covariances_are_those_of_the_groups():
    f = conditional(posterior())
    pair = POINTS[:4].reshape(2, 2, 2)
    _, blocks = f.groups(pair, 2)
    for points, block in zip(pair, blocks, strict=True):
        _, each = f.groups(points[:, None], 2)
        npt.assert_allclose(block[:6, :6], each[0], rtol=1e-9)
        npt.assert_allclose(block[6:, 6:], each[1], rtol=1e-9)
        npt.assert_allclose(block, block.T, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("degrees", [90.0, 30.0])
def test_results_turn_with_the_data(degrees):
    turn = rotation(np.deg2rad(degrees))
    before, after = posterior(), posterior(angle=30.0 + degrees, coords=COORDS @ turn.T)
    chain = jet_rotation(turn, 2)
    (mean, cov), (turned_mean, turned_cov) = (
        before.jet_moments(POINTS),
        after.jet_moments(POINTS @ turn.T),
    )
    npt.assert_allclose(turned_mean, mean @ chain.T, rtol=1e-8, atol=1e-8)
    npt.assert_allclose(turned_cov, chain @ cov @ chain.T, rtol=1e-7, atol=1e-7)
    line = LineString(np.array(CURVE.coords) @ turn.T)
    rows = before.womble([CURVE], rng=1), after.womble([line], rng=1)
    for name in ("gradient_mean", "gradient_sd", "curvature_mean", "curvature_sd"):
        npt.assert_allclose(rows[1][name], rows[0][name], rtol=1e-7)


# -- wombling measures -----------------------------------------------------------------------------


def quadrature(curve, nodes=96):
    """Nodes (segments, nodes, 2) and the weights (2, segments, nodes * 6) of both measures."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    everywhere, weights = [], []
    for start, stop in pairwise(np.array(curve.coords)):
        length = np.linalg.norm(stop - start)
        tx, ty = (stop - start) / length
        rows = [0, ty, -tx, 0, 0, 0], [0, 0, 0, ty**2, -2 * tx * ty, tx**2]
        everywhere.append(start + 0.5 * (x[:, None] + 1) * (stop - start))
        weights.append([np.multiply.outer(0.5 * length * w, row).ravel() for row in rows])
    return np.array(everywhere), np.array(weights).transpose(1, 0, 2)


@pytest.mark.parametrize("by", ["segment", "curve"])
@pytest.mark.parametrize("kernel", [Matern(2.5), Matern(3.5) + SquaredExponential()], ids=repr)
def test_measures_are_integrals_of_the_field(kernel, by):
    given = {"lengthscale": [0.4, 0.3], "amplitude": [1.0, 0.8]} if "+" in repr(kernel) else {}
    post = posterior(kernel=kernel, **given)
    found, (nodes, weights) = post.womble([CURVE], by=by, rng=1), quadrature(CURVE)
    if by == "curve":
        nodes, weights = nodes.reshape(1, -1, 2), weights.reshape(2, 1, -1)
    mean, covariance = conditional(post).groups(nodes, 2)
    for name, rows in zip(("gradient", "curvature"), weights, strict=True):
        sd = np.sqrt(np.einsum("gi,gij,gj->g", rows, covariance, rows))
        # The cusp |h| of the covariance of second derivatives at nu = 5/2 leaves c / nodes^2; with
        # 24, 48, 96 and 192 nodes 0.019, 0.0050, 0.0013 and 0.0003 are left.
        npt.assert_allclose(found[f"{name}_sd"], sd, rtol=2e-3)
        expected = np.sum(rows * mean, axis=1)
        npt.assert_allclose(found[f"{name}_mean"] / sd, expected / sd, atol=1e-4)


# -- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [0.0, np.inf], ids=["kernel", "band"])
def test_paths_have_the_posterior_law(tolerance, monkeypatch):
    monkeypatch.setattr(fourier, "MOST_MODES", 61)
    monkeypatch.setattr(paths, "UPDATE_TOLERANCE", tolerance)
    post, samples = posterior(noise_sd=0.3), 600
    drawn = post.paths(samples=samples, rng=1, progress=False)
    mean, cov = conditional(post).groups(POINTS.reshape(3, 2, 2), 2)
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    z = (drawn.jets(POINTS).reshape(samples, *mean.shape) - mean) / sd
    correlation = cov / (sd[:, :, None] * sd[:, None, :])
    bound = standard_bound(mean.size + cov.size, samples)
    assert np.abs(z.mean(axis=0) * np.sqrt(samples)).max() < bound
    deviation = np.einsum("sgi,sgj->gij", z, z) / samples - correlation
    assert np.abs(deviation * np.sqrt(samples / (1 + correlation**2))).max() < bound
