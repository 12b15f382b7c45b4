"""At the limits of double precision: the right answer, or an error that says what to do."""

import re
from itertools import product

import numpy as np
import numpy.testing as npt
import pytest
from cases import KERNELS, highest_order
from extended import Exact
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

import womble as wb
from womble.covariance import Scale, cross_covariance
from womble.engines.rounding import LARGEST_ERROR, expected_error, smallest_eigenvalue
from womble.kernels import Matern, SquaredExponential
from womble.model import FieldModel

SITES = np.random.default_rng(0).uniform(0, 1, (25, 2))
NOISE = np.random.default_rng(1).standard_normal(len(SITES))
POINTS = np.random.default_rng(2).uniform(0, 1, (2, 2))
SMOOTH = [Matern(1.5), Matern(3.5), SquaredExponential()]
REFUSED = "the covariance of the data .* give a larger noise_sd"


def waves(s):
    return np.sin(5 * s[:, 0]) + s[:, 1]


def errors(kernel, trend, s, y, lengthscale, amplitude, noise_sd, weights=None, points=POINTS):
    """Largest errors of means and sds of the jets, in posterior sds; None where refused."""
    order = highest_order(kernel)
    given = {"lengthscale": lengthscale, "amplitude": amplitude, "noise_sd": noise_sd}
    post = FieldModel(kernel=kernel, trend=trend).condition((s, y), **given, weights=weights)
    try:
        mean, covariance = post.jet_moments(points, order=order)
    except ValueError as error:
        if re.search(REFUSED, str(error)) is None:
            raise
        return None
    share = 1.0 if weights is None else 1 / weights
    exact = Exact(kernel, trend, s, y, lengthscale, amplitude, noise_sd, share)
    exact_mean, exact_covariance = exact.jet_moments(points, order)
    sd = np.sqrt(np.diagonal(exact_covariance, axis1=1, axis2=2))
    found = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    npt.assert_array_equal(covariance, covariance.transpose(0, 2, 1))
    return max(np.abs((mean - exact_mean) / sd).max(), np.abs(found / sd - 1).max())


# -- the dense engine against 60 digits ------------------------------------------------------------


@pytest.mark.parametrize("kernel", SMOOTH, ids=repr)
@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9, 1e-15, 0.0])
def test_nearly_coincident_points(kernel, apart):
    s = SITES.copy()
    s[1], s[3] = s[0] + [0.3 * apart, 0], s[2] + [0, 0.3 * apart]
    reached = {}
    for noise_sd in (0.1, 1e-4, 1e-8, 0.0):
        y = waves(s) + noise_sd * NOISE
        reached[noise_sd] = errors(kernel, "constant", s, y, 0.3, 1.0, noise_sd)
    # Noise of 1e-4 amplitudes bounds the errors by n eps / 1e-8, whatever the distances are.
    assert reached[0.1] < 1e-9
    assert reached[1e-4] < 1e-6
    assert all(error is None or error < LARGEST_ERROR for error in reached.values())
    if apart < 1e-8:  # correlations are 1 to rounding
        assert reached[0.0] is None


@pytest.mark.parametrize("kernel", SMOOTH, ids=repr)
@pytest.mark.parametrize("lengthscale", [1e4, 1e2, 1e-4])
def test_lengthscales_far_from_the_domain(kernel, lengthscale):
    for amplitude, noise_sd in product((1.0, max(1.0, lengthscale)), (0.1, 1e-4)):
        y = waves(SITES) + noise_sd * NOISE
        error = errors(kernel, "constant", SITES, y, lengthscale, amplitude, noise_sd)
        assert error is None or error < LARGEST_ERROR
        if (lengthscale < 1 or amplitude == 1.0) and noise_sd == 0.1:
            assert error < 1e-9


