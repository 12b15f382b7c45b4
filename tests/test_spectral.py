"""The spectral engine against brute-force algebra with its band, and the dense engine."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
from cases import TARGETS, TRENDS, WITH_PATHS, highest_order, standard_bound
from scipy.sparse import csr_array, random_array
from scipy.stats import multivariate_normal

from womble.covariance import Scale
from womble.engines import precision, spectral
from womble.engines.dense import DenseEngine
from womble.engines.disc import Disc
from womble.engines.preconditioner import Preconditioner
from womble.engines.resolution import captured_share, peak_density, resolve
from womble.engines.series import draw_together, means_together
from womble.engines.spectral import SpectralEngine, spectrum
from womble.engines.statistics import Statistics
from womble.functional import Functional
from womble.hyperparameters import Layout, Theta
from womble.kernels import Matern, SquaredExponential
from womble.trend import Trend

RNG = np.random.default_rng(0)
COORDS = RNG.uniform(-1.3, 1.3, (90, 2))
VALUES = np.sin(3 * COORDS[:, 0]) + COORDS[:, 1] + 0.3 * RNG.standard_normal(90)
DISC = Disc(np.array([0.1, -0.1]), np.array([4.0, 5.0]), 9.0)
DOMAIN = np.array([[-1.5, -1.5], [1.5, 1.5]])
POINTS = np.array([[0.1, -0.2], [-1.1, 0.3], [0.4, 1.2]])
THETA = Theta((Scale(amplitude=1.1, lengthscale=0.6),), noise_sd=0.3)
SUM = Matern(3.5) + Matern(2.5)
SUMMED = replace(THETA, scales=(*THETA.scales, Scale(0.6, 0.3)))

every_kernel = pytest.mark.parametrize("kernel", [*WITH_PATHS, SUM], ids=repr)


def theta_of(kernel):
    return SUMMED if kernel == SUM else THETA


def engine_of(kernel, trend="linear", disc=DISC):
    return SpectralEngine(kernel, Statistics.of(disc, Trend(trend), COORDS, VALUES), DOMAIN, COORDS)


@pytest.fixture
def few_features(monkeypatch):
    """Ten features and the trend in the factor: conjugate gradients have to do the rest."""
    monkeypatch.setattr(spectral, "DENSE_FEATURES", 10)
    monkeypatch.setattr(spectral, "MOST_FACTORED", 5)


def brute_force(engine, theta, points, order, target="surface"):
    """Mean and covariance of jets on the band, and log density, from the n x n covariance."""
    stats = engine.statistics
    model = spectrum(engine.kernel, theta, stats.disc)
    W2 = engine.sds(model.variances) ** 2

    def features(where, order):
        H = stats.trend.jets(where, order)
        return np.concatenate([H, stats.disc.jets(where, order)], axis=-1)

    F = features(COORDS, 0)[:, 0]
    K = (F * W2) @ F.T + model.noise * np.eye(len(F))
    psi = features(points, order).reshape(-1, F.shape[1])
    if target == "process":
        psi[:, : stats.trend_size] = 0.0
    C = (psi * W2) @ F.T
    mean = C @ np.linalg.solve(K, VALUES)
    covariance = (psi * W2) @ psi.T - C @ np.linalg.solve(K, C.T)
    return mean, covariance, multivariate_normal(np.zeros(len(F)), K).logpdf(VALUES)


@every_kernel
@pytest.mark.parametrize("trend", TRENDS)
def test_likelihood_is_that_of_the_band(kernel, trend):
    engine = engine_of(kernel, trend)
    theta = theta_of(kernel)
    value, _ = engine.log_likelihood(theta)
    npt.assert_allclose(value, brute_force(engine, theta, POINTS, 0)[2], rtol=1e-10)


@every_kernel
@pytest.mark.parametrize("trend", ["none", "linear"])
def test_gradient_of_the_likelihood_is_its_difference(kernel, trend):
    engine, step, layout = engine_of(kernel, trend), 1e-4, Layout.of(kernel)
    vector = layout.vector(theta_of(kernel))
    _, gradient = engine.log_likelihood(theta_of(kernel))
    for exact, e in zip(gradient, np.eye(len(vector)), strict=True):

        def central(step, e=e):
            plus, minus = (
                engine.log_likelihood(layout.theta(vector + h * e))[0] for h in (step, -step)
            )
            return (plus - minus) / (2 * step)

        difference = (4 * central(step / 2) - central(step)) / 3
        # Rounding 1e-12 of a value near 60 over the step; truncation far below.
        npt.assert_allclose(exact, difference, rtol=1e-6, atol=1e-6)


@every_kernel
def test_noise_is_that_of_the_tail_too(kernel):
    theta = theta_of(kernel)
    model = spectrum(kernel, theta, DISC)
    tail = sum(
        scale.amplitude**2 * part.spectral_moment(DISC.radius * scale.lengthscale, 2, 0)
        for part, scale in zip(kernel.components, theta.scales, strict=True)
    )
    npt.assert_allclose(model.noise, THETA.noise_sd**2 + tail, rtol=1e-12)
    assert model.noise > THETA.noise_sd**2


def assert_moments(engine, target, tolerance):
    order = highest_order(engine.kernel)
    theta = theta_of(engine.kernel)
    mean, covariance, _ = brute_force(engine, theta, POINTS, order, target)
    conditional = engine.condition(theta, target)
    tail = conditional._tail_features(POINTS, order).reshape(len(mean), -1)
    covariance += tail @ tail.T
    sd = np.sqrt(np.diag(covariance))
    npt.assert_allclose(conditional.mean(POINTS, order).ravel() / sd, mean / sd, atol=tolerance)
    for k in (1, 3):
        means, covariances = conditional.groups(POINTS.reshape(-1, k, 2), order)
        npt.assert_allclose(means.ravel() / sd, mean / sd, atol=tolerance)
        size = len(sd) * k // 3
        for g, actual in enumerate(covariances):
            block = slice(g * size, (g + 1) * size)
            scale = np.outer(sd[block], sd[block])
            npt.assert_allclose(actual / scale, covariance[block, block] / scale, atol=tolerance)
    weights = csr_array(random_array((4, len(mean)), density=0.5, rng=np.random.default_rng(1)))
    functional, W = Functional(POINTS, weights, order), weights.toarray()
    m, V = conditional.joint(functional)
    marginal = conditional.marginal(functional)
    exact = W @ covariance @ W.T
    sd = np.sqrt(np.diag(exact))
    npt.assert_allclose(m / sd, W @ mean / sd, atol=tolerance)
    npt.assert_allclose(V / np.outer(sd, sd), exact / np.outer(sd, sd), atol=tolerance)
    npt.assert_allclose(marginal[0], m, rtol=1e-12)
    npt.assert_allclose(marginal[1], np.diag(V), rtol=1e-8)


@every_kernel
@pytest.mark.parametrize("target", TARGETS)
def test_moments_are_those_of_the_band_and_the_tail(kernel, target):
    assert_moments(engine_of(kernel), target, 1e-7)


@pytest.mark.parametrize("kernel", [Matern(2.5), SquaredExponential()], ids=repr)
@pytest.mark.parametrize("target", TARGETS)
def test_without_a_factor_of_all_of_it_too(kernel, target, few_features):
    engine = engine_of(kernel)
    assert not engine.closed_form
    # Conjugate gradients promise 1e-4 posterior sds.
    assert_moments(engine, target, 1e-3)


def test_conjugate_gradients_keep_their_promise(few_features):
    P = engine_of(Matern(2.5)).condition(THETA).precision
    b = np.random.default_rng(4).standard_normal((3, len(P.sds)))
    A = precision.Equations.of([P]).product(np.eye(len(P.sds)))
    x, steps = P.iterate(b)
    e = x - np.linalg.solve(A, b.T).T
    assert np.sqrt(np.einsum("si,ij,sj->s", e, A, e)).max() < 3 * precision.TOLERANCE
    assert steps > 3


def test_a_factor_of_low_frequencies_pays(monkeypatch):
    # The signal at the lowest frequencies is 1e5 times that at the band's edge.
    engine = engine_of(Matern(3.5), disc=Disc(DISC.centre, DISC.period, 15.0))
    P = engine.condition(replace(THETA, noise_sd=0.05)).precision
    b = np.random.default_rng(5).standard_normal((1, len(P.sds)))
    steps = []
    for most in (1, 20, 100):
        made = Preconditioner(P.statistics, P.sds, P.noise_variance, most)
        steps.append(replace(P, gram=None, preconditioner=made).iterate(b)[1])
    assert steps[0] > 1.5 * steps[1] > 3 * steps[2], steps


OTHERS = [
    THETA,
    replace(THETA, noise_sd=0.4),
    Theta((Scale(0.8, 0.6),), 0.25),
    Theta((Scale(1.1, 0.4),), 0.3),
    Theta((Scale(1.1, 0.9),), 0.3),
]


def test_draws_share_a_preconditioner(few_features):
    engine, rng = engine_of(Matern(2.5)), np.random.default_rng(10)
    each = [engine.condition(theta, near=THETA).precision for theta in OTHERS]
    assert len({id(P.preconditioner) for P in each}) == 1
    b = rng.standard_normal((len(each), len(each[0].sds)))
    x, _ = precision.Equations.of(each).solve(b)
    for P, solution, right in zip(each, x, b, strict=True):
        A = precision.Equations.of([P]).product(np.eye(len(right)))
        e = solution - np.linalg.solve(A, right)
        assert np.sqrt(e @ A @ e) < 3 * precision.TOLERANCE


def test_a_preconditioner_of_other_hyperparameters_serves():
    """Ten per cent off in each hyperparameter, as draws are, costs few steps."""
    engine = engine_of(Matern(3.5), disc=Disc(DISC.centre, DISC.period, 15.0))
    P = engine.condition(replace(THETA, noise_sd=0.05)).precision
    b = np.random.default_rng(5).standard_normal((1, len(P.sds)))
    steps = []
    for scale in (Scale(1.1, 0.6), Scale(1.21, 0.54)):
        near = engine.condition(Theta((scale,), 0.055)).precision
        made = Preconditioner(near.statistics, near.sds, near.noise_variance, 100)
        steps.append(replace(P, gram=None, preconditioner=made).iterate(b)[1])
    assert steps[1] <= steps[0] + 8, steps


def test_drawn_together_or_one_by_one(monkeypatch):
    monkeypatch.setattr(spectral, "DENSE_FEATURES", 10)
    monkeypatch.setattr(spectral, "MOST_FACTORED", 60)
    engine = engine_of(Matern(2.5))
    each = [engine.condition(theta, near=THETA) for theta in OTHERS]

    def streams():
        return np.random.default_rng(11).spawn(len(each))

    together = draw_together(each, streams())
    means = means_together(each)
    for f, path, mean, rng in zip(each, together, means, streams(), strict=True):
        sds = np.sqrt(np.diagonal(f.groups(POINTS[:, None], 2)[1], axis1=1, axis2=2))
        alone = f.path(rng, DOMAIN)
        # Each stops at the same step; what is left is rounding, which grows with the steps.
        npt.assert_allclose(path.jets(POINTS) / sds, alone.jets(POINTS) / sds, atol=1e-9)
        npt.assert_allclose(mean, f.weights, atol=1e-10)


def test_too_few_steps_are_an_error(few_features, monkeypatch):
    monkeypatch.setattr(precision, "MOST_STEPS", 1)
    conditional = engine_of(Matern(2.5)).condition(replace(THETA, noise_sd=0.01))
    with pytest.raises(RuntimeError, match=r"stopped after 1 steps .* give a larger noise_sd"):
        conditional.mean(POINTS, 0)


@pytest.mark.parametrize("kernel", [Matern(1.5), SUM], ids=repr)
@pytest.mark.parametrize("features", [2000, 10])
def test_paths_have_the_law_of_the_conditional(kernel, features, monkeypatch):
    monkeypatch.setattr(spectral, "DENSE_FEATURES", features)
    monkeypatch.setattr(spectral, "MOST_FACTORED", 60)
    conditional = engine_of(kernel).condition(theta_of(kernel))
    order, samples = highest_order(kernel), 150
    streams = np.random.default_rng(6).spawn(samples)
    J = np.stack([conditional.path(rng, DOMAIN).jets(POINTS, order).ravel() for rng in streams])
    mean, covariance = (moment[0] for moment in conditional.groups(POINTS[None], order))
    sd = np.sqrt(np.diag(covariance))
    z, correlation = (J - mean) / sd, covariance / np.outer(sd, sd)
    assert np.abs(z.mean(axis=0)).max() * np.sqrt(samples) < standard_bound(sd.size, samples)
    deviation = (z.T @ z / samples - correlation) * np.sqrt(samples / (1 + correlation**2))
    assert np.abs(deviation).max() < standard_bound(correlation.size, samples)


def test_a_path_is_a_function():
    path = engine_of(Matern(2.5)).condition(THETA).path(np.random.default_rng(7), DOMAIN)
    all_at_once = path.jets(POINTS, 2)
    one_by_one = np.concatenate([path.jets(point[None], 1) for point in POINTS])
    npt.assert_allclose(one_by_one, all_at_once[:, :3], rtol=1e-9, atol=1e-9)


# -- the band --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimension", "noise_sd"), [(1, 0.05), (1, 0.5), (2, 0.5)])
@pytest.mark.parametrize("kernel", [Matern(2.5), Matern(3.5), SquaredExponential()], ids=repr)
def test_the_engines_agree_at_equal_hyperparameters(kernel, noise_sd, dimension):
    theta, rng = Theta((Scale(1.0, 0.9),), noise_sd), np.random.default_rng(8)
    coords = COORDS[:, :dimension]
    values = np.sin(3 * coords[:, 0]) + noise_sd * rng.standard_normal(len(coords))
    trend, box = Trend("constant"), np.stack([coords.min(axis=0), coords.max(axis=0)])
    found = resolve(kernel, [theta], box, peak_density(coords))
    assert found.signal <= 1e-3
    stats = Statistics.of(found.disc, trend, coords, values)
    ours = SpectralEngine(kernel, stats, found.domain, coords).condition(theta)
    theirs = DenseEngine(kernel, trend, coords, values).condition(theta)
    points = rng.uniform(-1.3, 1.3, (20, 1, dimension))
    (m, V), (mean, covariance) = ours.groups(points, 2), theirs.groups(points, 2)
    sds, sd = (np.sqrt(np.diagonal(x, axis1=1, axis2=2)) for x in (V, covariance))
    # The rule of the band is made for this.
    assert (np.abs(m - mean) / sd).max() < 0.02
    assert np.abs(sds / sd - 1).max() < 0.02


def test_the_band_is_as_wide_as_asked():
    low, high = (Theta((Scale(1.0, length),), 0.3) for length in (0.4, 1.5))
    box, kernel = np.array([[-1.0, -1.0], [1.0, 1.0]]), Matern(2.5)
    alone, both = resolve(kernel, [low], box, 100.0), resolve(kernel, [low, high], box, 100.0)
    assert (both.disc.period > alone.disc.period).all()  # images of the longest lengthscale
    assert both.disc.radius == alone.disc.radius  # detail of the shortest
    S = 0.4**2 * kernel.spectral_density(np.array(0.4 * alone.disc.radius), 2)
    npt.assert_allclose(alone.signal, 100 * S / 0.3**2, rtol=1e-10)
    shares = [captured_share(kernel, alone.disc, low, order) for order in (0, 1, 2)]
    npt.assert_allclose(alone.captured, shares)
    assert shares == sorted(shares, reverse=True)
    with pytest.raises(ValueError, match=r"needs noise .* use engine='dense'"):
        resolve(kernel, [replace(low, noise_sd=0.0)], box, 100.0)


def test_density_where_the_data_are_densest():
    rng = np.random.default_rng(9)
    even, dense = rng.uniform(size=(20_000, 2)), rng.uniform(0.0, 0.25, (20_000, 2))
    # Counts of 200 a cell scatter by 7%, their maximum over 100 cells by 3 times that.
    npt.assert_allclose(peak_density(even), 20_000, rtol=0.35)
    npt.assert_allclose(peak_density(np.concatenate([even, dense])), 340_000, rtol=0.35)


def test_a_sample_tells_where_data_are_densest():
    rng = np.random.default_rng(10)
    even = rng.uniform(size=(190_000, 2))
    # A twentieth of the data in a square of a thirtieth of the side: 48 times as dense.
    clustered = np.concatenate([even, 0.4 + rng.uniform(size=(10_000, 2)) / 30])
    for data, density in ((even, 190_000), (clustered, 190_000 + 10_000 * 900)):
        sample = data[rng.permutation(len(data))[:20_000]]
        # In cells of 50 to 200 of the sample the cluster fills one in part.
        assert 0.5 * density < peak_density(sample, len(data)) < 1.3 * density
