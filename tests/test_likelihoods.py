"""Likelihoods against scipy's laws and differences; Laplace's approximation against identities."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy import stats
from scipy.special import expit

from womble.engines.band import Band
from womble.engines.dense import DenseEngine
from womble.engines.latent import LatentEngine
from womble.engines.sites import SitesEngine
from womble.hyperparameters import LatentLayout, Theta
from womble.joint_density import Given, JointDensity, Sampled
from womble.kernels import Matern, SquaredExponential
from womble.laplace import NormalApproximation
from womble.laws import Gamma, HalfNormal
from womble.likelihoods import LIKELIHOODS
from womble.log_density import ClosedForm, HyperparameterDensity
from womble.trend import Trend

N, KERNEL = 40, Matern(3.5)
RNG = np.random.default_rng(3)
COORDS = RNG.uniform(-1, 1, (N, 2))
ETA = np.sin(3 * COORDS[:, 0]) + RNG.normal(size=N) / 4
SHIFT = RNG.normal(size=N) / 4  # offsets: exposure
TRIALS = RNG.integers(1, 6, N).astype(float)
MEAN = np.exp(ETA + SHIFT)
RESPONSES = {
    "gaussian": (ETA + SHIFT + RNG.normal(size=N) / 2, [0.5]),
    "student_t": (ETA + SHIFT + RNG.standard_t(3, N) / 2, [0.5, 3.0]),
    "poisson": (RNG.poisson(MEAN).astype(float), []),
    "negative_binomial": (RNG.negative_binomial(2, 2 / (2 + MEAN)).astype(float), [0.5]),
    "bernoulli": ((RNG.random(N) < expit(ETA + SHIFT)).astype(float), []),
    "binomial": (RNG.binomial(TRIALS.astype(int), expit(ETA + SHIFT)).astype(float), []),
    "gamma": (RNG.gamma(2, MEAN / 2), [2.0]),
}
LAWS = {
    "gaussian": lambda y, eta, tau: stats.norm.logpdf(y, eta, tau),
    "student_t": lambda y, eta, s, nu: stats.t.logpdf(y, nu, eta, s),
    "poisson": lambda y, eta: stats.poisson.logpmf(y, np.exp(eta)),
    "negative_binomial": lambda y, eta, a: stats.nbinom.logpmf(y, 1 / a, 1 / (1 + a * np.exp(eta))),
    "bernoulli": lambda y, eta: stats.bernoulli.logpmf(y, expit(eta)),
    "binomial": lambda y, eta: stats.binom.logpmf(y, TRIALS, expit(eta)),
    "gamma": lambda y, eta, a: stats.gamma.logpdf(y, a, scale=np.exp(eta) / a),
}
every_likelihood = pytest.mark.parametrize("name", list(LIKELIHOODS))


def likelihood_of(name):
    y, parameters = RESPONSES[name]
    trials = TRIALS if name == "binomial" else 1.0
    return LIKELIHOODS[name](y, SHIFT, trials), np.array(parameters)


def engines(name, trend="linear"):
    """By sites, by more waves than sites and by fewer."""
    law, _ = likelihood_of(name)
    parts = (KERNEL, Trend(trend), COORDS, law)
    bands = [Band.of(KERNEL, COORDS, 0.8, 1.2, most) for most in (150, 30)]
    return [SitesEngine(*parts), *(LatentEngine(*parts, band) for band in bands)]


def state_of(name, vector):
    return LatentLayout(parameters=LIKELIHOODS[name].parameters).theta(vector)


def central(function, x, step=1e-4):
    """Differences of a function of a vector, extrapolated to O(step^4); derivatives lead."""

    def plain(h):
        return np.array(
            [(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))]
        )

    return (4 * plain(step / 2) - plain(step)) / 3


@every_likelihood
def test_a_likelihood_is_its_law(name):
    law, parameters = likelihood_of(name)
    expected = LAWS[name](law.y, ETA + SHIFT, *parameters)
    npt.assert_allclose(law.terms(ETA, parameters).value, expected, rtol=1e-9, atol=1e-11)


@every_likelihood
def test_terms_are_derivatives(name):
    law, parameters = likelihood_of(name)
    terms = law.terms(ETA, parameters)

    def along_eta(term):
        return central(lambda t: getattr(law.terms(ETA + t[0], parameters), term), np.zeros(1))[0]

    # Rounding of values near 10 over the step: 1e-11; truncation step^4 = 1e-16.
    npt.assert_allclose(terms.slope, along_eta("value"), rtol=1e-7, atol=1e-9)
    true_curvature = terms.information if terms.curvature is None else terms.curvature
    npt.assert_allclose(true_curvature, -along_eta("slope"), rtol=1e-7, atol=1e-9)
    npt.assert_allclose(terms.information_slope, along_eta("information"), rtol=1e-7, atol=1e-9)
    for term in ("value", "slope", "information"):
        by = central(lambda p, term=term: getattr(law.terms(ETA, p), term), parameters)
        actual = getattr(terms, f"{term}_by")
        npt.assert_allclose(actual, by.reshape(actual.shape), rtol=1e-6, atol=1e-8)


def test_the_fisher_information_of_student_is_the_mean_curvature():
    s, nu = 0.7, 4.0
    law = LIKELIHOODS["student_t"](np.linspace(-200, 200, 400_001))
    terms = law.terms(np.zeros(400_001), np.array([s, nu]))
    # The trapezoid's rule on a smooth law; beyond 200 the curvature is below 1e-4 of 1e-9 mass.
    mean = np.sum(np.exp(terms.value) * terms.curvature) * 1e-3
    npt.assert_allclose(terms.information[0], mean, rtol=1e-6)


def test_negative_binomial_becomes_poisson():
    y = np.array([0.0, 1.0, 7.0, 40.0])
    eta = np.log([0.5, 2.0, 5.0, 60.0])
    nearly = LIKELIHOODS["negative_binomial"](y).terms(eta, np.array([1e-9]))
    npt.assert_allclose(nearly.value, stats.poisson.logpmf(y, np.exp(eta)), rtol=1e-6)
    # At dispersion 0 the slope is ((y - m)^2 - y) / 2.
    npt.assert_allclose(nearly.value_by[0], ((y - np.exp(eta)) ** 2 - y) / 2, rtol=1e-4, atol=1e-6)


@every_likelihood
def test_the_mode_is_stationary(name):
    law, parameters = likelihood_of(name)
    sites, *latents = engines(name)
    state = state_of(name, [0.9, 1.1, *parameters])
    found = sites.mode(state)
    # a = K^-1 eta equals the likelihood's slope at the mode.
    npt.assert_allclose(found.x, law.terms(found.eta, parameters).slope, atol=1e-7)
    for engine in latents:
        F = engine.design(state)
        weights, _ = engine.peak(state)
        slope = law.terms(F @ weights, parameters).slope
        npt.assert_allclose(F.T @ slope, weights, atol=1e-7)


@every_likelihood
def test_gradients_of_laplaces_approximation_are_differences(name):
    _, parameters = likelihood_of(name)
    vector = np.array([0.9, 1.1, *parameters])
    for engine in engines(name):
        value, gradient = engine.log_likelihood(state_of(name, vector))
        assert engine.log_likelihood_value(state_of(name, vector)) == pytest.approx(
            value, rel=1e-12
        )
        by = central(lambda v, e=engine: e.log_likelihood(state_of(name, v))[0], vector, 1e-3)
        # The mode is known to 1e-9, values to about 1e-10 of 100: over the step 1e-7.
        npt.assert_allclose(gradient, by, rtol=1e-6, atol=1e-5)


def test_laplace_is_exact_for_normal_data():
    law, (tau,) = likelihood_of("gaussian")
    dense = DenseEngine(KERNEL, Trend("linear"), COORDS, law.y - SHIFT)
    sites = engines("gaussian")[0]
    state = state_of("gaussian", [0.9, 1.1, tau])
    theta = Theta(state.scales, tau)
    ours, expected = sites.log_likelihood(state), dense.log_likelihood(theta)
    npt.assert_allclose(ours[0], expected[0], rtol=1e-9)
    npt.assert_allclose(ours[1], expected[1], rtol=1e-6)
    points = np.random.default_rng(0).uniform(-1, 1, (10, 1, 2))
    for target in ("surface", "process"):
        found = sites.condition(state, target).groups(points, 2)
        for a, b in zip(found, dense.condition(theta, target).groups(points, 2), strict=True):
            npt.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", [Matern(2.5), KERNEL, SquaredExponential()], ids=repr)
def test_waves_agree_with_the_dense_engine_within_what_they_leave_out(kernel):
    law, (tau,) = likelihood_of("gaussian")
    dense = DenseEngine(kernel, Trend("linear"), COORDS, law.y - SHIFT)
    band = Band.of(kernel, COORDS, 0.9, 0.9, 1200)
    waves = LatentEngine(kernel, Trend("linear"), COORDS, law, band)
    state = state_of("gaussian", [0.9, 1.1, tau])
    points = np.random.default_rng(0).uniform(-1, 1, (30, 1, 2))
    exact = dense.condition(Theta(state.scales, tau)).groups(points, 2)
    found = waves.condition(state).groups(points, 2)
    sd, our_sd = (np.sqrt(np.diagonal(c, axis1=1, axis2=2)) for _, c in (exact, found))
    # To the responses the tail is noise that is not accounted for: its sd over the noise's.
    share = band.tail_share(kernel, 0.9, 0)
    assert share <= 1e-3 + 1e-12
    left_out = 1.1 * np.sqrt(share) / tau
    npt.assert_allclose(found[0] / sd, exact[0] / sd, atol=2 * left_out)
    npt.assert_allclose(our_sd / sd, 1, atol=2 * left_out)


@every_likelihood
def test_gradients_of_the_joint_density_are_differences(name):
    law, parameters = likelihood_of(name)
    layout = LatentLayout(parameters=type(law).parameters)
    laws = {x: HalfNormal(2.0) if i else Gamma(3.0, 2.0) for i, x in enumerate(layout.names)}
    _, _, engine = engines(name)
    density = HyperparameterDensity(
        engine, ClosedForm(laws), layout, np.linspace(0.8, 1.2, len(laws))
    )
    k = len(laws)
    normal = NormalApproximation(np.log([0.9, 1.1, *parameters]), 0.1 * np.eye(k) + 0.02, 0.0)
    given = Given(layout, np.array([0.9, 1.1, *parameters]))
    nothing = NormalApproximation(np.empty(0), np.empty((0, 0)), 0.0)
    for joint in (
        JointDensity.around(engine, Sampled(density), normal),
        JointDensity.around(engine, given, nothing),
    ):
        z = np.random.default_rng(1).normal(size=joint.size) / 2
        _, gradient = joint(z)
        by = central(lambda at, j=joint: j(at)[0], z, 1e-3)
        npt.assert_allclose(gradient, by, rtol=1e-6, atol=1e-7)
        # Its Jacobian is the one that the density counts.
        frame, v = joint._frame(joint.coordinates(z))[0], z[len(joint.centre) :]
        jacobian = central(frame.weights, v, 1.0)
        npt.assert_allclose(np.linalg.slogdet(jacobian)[1], frame.log_determinant, atol=1e-8)


def test_normal_data_leave_standard_coordinates():
    # For normal responses the map is exact but for directions that data say little of: 0.05 / 2.
    _, (tau,) = likelihood_of("gaussian")
    _, engine, _ = engines("gaussian")
    layout = LatentLayout(parameters=("noise_sd",))
    nothing = NormalApproximation(np.empty(0), np.empty((0, 0)), 0.0)
    joint = JointDensity.around(engine, Given(layout, np.array([0.9, 1.1, tau])), nothing)
    hessian = central(lambda z: joint(z)[1], np.zeros(joint.size))
    npt.assert_allclose(-hessian, np.eye(joint.size), atol=0.051)