@pytest.mark.parametrize("kernel", SMOOTH, ids=repr)
@pytest.mark.parametrize("trend", ["none", "linear"])
def test_values_without_noise(kernel, trend):
    for y in (waves(SITES), 2 * SITES[:, 0] + 1):
        error = errors(kernel, trend, SITES, y, 0.3, 1.0, 0.0)
        assert error < 1e-5


def test_an_ill_conditioned_covariance_of_many_data():
    rng = np.random.default_rng(3)
    s = rng.uniform(0, 1, (110, 2))
    y = waves(s) + 1e-4 * rng.standard_normal(110)
    # lambda = 1e-8 and n = 110: the estimate is 5e-6.
    assert errors(SquaredExponential(), "linear", s, y, 0.3, 1.0, 1e-4) < 5e-6


@pytest.mark.parametrize("trend", ["none", "constant", "linear"])
def test_weights_over_24_decades(trend):
    weights = 10.0 ** np.linspace(-12, 12, len(SITES))
    y = waves(SITES) + 0.1 * NOISE
    assert errors(Matern(3.5), trend, SITES, y, 0.3, 1.0, 0.1, weights) < 1e-6


def test_the_likelihood_and_its_gradient():
    kernel, steps = Matern(4.5), np.array([1e-3, -1e-3])
    y = waves(SITES) + 1e-3 * NOISE
    given = np.array([0.3, 1.0, 1e-3])
    post = FieldModel(kernel=kernel, trend="linear").condition(
        (SITES, y), lengthscale=0.3, amplitude=1.0, noise_sd=1e-3
    )
    theta = post.layout.theta(given / post.layout.units(post.data.scaling))
    value, gradient = post._engine.log_likelihood(theta)
    log_p = lambda theta: float(Exact(kernel, "linear", SITES, y, *theta).log_likelihood())  # noqa: E731
    assert abs(value - log_p(given)) < 1e-7
    assert abs(post._engine.log_likelihood_value(theta) - value) < 1e-7
    for i, slope in enumerate(gradient * given / post.layout.units(post.data.scaling)):
        up, down = (log_p(given * np.exp(step * (np.arange(3) == i))) for step in steps)
        # Differences of logarithms truncate at step^2 / 6 of the third derivative, about 8 slopes.
        npt.assert_allclose(slope, (up - down) / 2e-3, rtol=1e-4, atol=1e-4)


def test_sds_at_data_without_noise():
    post = FieldModel().condition((SITES, waves(SITES)), lengthscale=0.3, amplitude=1.0, noise_sd=0)
    mean, covariance = post.jet_moments(SITES)
    npt.assert_allclose(mean[:, 0], waves(SITES), atol=1e-10)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    assert (variance >= 0).all()
    assert variance[:, 0].max() < 1e-12  # of an amplitude of 1


def test_what_is_refused_is_explained():
    s = np.concatenate([SITES, SITES[:2]])
    given = {"lengthscale": 0.3, "amplitude": 1.0, "noise_sd": 0.0}
    with pytest.raises(ValueError, match=r"4 of 27 data at the place of another.*average values"):
        FieldModel().condition((s, waves(s)), **given).jet_moments(POINTS)
    smooth = FieldModel(kernel=SquaredExponential())
    s = np.random.default_rng(3).uniform(0, 1, (200, 2))
    given = {"lengthscale": 0.3, "amplitude": 1.0}
    with pytest.raises(ValueError, match="too ill-conditioned: rounding may move means by"):
        smooth.condition((s, waves(s)), **given, noise_sd=1e-6).jet_moments(POINTS)
    # What the message asks for is enough.
    smooth.condition((s, waves(s)), **given, noise_sd=1.1e-5).jet_moments(POINTS)


