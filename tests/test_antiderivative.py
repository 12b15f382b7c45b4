"""Antiderivatives and integrals of a posterior on a line."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from cases import TARGETS, TRENDS, WITH_PATHS, standard_bound

import womble as wb
from womble import mixture
from womble.summaries import STATISTICS

CLOSED = [kernel for kernel in WITH_PATHS if kernel != wb.Matern(3.3)]
X = np.array([2.13, 2.6, 3.05, 3.4])  # beyond the data too


@pytest.fixture(scope="module")
def sine():
    """Thirty noisy values of 3 + sin(2 pi (x - 2)) on [2, 3]."""
    rng = np.random.default_rng(3)
    x = rng.uniform(2, 3, 30)
    return x, 3 + np.sin(2 * np.pi * (x - 2)) + 0.05 * rng.standard_normal(30)


def condition(data, kernel=None, trend="constant", **options):
    """The field at fixed hyperparameters."""
    model = wb.FieldModel(kernel=kernel or wb.Matern(3.5), trend=trend)
    theta = {"lengthscale": 0.3, "amplitude": 0.8, "noise_sd": 0.05}
    return model.condition(data, "height", **(theta | options))


@pytest.fixture(scope="module")
def post(sine):
    return condition(sine)


@pytest.fixture(scope="module")
def averaged(post):
    """The same field under three draws of the hyperparameters."""
    draws = {
        "lengthscale": [[0.3, 0.2, 0.45]],
        "amplitude": [[0.8, 1.1, 0.7]],
        "noise_sd": [[0.05, 0.08, 0.04]],
    }
    return replace(post, draws=xr.Dataset({k: (("chain", "draw"), v) for k, v in draws.items()}))


def mean_of(post, x, **options):
    return post.antiderivative(x, **options)["antiderivative"].sel(statistic="mean").to_numpy()


def moments(post, x, orders, **options):
    """Mean (p, c) and covariance (p, c, p, c)."""
    mean, V = post.antiderivative_moments(x, orders=orders, **options)
    shape = len(x), len(orders)
    return mean.reshape(shape), V.reshape(*shape, *shape)


# --- calculus ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_derivatives_of_means_are_the_field(sine, kernel, trend, target):
    post = condition(sine, kernel, trend)
    field = post.jet_moments(X, order=0, target=target)[0][:, 0]

    def central(order, step):
        pair = [mean_of(post, X + e, order=order, target=target) for e in (step, -step)]
        return (pair[0] - pair[1]) / (2 * step)

    def extrapolated(order):
        """Errors in step^2 and step^4 taken off (Romberg)."""
        coarse, middle, fine = (central(order, 4e-3 / 2**i) for i in range(3))
        once = [(4 * b - a) / 3 for a, b in ((coarse, middle), (middle, fine))]
        return (16 * once[1] - once[0]) / 15

    npt.assert_allclose(extrapolated(1), field, atol=1e-8)
    npt.assert_allclose(extrapolated(2), mean_of(post, X, target=target), atol=1e-8)
    step = 8e-3
    F2 = [mean_of(post, X + e, order=2, target=target) for e in (-step, 0, step)]
    # Truncation is step^2 f'' / 12, and |f''| is some 4 pi^2.
    npt.assert_allclose((F2[0] - 2 * F2[1] + F2[2]) / step**2, field, atol=10 * step**2)


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_joint_covariance_is_that_of_differences(sine, kernel):
    orders = [a for a in (-2, -1, 0, 1, 2) if a < kernel.differentiability]
    post, step, p = condition(sine, kernel, "linear"), 4e-3, len(X)
    offsets = step * np.array([-1, -0.5, 0.5, 1])
    weights = (4 * np.array([0, -1, 1, 0]) - 0.5 * np.array([-1, 0, 0, 1])) / (3 * step)
    mean, V = moments(post, np.concatenate([X, np.add.outer(X, offsets).ravel()]), orders)
    slopes = mean[p:, :-1].reshape(p, 4, -1)
    npt.assert_allclose(np.einsum("pwa,w->pa", slopes, weights), mean[:p, 1:], rtol=1e-4)
    # Covariances of the slopes of each order with every order.
    across = V[p:, :-1, :p].reshape(p, 4, len(orders) - 1, p, len(orders))
    found = np.einsum("pwaqb,w->paqb", across, weights)
    exact = V[:p, 1:, :p]
    sd = np.sqrt(np.einsum("papa->pa", V[:p, :, :p]))
    error = np.abs(found - exact) / np.multiply.outer(sd[:, 1:], sd)
    # Covariances have kinks |h|^e, e = 2 nu less both orders, where points meet: differences err by
    # (step / lengthscale)^min(e, 4) times a share of the prior in the posterior variance.
    e = 2 * kernel.differentiability - np.add.outer(orders[1:], orders)[:, None]
    for least, bound in ((3, 1e-4), (5, 5e-6)):
        assert np.where(e >= least, error, 0).max() < bound


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_covariance_of_antiderivatives_is_the_double_integral(sine, kernel):
    post = condition(sine, kernel, "quadratic")
    # Covariances with the data have kinks there: a rule for each short piece between.
    ends = np.unique([*np.linspace(2.0, 3.0, 41), *sine[0]])
    u, w = np.polynomial.legendre.leggauss(8)
    half = np.diff(ends)[:, None] / 2
    nodes, weights = (ends[:-1, None] + half * (u + 1)).ravel(), (half * w).ravel()
    mean, V = post.antiderivative_moments(nodes, orders=[0])
    rows = np.stack([weights, weights * (3.0 - nodes)])  # F1(3) and F2(3) from 2
    found = post.antiderivative_moments([3.0], orders=[-1, -2], origin=2.0)
    npt.assert_allclose(found[0], rows @ mean, rtol=1e-10)
    # Left is the kink where nodes of a piece meet: length^(2 nu + 2) / 8^4 of the prior's variance.
    rtol = 1e-6 if kernel == wb.Matern(1.5) else 1e-9
    npt.assert_allclose(found[1], rows @ V @ rows.T, rtol=rtol)
    integral = post.integral(2.0, 3.0)
    npt.assert_allclose(integral[["mean", "sd"]], [found[0][0], np.sqrt(found[1][0, 0])], rtol=1e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_moving_the_origin(averaged, target):
    old, new = 2.0, 2.7
    points = np.concatenate([X, [new]])
    mean, V = averaged.antiderivative_moments(points, orders=(-2, -1), origin=old, target=target)
    shift = np.zeros((2 * len(X), 2 * len(points)))
    for i, x in enumerate(X):
        shift[2 * i, [2 * i, -2, -1]] = 1, -1, -(x - new)  # F2(x) - F2(o') - (x - o') F1(o')
        shift[2 * i + 1, [2 * i + 1, -1]] = 1, -1  # F1(x) - F1(o')
    found = averaged.antiderivative_moments(X, orders=(-2, -1), origin=new, target=target)
    npt.assert_allclose(found[0], shift @ mean, atol=1e-11)
    npt.assert_allclose(found[1], shift @ V @ shift.T, atol=1e-11)


def test_integral_is_a_difference_of_antiderivatives(post):
    mean, V = post.antiderivative_moments([2.2, 2.9], orders=[-1])
    found = post.integral(2.2, 2.9)
    npt.assert_allclose(found["mean"], mean[1] - mean[0], rtol=1e-11)
    npt.assert_allclose(found["sd"] ** 2, V[0, 0] + V[1, 1] - 2 * V[0, 1], rtol=1e-9)
    back = post.integral(2.9, 2.2)
    npt.assert_allclose(back[["mean", "sd"]], [-found["mean"], found["sd"]], rtol=1e-10)
    npt.assert_allclose(back["q025"], -found["q975"], rtol=1e-10)
    npt.assert_array_equal(post.integral(2.4, 2.4), 0.0)


@pytest.mark.usefixtures("few_modes")
def test_integrals_of_paths_have_the_law(post):
    u, w = np.polynomial.legendre.leggauss(40)
    nodes, weights = 2.0 + 0.5 * (u + 1), 0.5 * w
    paths = post.paths(samples=1000, rng=4, progress=False)
    drawn = paths.jets(nodes[:, None])[:, :, 0] @ weights
    found = post.integral(2.0, 3.0)
    bound = standard_bound(2, 1000)
    assert abs(drawn.mean() - found["mean"]) < bound * found["sd"] / np.sqrt(1000)
    assert abs(drawn.var() / found["sd"] ** 2 - 1) < bound * np.sqrt(2 / 1000)


# --- statistics, units, the data's scale ------------------------------------------------------


def test_statistics_are_a_mixture_over_draws(averaged):
    laws = []
    for draw in range(3):
        one = replace(averaged, draws=averaged.draws.isel(draw=[draw]))
        laws.append(one.antiderivative(X)["antiderivative"].sel(statistic=["mean", "sd"]))
    means, sds = np.stack(laws).transpose(1, 0, 2)
    expected = [*mixture.moments(means, sds), *mixture.quantiles(means, sds, (0.025, 0.5, 0.975))]
    ds = averaged.antiderivative(X)
    assert ds["antiderivative"].dims == ("statistic", "x")
    assert tuple(ds["statistic"].to_numpy()) == STATISTICS
    npt.assert_array_equal(ds["x"], X)
    npt.assert_allclose(ds["antiderivative"], expected, rtol=1e-10)
    mean, V = averaged.antiderivative_moments(X, orders=[-1])
    npt.assert_allclose([mean, np.sqrt(np.diag(V))], expected[:2], rtol=1e-10)


def test_rescaling_coordinates_and_values(sine):
    x, y = sine
    x_unit, y_unit, shift = 1000.0, 0.01, -7.0
    theta = {"lengthscale": 300.0, "amplitude": 0.008, "noise_sd": 0.0005}
    scaled = condition((x_unit * x + shift, y_unit * y), **theta)
    for order in (1, 2):
        plain = condition(sine).antiderivative(X, order=order)["antiderivative"]
        found = scaled.antiderivative(x_unit * X + shift, order=order)["antiderivative"]
        npt.assert_allclose(found, plain * y_unit * x_unit**order, rtol=1e-8)


@pytest.mark.parametrize("trend", TRENDS[1:])
def test_a_constant_added_to_the_values_adds_its_polynomial(sine, trend):
    x, y = sine
    origin = x.min()
    for order, grows in ((1, X - origin), (2, (X - origin) ** 2 / 2)):
        plain, raised = (condition(d, trend=trend) for d in (sine, (x, y + 100.0)))
        added = mean_of(raised, X, order=order) - mean_of(plain, X, order=order)
        npt.assert_allclose(added, 100.0 * grows, rtol=1e-8)


def test_origin_and_units_are_stated(sine):
    data = sine[0], np.exp(sine[1])
    for options, first, second in (
        ({"units": "kg"}, "kg m", "kg m2"),
        ({"units": "kg", "transform": "log"}, "m", "m2"),
        ({}, None, None),
    ):
        post = condition(data, **options)
        post = replace(post, data=replace(post.data, coordinate_units="m"))
        for order, units in ((1, first), (2, second)):
            variable = post.antiderivative(X, order=order)["antiderivative"]
            assert variable.attrs.get("units") == units
            assert variable.attrs["origin"] == data[0].min()
            assert variable.attrs["order"] == order
        assert post.integral(2, 3).attrs == {"a": 2.0, "b": 3.0, "units": first}
    assert post.antiderivative(X, origin=2.5)["antiderivative"].attrs["origin"] == 2.5


def test_at_the_origin_nothing_is_uncertain(averaged):
    for order in (1, 2):
        ds = averaged.antiderivative([2.3], origin=2.3, order=order)
        npt.assert_array_equal(ds["antiderivative"], 0.0)
    assert averaged.antiderivative([])["antiderivative"].shape == (5, 0)


def test_half_a_wave_is_covered():
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0, 1, 30)
        y = np.sin(2 * np.pi * x) + 0.05 * rng.standard_normal(30)
        found = condition((x, y)).integral(0, 0.5)
        covered += found["q025"] < 1 / np.pi < found["q975"]
        assert found["sd"] < 0.02
    # Fewer than 33 of 40 at 95% each has a chance of 7e-4.
    assert covered >= 33


# --- refusals ---------------------------------------------------------------------------------


def test_the_plane_is_refused(given):
    for call in (
        lambda: given.antiderivative(X),
        lambda: given.integral(0, 1),
        lambda: given.antiderivative_moments(X),
    ):
        with pytest.raises(
            ValueError, match=r"one coordinate; these have 2.*integrate\(polygons\)"
        ):
            call()


def test_a_kernel_without_closed_form_is_refused(sine):
    post = condition(sine, wb.Matern(3.3))
    with pytest.raises(ValueError, match=r"Use SquaredExponential\(\) or Matern\(nu\) with half"):
        post.antiderivative(X)
    mean, V = post.antiderivative_moments(X, orders=(0, 1))
    expected = post.jet_moments(X, order=1)
    npt.assert_allclose(mean.reshape(-1, 2), expected[0], rtol=1e-9)
    npt.assert_allclose(V[:2, :2], expected[1][0], rtol=1e-7)


def test_malformed_arguments_are_refused(post):
    with pytest.raises(ValueError, match="`order` must be 1 or 2; got 3"):
        post.antiderivative(X, order=3)
    with pytest.raises(ValueError, match=r"`x` must have shape \(p, 1\)"):
        post.antiderivative(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"`origin` must be one finite number, .*; got nan"):
        post.antiderivative(X, origin=np.nan)
    with pytest.raises(TypeError, match="must be an array of real numbers"):
        post.integral(0, "end")
    for orders in ((), (-3, 0), (0, 0), (0.5,)):
        with pytest.raises(ValueError, match="`orders` must be distinct numbers from -2 to 2"):
            post.antiderivative_moments(X, orders=orders)
    rough = replace(post, kernel=wb.Matern(1.5))
    with pytest.raises(ValueError, match="do not have a Hessian"):
        rough.antiderivative_moments(X)


def test_measured_slopes_are_data_of_antiderivatives_too(sine):
    x, y = sine
    slopes = (np.array([2.2, 2.9]), np.array([1.0, -3.0]), 0.1)
    post = wb.FieldModel().condition(
        (x, y), lengthscale=0.5, amplitude=1.0, noise_sd=0.2, gradient_data=slopes
    )
    mean, V = post.jet_moments(X)
    found, joint = post.antiderivative_moments(X, orders=(0, 1, 2))
    npt.assert_allclose(found.reshape(mean.shape), mean, rtol=1e-9, atol=1e-9)
    each = np.moveaxis(joint.reshape(len(X), 3, len(X), 3).diagonal(axis1=0, axis2=2), -1, 0)
    npt.assert_allclose(each, V, atol=1e-8)
    field = post.jet_moments([2.5], order=0)[0][0, 0]
    F = post.antiderivative([2.499, 2.501]).antiderivative.sel(statistic="mean").to_numpy()
    npt.assert_allclose((F[1] - F[0]) / 2e-3, field, atol=1e-4)


def test_dates_are_positions_too(sine):
    days = 30 * (sine[0] - sine[0].min())
    series = pd.Series(sine[1], index=pd.Timestamp("2020-01-01") + pd.to_timedelta(days, "D"))
    given = {"lengthscale": 15.0, "amplitude": 1.0, "noise_sd": 0.2}
    dated = wb.FieldModel().condition(series, **given)
    plain = wb.FieldModel().condition((days, sine[1]), **given)
    start = series.index.min()
    ends = pd.DatetimeIndex([start + pd.Timedelta(5, "D"), start + pd.Timedelta(20, "D")])
    ds = dated.antiderivative(ends)
    assert list(ds.time.to_numpy()) == list(ends.to_numpy())
    npt.assert_allclose(ds.antiderivative, plain.antiderivative([5.0, 20.0]).antiderivative)
    npt.assert_allclose(dated.integral(*ends), plain.integral(5.0, 20.0), rtol=1e-8)
