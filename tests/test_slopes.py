"""Observed slopes and known noise: brute-force normal algebra, differences, paths, files."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from cases import KERNELS, TARGETS, TRENDS, highest_order, standard_bound
from scipy.sparse import csr_array
from scipy.stats import multivariate_normal

import womble as wb
from womble import jet
from womble.covariance import Scale, jet_covariance
from womble.engines.dense import DenseEngine
from womble.functional import Functional
from womble.hyperparameters import Layout, Theta
from womble.kernels import Matern, Sum
from womble.replicate import Simulator
from womble.slopes import Slopes
from womble.trend import COEFFICIENT_SD, Trend

RNG = np.random.default_rng(7)
THETA = Theta((Scale(1.1, 0.8),), 0.3)
TWICE = Theta((Scale(1.1, 0.8), Scale(0.6, 0.3)), 0.3)
SUM = Sum((Matern(2.5), Matern(3.5)))


def observations(d, n=14, m=6):
    """Sites, data [y; g] and slopes; two slopes share a place, one lies at a value's."""
    coords, x = RNG.uniform(-1.2, 1.2, (n, d)), RNG.uniform(-1.2, 1.2, (m, d))
    x[1], x[2] = x[0], coords[0]
    u = RNG.standard_normal((m, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    g, sd = np.cos(2 * x[:, 0]), RNG.uniform(0.1, 0.4, m)
    values = np.concatenate([np.sin(2 * coords[:, 0]), g])
    return coords, values, Slopes(x, u, g, sd), RNG.uniform(0.0, 0.2, n)


SETS = {d: observations(d) for d in (1, 2)}
POINTS = {1: np.array([[0.1], [-0.6]]), 2: np.array([[0.1, -0.2], [-0.5, 0.4]])}
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
every_dimension = pytest.mark.parametrize("d", [1, 2])


def engine_of(kernel, trend, d):
    coords, values, slopes, sd = SETS[d]
    return DenseEngine(kernel, Trend(trend), coords, values, sd, slopes)


def brute_force(kernel, trend, d, theta, points, order, target="surface"):
    """Mean (p c,) and covariance of jets at `points`, and K, from one large normal vector."""
    coords, values, slopes, sd = SETS[d]
    everywhere = np.concatenate([points, coords, slopes.coords])
    V = jet_covariance(kernel, theta.scales, everywhere[:, None] - everywhere, order)
    c = V.shape[-1]
    V = V.transpose(0, 2, 1, 3).reshape(len(everywhere) * c, -1)
    H = COEFFICIENT_SD * Trend(trend).jets(everywhere, order).reshape(len(V), -1)
    p, n, m = len(points), len(coords), len(slopes.values)
    A = np.zeros((n + m, len(V)))
    A[np.arange(n), c * (p + np.arange(n))] = 1
    for j in range(m):
        A[n + j, c * (p + n + j) + 1 + np.arange(d)] = slopes.directions[j]
    noise = np.concatenate([theta.noise_sd**2 + sd**2, slopes.noise_sd**2])
    K = A @ (V + H @ H.T) @ A.T + np.diag(noise)
    if target == "surface":
        V = V + H @ H.T
    C = (V @ A.T)[: p * c]
    mean = C @ np.linalg.solve(K, values)
    return mean, V[: p * c, : p * c] - C @ np.linalg.solve(K, C.T), K


@every_kernel
@every_dimension
@pytest.mark.parametrize("trend", TRENDS)
def test_log_likelihood_is_the_normal_log_density(kernel, trend, d):
    value, _ = engine_of(kernel, trend, d).log_likelihood(THETA)
    *_, K = brute_force(kernel, trend, d, THETA, POINTS[d], 1)
    expected = multivariate_normal(np.zeros(len(K)), K).logpdf(SETS[d][1])
    npt.assert_allclose(value, expected, rtol=1e-9)  # K has a condition number of 1e5


@pytest.mark.parametrize(
    ("kernel", "theta"), [*((k, THETA) for k in KERNELS), (Matern(1.2), THETA), (SUM, TWICE)]
)
@every_dimension
def test_gradient_of_log_likelihood_is_its_difference(kernel, theta, d):
    engine, layout = engine_of(kernel, "linear", d), Layout.of(kernel)
    _, gradient = engine.log_likelihood(theta)
    vector, step = layout.vector(theta), 1e-4
    assert len(gradient) == len(vector)
    for i, exact in enumerate(gradient):

        def central(step, i=i):
            e = step * np.eye(len(vector))[i]
            plus, minus = (engine.log_likelihood(layout.theta(vector + h))[0] for h in (e, -e))
            return (plus - minus) / (2 * step)

        difference = (4 * central(step / 2) - central(step)) / 3
        # Rounding: K has a condition number of 1e5, so 1e-11 in the value over the step.
        npt.assert_allclose(exact, difference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("trend", ["none", "quadratic"])
@pytest.mark.parametrize("target", TARGETS)
@every_kernel
@every_dimension
def test_moments_are_those_of_the_conditional_normal(kernel, trend, target, d):
    order = highest_order(kernel)
    conditional = engine_of(kernel, trend, d).condition(THETA, target)
    mean, covariance, _ = brute_force(kernel, trend, d, THETA, POINTS[d], order, target)
    sd = np.sqrt(np.diag(covariance))
    size = np.outer(sd, sd)
    npt.assert_allclose(conditional.mean(POINTS[d], order).ravel() / sd, mean / sd, atol=1e-9)
    ours = conditional.groups(POINTS[d][None], order)
    npt.assert_allclose(ours[0][0] / sd, mean / sd, atol=1e-9)
    npt.assert_allclose(ours[1][0] / size, covariance / size, atol=1e-8)
    weights = RNG.standard_normal((3, len(mean)))
    rows = conditional.joint(Functional(POINTS[d], csr_array(weights), order))
    sd = np.sqrt(np.diag(weights @ covariance @ weights.T))
    npt.assert_allclose(rows[0] / sd, weights @ mean / sd, atol=1e-9)
    expected = weights @ covariance @ weights.T
    npt.assert_allclose(rows[1] / np.outer(sd, sd), expected / np.outer(sd, sd), atol=1e-8)


@pytest.mark.parametrize(("kernel", "theta"), [(Matern(2.5), THETA), (SUM, TWICE)])
@every_dimension
def test_paths_have_the_conditional_law(kernel, theta, d, few_modes):
    count = 400
    conditional = engine_of(kernel, "linear", d).condition(theta)
    mean, covariance = (x[0] for x in conditional.groups(POINTS[d][None], 2))
    box, rng = np.array([[-1.3] * d, [1.3] * d]), np.random.default_rng(1)
    drawn = np.array([conditional.path(rng, box).jets(POINTS[d], 2).ravel() for _ in range(count)])
    sd = np.sqrt(np.diag(covariance))
    z = (drawn - mean) / sd
    correlation = covariance / np.outer(sd, sd)
    bound = standard_bound(len(sd) * (len(sd) + 3) // 2, count)
    assert np.abs(z.mean(axis=0)).max() * np.sqrt(count) < bound
    error = np.sqrt((1 + correlation**2) / count)
    assert (np.abs(z.T @ z / count - correlation) / error).max() < bound


def test_simulated_data_have_the_law_of_the_model(few_modes):
    engine, count = engine_of(Matern(2.5), "none", 2), 400
    simulator, rng = Simulator.at(engine, THETA), np.random.default_rng(2)
    drawn = np.array([simulator.values(rng) for _ in range(count)])
    *_, K = brute_force(Matern(2.5), "none", 2, THETA, POINTS[2], 1)
    sd = np.sqrt(np.diag(K))
    correlation, z = K / np.outer(sd, sd), drawn / sd
    error = np.sqrt((1 + correlation**2) / count)
    bound = standard_bound(len(K) * (len(K) + 1) // 2, count)
    assert (np.abs(z.T @ z / count - correlation) / error).max() < bound


# -- the public door -------------------------------------------------------------------------------

GIVEN = {"lengthscale": 300.0, "amplitude": 4.0, "noise_sd": 0.5}
SITES = np.random.default_rng(1).uniform(0, 1000, (30, 2))
Y = 20 + 3 * np.sin(SITES[:, 0] / 150) + 0.002 * SITES[:, 1]
WELLS = np.array([[200.0, 300.0], [650.0, 500.0], [800.0, 120.0]])
DIPS = np.array([[0.01, -0.02], [np.nan, 0.015], [-0.005, np.nan]])
MODEL = wb.FieldModel(trend="linear")


def test_slopes_almost_without_noise_are_reproduced():
    post = MODEL.condition((SITES, Y), gradient_data=(WELLS, DIPS, 1e-7), **GIVEN)
    mean, covariance = post.jet_moments(WELLS)
    known = ~np.isnan(DIPS)
    npt.assert_allclose(jet.gradient(mean)[known], DIPS[known], atol=1e-6)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[:, 1:3]
    assert (sd[known] < 2e-7).all()
    assert (sd[~known] > 1e-4).all()
    paths = post.paths(samples=3, rng=1, progress=False).jets(WELLS, 1)
    npt.assert_allclose(jet.gradient(paths)[:, known], np.tile(DIPS[known], (3, 1)), atol=1e-6)


def test_slopes_along_the_axes_are_gradients_whatever_the_length_of_their_directions():
    directions = np.array([[2.0, 0.0], [0.0, 0.1], [0.0, 3.0], [1.0, 0.0]])
    places = WELLS[[0, 0, 1, 2]]
    along = (places, directions, np.array([0.01, -0.02, 0.015, -0.005]), [1e-3, 2e-3, 4e-3, 5e-3])
    noise = np.array([[1e-3, 2e-3], [np.nan, 4e-3], [5e-3, np.nan]])
    one = MODEL.condition((SITES, Y), gradient_data=(WELLS, DIPS, noise), **GIVEN)
    other = MODEL.condition((SITES, Y), gradient_data=along, **GIVEN)
    for ours, theirs in zip(one.jet_moments(WELLS), other.jet_moments(WELLS), strict=True):
        npt.assert_array_equal(ours, theirs)


def test_units_of_length_and_response_do_not_matter():
    one = MODEL.condition((SITES, Y), gradient_data=(WELLS, DIPS, 1e-3), **GIVEN)
    other = MODEL.condition(
        (SITES / 1000, 100 * Y),
        gradient_data=(WELLS / 1000, 1e5 * DIPS, 1e2),
        lengthscale=0.3,
        amplitude=400.0,
        noise_sd=50.0,
    )
    units = 100 * 1000.0 ** np.array([0, 1, 1, 2, 2, 2])
    npt.assert_allclose(other.jet_moments(WELLS / 1000)[0], one.jet_moments(WELLS)[0] * units)


def test_known_noise_adds_to_the_other():
    plain = MODEL.condition((SITES, Y), **(GIVEN | {"noise_sd": np.hypot(0.5, 0.7)}))
    both = MODEL.condition((SITES, Y), measurement_sd=0.7, **GIVEN)
    npt.assert_allclose(both.jet_moments(WELLS)[0], plain.jet_moments(WELLS)[0], rtol=1e-9)
    # A value without any noise is passed through, one of no precision says nothing.
    sd = np.zeros(30)
    sd[5] = 1e5
    exact = MODEL.condition((SITES, Y), measurement_sd=sd, **(GIVEN | {"noise_sd": 0.0}))
    without = MODEL.condition(
        (np.delete(SITES, 5, 0), np.delete(Y, 5)), **(GIVEN | {"noise_sd": 0.0})
    )
    found = exact.jet_moments(SITES, order=0)[0][:, 0]
    npt.assert_allclose(np.delete(found, 5), np.delete(Y, 5), atol=1e-5)
    # The prior of the trend is on the scale of the data, which differ by a value.
    npt.assert_allclose(found[5], without.jet_moments(SITES[5:6], order=0)[0][0, 0], atol=1e-2)


def test_known_noise_follows_the_rows_that_are_kept():
    values, sd = Y.copy(), np.linspace(0.1, 1, 30)
    values[[3, 20]] = np.nan
    frame = gpd.GeoDataFrame({"v": values, "sd": sd}, geometry=gpd.points_from_xy(*SITES.T))
    with pytest.warns(UserWarning, match="2 of 30 rows have a missing value"):
        post = MODEL.condition(frame, "v", measurement_sd="sd", **GIVEN)
    npt.assert_array_equal(post.data.measurement_sd, np.delete(sd, [3, 20]))
    axes = {"y": np.arange(5.0), "x": np.arange(6.0)}
    raster = xr.DataArray(Y.reshape(5, 6), axes, name="v")
    given = {"lengthscale": 2.0, "amplitude": 3.0, "noise_sd": 0.1}
    errors = xr.DataArray(sd.reshape(5, 6), axes).transpose("x", "y")
    post = MODEL.condition(raster, measurement_sd=errors, **given)
    npt.assert_array_equal(post.data.measurement_sd, sd)


def test_a_fit_uses_both_and_comes_back_from_its_file(tmp_path):
    truth = np.stack([0.02 * np.cos(SITES[:8, 0] / 150), np.full(8, 0.002)], axis=1)
    with pytest.warns(UserWarning, match=r"single chain|few effective"):
        post = MODEL.fit(
            (SITES, Y),
            measurement_sd=np.linspace(0.05, 0.2, 30),
            gradient_data=(SITES[:8], truth, 5e-4),
            draws=20,
            tune=40,
            chains=1,
            rng=1,
            progress=False,
        )
    mean, _ = post.jet_moments(SITES[:8])
    npt.assert_allclose(jet.gradient(mean), truth, atol=4 * 5e-4)
    post.save(tmp_path / "post.nc")
    again = wb.load(tmp_path / "post.nc")
    npt.assert_array_equal(again.data.measurement_sd, post.data.measurement_sd)
    for name, array in vars(post.data.slopes).items():
        npt.assert_array_equal(getattr(again.data.slopes, name), array)
    for ours, loaded in zip(post.jet_moments(WELLS), again.jet_moments(WELLS), strict=True):
        npt.assert_array_equal(ours, loaded)


def test_slopes_on_a_line():
    x, slopes = np.linspace(0, 10, 15), (np.array([2.5, 7.5]), np.cos([2.5, 7.5]), 1e-6)
    given = {"lengthscale": 3.0, "amplitude": 1.0, "noise_sd": 0.1}
    post = wb.FieldModel().condition((x, np.sin(x)), gradient_data=slopes, **given)
    npt.assert_allclose(post.jet_moments([2.5, 7.5])[0][:, 1], np.cos([2.5, 7.5]), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"gradient_data": WELLS}, TypeError, r"must be a tuple \(coords, gradients, .*got nda"),
        ({"gradient_data": (WELLS, DIPS)}, TypeError, "got a tuple of 2"),
        ({"gradient_data": (WELLS, DIPS[:2], 1.0)}, ValueError, r"gradients .* shape \(3, 2\)"),
        ({"gradient_data": (WELLS, DIPS, [1, 2])}, ValueError, "must be a number, one a location"),
        ({"gradient_data": (WELLS, DIPS, -1.0)}, ValueError, "finite and at least 0 wherever"),
        ({"gradient_data": (WELLS, DIPS * np.nan, 1.0)}, ValueError, "at least one slope that is"),
        ({"gradient_data": (WELLS, DIPS * np.inf, 1.0)}, ValueError, "got infinity"),
        (
            {"gradient_data": (WELLS, 0 * WELLS, np.ones(3), 1.0)},
            ValueError,
            "finite vectors other than 0",
        ),
        (
            {"gradient_data": (gpd.GeoSeries.from_xy(*WELLS.T, crs=28992), DIPS, 1.0)},
            ValueError,
            "`gradient_data` and the data must be in one CRS",
        ),
        ({"measurement_sd": "sd"}, ValueError, "must name a column of the GeoDataFrame; got 'sd'"),
        ({"measurement_sd": np.ones(29)}, ValueError, "one entry for each of the 30 rows"),
        ({"measurement_sd": np.full(30, -1.0)}, ValueError, "at least 0; 30 of 30 are not"),
    ],
)
def test_what_cannot_be_used_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        MODEL.condition((SITES, Y), **GIVEN, **options)


def test_anisotropic_fields_take_known_noise_and_no_slopes():
    model, given = wb.FieldModel(anisotropic=True), GIVEN | {"anisotropy": (3.0, 30.0)}
    with pytest.raises(ValueError, match="`gradient_data` needs an isotropic field"):
        model.condition((SITES, Y), gradient_data=(WELLS, DIPS, 1.0), **given)
    both = model.condition((SITES, Y), measurement_sd=0.7, **given)
    plain = model.condition((SITES, Y), **(given | {"noise_sd": np.hypot(0.5, 0.7)}))
    npt.assert_allclose(both.jet_moments(WELLS)[0], plain.jet_moments(WELLS)[0], rtol=1e-9)
