"""Priors are those stated, in user units, and the model samples them: no Jacobian is missing."""

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import expon, halfnorm, invgamma, lognorm, uniform

import womble as wb
from womble import inference, sampling
from womble.engines import choose_engine
from womble.hyperparameters import PLAIN, LatentLayout, Layout
from womble.kernels import Matern
from womble.log_density import ClosedForm, Compiled
from womble.priors import (
    DefaultPriors,
    check_priors,
    divided_range,
    domain_diameter,
    inverse_gamma,
    lengthscale_range,
)
from womble.spatial_data import spatial_data
from womble.trend import Trend

# Three densities on the positive half line, none of them a default, in metres and mg kg-1.
USER = {
    "lengthscale": lambda: pm.LogNormal.dist(mu=3.5, sigma=0.4),
    "amplitude": lambda: pm.HalfNormal.dist(sigma=3.0),
    "noise_sd": lambda: pm.InverseGamma.dist(alpha=4.0, beta=2.0),
}
USER_SCIPY = lognorm(s=0.4, scale=np.exp(3.5)), halfnorm(scale=3.0), invgamma(4.0, scale=2.0)


@pytest.fixture(scope="module")
def data(zinc):
    return spatial_data(zinc, "zinc")


@pytest.fixture(scope="module")
def engine(data):
    return choose_engine("dense", Matern(3.5), Trend("constant"), data)[0]


def short():
    return {"tune": 300, "chains": 2, "rng": np.random.default_rng(3), "progress": False}


class Silent:
    """An engine without data: the posterior is the prior."""

    def log_likelihood(self, theta):
        return 0.0, np.zeros(3)

    def log_likelihood_value(self, theta):
        return 0.0


def cases(data):
    """What a user gives, and the densities in SciPy that it stands for."""
    low, high = lengthscale_range(data.coords)
    alpha, beta = inverse_gamma(low, high)
    sd = data.values.std()
    default = invgamma(alpha, scale=beta), halfnorm(scale=2 * sd), halfnorm(scale=sd)
    return [(None, default), ({name: make() for name, make in USER.items()}, USER_SCIPY)]


# --- the lengthscale -------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(1.0, 3.0), (0.02, 2.8), (5.0, 2000.0), (1e3, 1e6)])
def test_inverse_gamma_leaves_one_percent_on_each_side(low, high):
    alpha, beta = inverse_gamma(low, high)
    law = invgamma(alpha, scale=beta)
    # The ratio of quantiles is solved to 1e-12 or so; the second follows from it.
    npt.assert_allclose([law.cdf(low), law.sf(high)], 0.01, rtol=1e-6)


def test_lengthscale_range_is_spacing_and_twice_the_diameter():
    x, y = np.meshgrid(3.0 * np.arange(7), 3.0 * np.arange(5))
    coords = np.column_stack([x.ravel(), y.ravel()])
    repeated = np.vstack([coords, coords[:9]])  # repeats are no neighbours
    expected = (3.0, 2 * np.hypot(18, 12))
    npt.assert_allclose(lengthscale_range(coords), expected, rtol=1e-14)
    npt.assert_allclose(lengthscale_range(repeated), expected, rtol=1e-14)


def test_components_share_the_range_out_the_longest_first():
    assert divided_range(2.0, 50.0, 1) == [(2.0, 50.0)]
    npt.assert_allclose(divided_range(1.0, 1000.0, 2), [(10, 1000), (1, 100)], rtol=1e-12)
    npt.assert_allclose(divided_range(1.0, 1e4, 3), [(100, 1e4), (10, 1000), (1, 100)], rtol=1e-12)


def test_lengthscales_of_a_sum_keep_their_order_under_the_default_priors(data):
    laws = DefaultPriors.of(data, Layout(2, True)).laws
    assert tuple(laws) == Layout(2, True).names
    rng = np.random.default_rng(6)
    long, short = (
        invgamma(laws[name].alpha, scale=laws[name].beta).rvs(20_000, random_state=rng)
        for name in ("lengthscale_1", "lengthscale_2")
    )
    assert np.mean(long > short) > 0.9
    low, high = lengthscale_range(data.coords)
    npt.assert_allclose([np.mean(short < low), np.mean(long > high)], 0.01, atol=4 * 7e-4)