def test_the_smallest_eigenvalue_is_found():
    rng = np.random.default_rng(4)
    Q = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    for smallest in (1e-3, 1e-9):
        K = (Q * np.geomspace(smallest, 1, 60)) @ Q.T
        L = np.asfortranarray(np.linalg.cholesky(K))
        assert 0.9 * smallest < smallest_eigenvalue(L) < 2 * smallest
    # n eps / lambda, once with the eigenvalue and once with the noise.
    for noise, smallest in ((1e-12, 1e-9), (1e-6, 1e-6)):
        error = expected_error(L, np.ones(60), np.full(60, noise))
        assert 1 < error / (60 * np.finfo(float).eps / smallest) < 40


# -- fits ------------------------------------------------------------------------------------------


def fit(y, **model):
    s = np.random.default_rng(0).uniform(0, 1, (80, 2))
    return FieldModel(**model).fit((s, y(s)), inference="map", rng=1, progress=False)


@pytest.mark.parametrize("y", [waves, lambda s: 2 * s[:, 0] + 1])
def test_a_fit_of_values_without_noise_under_a_smooth_kernel(y):
    with pytest.raises(ValueError, match=r"reaches to where double precision .* rougher kernel"):
        fit(y, kernel=SquaredExponential())


def test_what_that_error_advises_works():
    import pymc as pm

    noise = pm.InverseGamma.dist(alpha=3, beta=3e-3)
    fit(waves, kernel=SquaredExponential(), priors={"noise_sd": noise})
    fit(waves, kernel=Matern(2.5))


def test_a_trend_that_explains_all():
    with pytest.raises(ValueError, match=r"trend='linear' leaves .* no field left to fit"):
        fit(lambda s: 2 * s[:, 0] + 1, trend="linear")