def test_clustered_sites_have_a_floor():
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, 100, (10, 2))
    coords = np.repeat(centres, 5, axis=0) + 1e-4 * rng.standard_normal((50, 2))
    diameter = pdist(coords).max()
    npt.assert_allclose(lengthscale_range(coords), (diameter / 200, 2 * diameter), rtol=1e-12)


def test_diameter_from_the_hull_is_that_of_all_pairs():
    coords = np.random.default_rng(2).standard_normal((1200, 2))
    npt.assert_allclose(domain_diameter(coords), pdist(coords).max(), rtol=1e-14)
    assert domain_diameter(coords[:, :1]) == np.ptp(coords[:, 0])


# --- the user's ------------------------------------------------------------------------------


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"`priors` may name lengthscale, amplitude.*got tau"):
        check_priors({"tau": pm.HalfNormal.dist()}, PLAIN.names)


@pytest.mark.parametrize("prior", [1.0, halfnorm(scale=2.0), "HalfNormal"])
def test_what_is_no_distribution_is_refused(prior):
    with pytest.raises(TypeError, match=r"prior of noise_sd must be a PyMC distribution in user"):
        check_priors({"noise_sd": prior}, PLAIN.names)


# --- the density -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", [0, 1], ids=["default", "user"])
def test_log_density_is_prior_jacobian_and_likelihood(data, engine, case):
    """log p(log t) = sum log p(t) + log t + log p(y | t), t in user units."""
    priors, laws = cases(data)[case]
    density = inference.hyperparameter_density(engine, PLAIN, data, priors)
    for theta in ([20.0, 1.0, 0.3], [35.0, 2.5, 0.6], [8.0, 0.5, 2.0]):
        prior = sum(law.logpdf(x) + np.log(x) for law, x in zip(laws, theta, strict=True))
        scaled = PLAIN.theta(theta / PLAIN.units(data.scaling))
        expected = prior + engine.log_likelihood(scaled)[0]
        # PyTensor keeps constants such as 3.0 in single precision: 6e-8 on their logarithms.
        npt.assert_allclose(density(np.log(theta))[0], expected, rtol=0, atol=1e-6)
        npt.assert_allclose(density.theta(np.log(theta)), theta, rtol=1e-14)


@pytest.mark.parametrize("case", [0, 1], ids=["default", "user"])
def test_gradient_is_that_of_the_log_density(data, engine, case):
    density = inference.hyperparameter_density(engine, PLAIN, data, cases(data)[case][0])
    at, step = np.log([25.0, 1.7, 0.45]), 1e-4
    numeric = [
        (density(at + step * e)[0] - density(at - step * e)[0]) / (2 * step) for e in np.eye(3)
    ]
    # Truncation f''' step^2 / 6 with f''' of about 1e2; rounding 1e2 * 1e-16 / step.
    npt.assert_allclose(density(at)[1], numeric, atol=1e-6)


@pytest.mark.parametrize("layout", [PLAIN, Layout(2, True)], ids=["plain", "all"])
def test_default_priors_by_hand_are_those_of_pymc(data, layout):
    default = DefaultPriors.of(data, layout)
    by_hand, by_pymc = ClosedForm(default.laws), Compiled(default.as_pymc())
    rng = np.random.default_rng(5)
    for q in by_hand.start + rng.uniform(-2, 2, (20, len(layout.names))):
        for ours, theirs in zip(by_hand.at(q), by_pymc.at(q), strict=True):
            npt.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_bounded_prior_keeps_its_bounds_and_its_jacobian(data, engine):
    """Uniform on (5, 60) through PyMC's logistic transform: p(q) = p(t) dt/dq."""
    given = {"lengthscale": pm.Uniform.dist(5.0, 60.0)}
    prior = inference.hyperparameter_density(engine, PLAIN, data, given).prior
    start = prior.at(np.zeros(3))
    for q in (-10.0, -1.0, 0.5, 2.0, 10.0):
        here, share = prior.at(np.array([q, 0.0, 0.0])), 1 / (1 + np.exp(-q))
        npt.assert_allclose(here.theta[0], 5 + 55 * share, rtol=1e-12)
        npt.assert_allclose(here.slope[0], 55 * share * (1 - share), rtol=1e-9)
        jacobian = np.log(4 * share * (1 - share))
        npt.assert_allclose(here.value - start.value, jacobian, rtol=1e-9)


def test_only_named_priors_are_replaced(data, engine):
    given = {"amplitude": pm.HalfNormal.dist(sigma=3.0)}
    prior = inference.hyperparameter_density(engine, PLAIN, data, given).prior
    assert prior.compiled.priors == given
    assert tuple(prior.closed.laws) == ("lengthscale", "noise_sd")
    npt.assert_array_equal(prior.users, [False, True, False])


@pytest.mark.parametrize("case", [0, 1], ids=["default", "user"])
def test_likelihood_out_of_range_is_a_divergence_and_no_error(data, engine, case):
    """Leapfrog steps may overshoot to numbers whose squares overflow."""
    density = inference.hyperparameter_density(engine, PLAIN, data, cases(data)[case][0])
    for far in (-800.0, 400.0):
        for e in np.eye(3):
            assert density(far * e)[0] == -np.inf


# --- without data ----------------------------------------------------------------------------

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
TAILS = wb.PenalisedComplexity(lengthscale=(12.0, 0.05), amplitude=(4.0, 0.1), noise_sd=(2.0, 0.2))
TAILS_SCIPY = (
    invgamma(1.0, scale=-12 * np.log(0.05)),
    expon(scale=-4 / np.log(0.1)),
    expon(scale=-2 / np.log(0.2)),
)
BOUNDED = {"lengthscale": lambda: pm.Uniform.dist(5.0, 60.0)}


def stated(name, data):
    """A layout, priors as a user gives them, and the densities in SciPy that they stand for."""
    if name == "negative binomial":
        laws = cases(data)[0][1][:2]
        return LatentLayout(parameters=("dispersion",)), None, (*laws, halfnorm(scale=1.0))
    (nothing, default), (user, user_scipy) = cases(data)
    bounded = {key: make() for key, make in BOUNDED.items()}
    return PLAIN, *{
        "default": (nothing, default),
        "user": (user, user_scipy),
        "user and default": (bounded, (uniform(5.0, 55.0), *default[1:])),
        "tails": (TAILS, TAILS_SCIPY),
    }[name]


def assert_quantiles(draws, layout, laws, size):
    """Shares of draws below quantiles of the laws, each of an effective `size`."""
    for name, law in zip(layout.names, laws, strict=True):
        for level in LEVELS:
            below = (draws[name] < law.ppf(level)).astype(float)
            error = np.sqrt(level * (1 - level) / size(below))
            assert abs(float(below.mean()) - level) < 4 * error, (name, level)


@pytest.mark.parametrize(
    "name", ["default", "user", "user and default", "tails", "negative binomial"]
)
def test_without_data_weighted_points_are_the_prior(data, name):
    layout, priors, laws = stated(name, data)
    density = inference.hyperparameter_density(Silent(), layout, data, priors)
    found = sampling.sample(density, "importance", draws=4000, **short())
    assert found.how.startswith("importance: 1 mode")
    ess = float(found.sample_stats["ess"])
    assert ess > 1500
    assert_quantiles(found.draws, layout, laws, lambda _: ess)


@pytest.mark.parametrize("name", ["user", "user and default", "tails"])
def test_without_data_nuts_draws_the_prior(data, name):
    import arviz

    layout, priors, laws = stated(name, data)
    density = inference.hyperparameter_density(Silent(), layout, data, priors)
    draws, _ = inference.nuts(density, inference.modes_of(density), draws=500, **short())

    def effective(below):
        return float(arviz.ess(below.to_dataset(name="below"), method="mean")["below"])

    assert_quantiles(draws, layout, laws, effective)