# -- units, origins, ranges ------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "value"), product((1e-12, 1e12), (1e-12, 1e12)))
def test_units_from_1e_12_to_1e12(length, value):
    y = waves(SITES) + 0.1 * NOISE
    given = {"lengthscale": 0.3, "amplitude": 1.0, "noise_sd": 0.1}
    plain = FieldModel(trend="linear").condition((SITES, y), **given)
    units = {"lengthscale": length, "amplitude": value, "noise_sd": value}
    scaled = FieldModel(trend="linear").condition(
        (SITES * length, y * value), **{name: x * units[name] for name, x in given.items()}
    )
    factors = value / length ** np.array([0, 1, 1, 2, 2, 2])
    for here, there, size in zip(
        plain.jet_moments(POINTS),
        scaled.jet_moments(POINTS * length),
        (factors, np.outer(factors, factors)),
        strict=True,
    ):
        npt.assert_allclose(there / size, here, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("priors", [None, "penalised_complexity"])
def test_fits_scale_with_units(priors):
    y, model = waves(SITES) + 0.1 * NOISE, FieldModel(priors=priors)
    options = {"inference": "map", "rng": 1, "progress": False}
    plain = model.fit((SITES, y), **options).draws
    scaled = model.fit((SITES * 1e12, y * 1e-12), **options).draws
    for name, unit in (("lengthscale", 1e12), ("amplitude", 1e-12), ("noise_sd", 1e-12)):
        npt.assert_allclose(scaled[name] / unit, plain[name], rtol=1e-8)


def test_northings_of_a_small_domain():
    y, s = waves(SITES) + 0.1 * NOISE, 5e6 + 10 * SITES
    assert errors(Matern(3.5), "linear", s, y, 3.0, 1.0, 0.1, points=5e6 + 10 * POINTS) < 1e-9


@pytest.mark.parametrize(
    ("s", "y", "message"),
    [
        (SITES + 1e11, waves(SITES), "must tell locations apart .* Subtract an origin"),
        (SITES * 1e-120, waves(SITES), "the coordinates must spread over .* another unit"),
        (SITES, waves(SITES) * 1e160, "the values of 'value' must spread over .* another unit"),
    ],
)
def test_data_out_of_range(s, y, message):
    with pytest.raises(ValueError, match=message):
        FieldModel().condition((s, y), lengthscale=0.3, amplitude=1.0, noise_sd=0.1)


@pytest.mark.parametrize("wrong", ["lengthscale", "amplitude", "noise_sd"])
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_hyperparameters_out_of_range(wrong, size):
    given = {"lengthscale": 0.3, "amplitude": 1.0, "noise_sd": 0.1} | {wrong: size}
    data = SITES, waves(SITES)
    if wrong == "noise_sd" and size < 1:  # as good as none
        FieldModel().condition(data, **given).jet_moments(POINTS)
        return
    with pytest.raises(ValueError, match=r"within a factor of 1e\+50 of the data's scale"):
        FieldModel().condition(data, **given)


def test_points_out_of_range():
    data = SITES, waves(SITES)
    post = FieldModel().condition(data, lengthscale=0.3, amplitude=1.0, noise_sd=0.1)
    with pytest.raises(ValueError, match=r"points must be within .* Are they in the data's units"):
        post.jet_moments(np.array([[1e300, 0.0]]))


@pytest.mark.parametrize("kernel", [*KERNELS, Matern(20.5), Matern(49.5)], ids=repr)
def test_far_points_have_no_covariance(kernel):
    s, t = np.array([[1e15, 0.0]]), np.zeros((1, 2))
    C = cross_covariance(kernel, Scale(1.0, 1.0), s, t, highest_order(kernel))
    npt.assert_allclose(C, 0, atol=1e-60)


# -- other doors -----------------------------------------------------------------------------------


def test_counts_of_a_milliard_are_as_good_as_their_logarithms():
    y = np.random.default_rng(5).poisson(1e9 * np.exp(waves(SITES))).astype(float)
    given = {"lengthscale": 0.4, "amplitude": 1.0}
    model = FieldModel(likelihood="poisson", trend="none")
    # Without a trend the field of logarithms has mean 0: counts per exposure.
    counts = model.condition((SITES, y), **given, exposure=np.full(len(y), 1e9))
    plain = FieldModel(trend="none").condition(
        (SITES, np.log(y / 1e9)), **given, noise_sd=0.0, measurement_sd=1 / np.sqrt(y)
    )
    here, there = counts.jet_moments(POINTS), plain.jet_moments(POINTS)
    sd = np.sqrt(np.diagonal(there[1], axis1=1, axis2=2))
    # The mode's e^eta differs from y by 1e-5 of its sd of 3e-5, and log y from a normal by 1e-5.
    npt.assert_allclose(here[0] / sd, there[0] / sd, atol=1e-4)
    npt.assert_allclose(np.diagonal(here[1], axis1=1, axis2=2) / sd**2, 1, atol=1e-4)


@pytest.mark.parametrize(
    ("likelihood", "size", "message"),
    [
        ("poisson", 1e12, "tell the field too exactly .* likelihood='gaussian'"),
        ("negative_binomial", 1e9, r"must be at most 1e\+06.*likelihood='gaussian'"),
    ],
)
def test_counts_out_of_range(likelihood, size, message):
    y = np.random.default_rng(5).poisson(size * np.exp(waves(SITES))).astype(float)
    own = {} if likelihood == "poisson" else {"dispersion": 0.1}
    model = FieldModel(likelihood=likelihood)
    with pytest.raises(ValueError, match=message):
        model.condition((SITES, y), lengthscale=0.4, amplitude=1.0, **own).jet_moments(POINTS)


def test_a_regressor_without_noise():
    s = np.random.default_rng(3).uniform(0, 1, (300, 2))

    def regressor(alpha):
        return GaussianProcessRegressor(RBF(0.5), alpha=alpha, optimizer=None).fit(s, waves(s))

    wb.from_sklearn(regressor(1e-8))
    with pytest.warns(UserWarning, match=r"may move gradients .* Refit with a larger `alpha`"):
        wb.from_sklearn(regressor(1e-11))
    with pytest.raises(ValueError, match=r"may move gradients .* Refit with a larger `alpha`"):
        wb.from_sklearn(regressor(1e-14))
