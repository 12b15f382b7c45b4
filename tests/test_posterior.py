"""What a Posterior answers: summaries, moments averaged over draws, and refusals."""

from dataclasses import replace

import arviz
import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from cases import TRUTH

import womble as wb
from womble.hyperparameters import PLAIN

POINTS = np.array([[181020.0, 332030.0], [181055.5, 332071.0], [181090.0, 332008.0]])


def few(post, count):
    """The same posterior with the first draws of the first chain only."""
    return replace(post, draws=post.draws.isel(chain=[0], draw=slice(count)))


# --- hyperparameters -------------------------------------------------------------------------


def test_summary_is_of_the_draws(fitted):
    summary = fitted.summary()
    assert list(summary.index) == list(PLAIN.names)
    assert list(summary.columns) == [
        *("mean", "sd", "q025", "q50", "q975", "units", "ess_bulk", "ess_tail", "r_hat")
    ]
    assert list(summary["units"]) == ["m", "mg kg-1", "mg kg-1"]
    for name in PLAIN.names:
        x, row = fitted.draws[name].to_numpy(), summary.loc[name]
        npt.assert_allclose([row["mean"], row["sd"]], [x.mean(), x.std()], rtol=1e-12)
        npt.assert_allclose(
            row[["q025", "q50", "q975"]].astype(float),
            np.quantile(x, [0.025, 0.5, 0.975]),
            rtol=1e-12,
        )
        assert row["ess_bulk"] >= 1
        assert 0.9 < row["r_hat"] < 1.2


def test_summary_of_logarithms_has_no_response_units(zinc):
    post = wb.FieldModel().condition(zinc, "zinc", transform="log", **TRUTH)
    assert list(post.summary()["units"]) == ["m", "1", "1"]


def test_summary_of_given_hyperparameters(given):
    summary = given.summary()
    npt.assert_array_equal(summary["mean"], list(TRUTH.values()))
    npt.assert_array_equal(summary["sd"], 0.0)
    assert summary[["ess_bulk", "ess_tail", "r_hat"]].isna().all(axis=None)


def test_inference_data_is_the_installed_arvizs_own(fitted):
    found = fitted.inference_data
    expected = xr.DataTree if int(arviz.__version__.split(".")[0]) >= 1 else arviz.InferenceData
    assert isinstance(found, expected)
    npt.assert_array_equal(found["posterior"]["amplitude"], fitted.draws["amplitude"])
    npt.assert_array_equal(found["sample_stats"]["lp"], fitted.sample_stats["lp"])


def test_arviz_takes_inference_data(fitted):
    summary, found = fitted.summary(), fitted.inference_data
    r_hat, ess = arviz.rhat(found), arviz.ess(found, method="tail")
    for name in PLAIN.names:
        # InferenceData gives a Dataset, DataTree a tree with the group in it.
        at = name if name in r_hat else f"posterior/{name}"
        npt.assert_allclose(float(r_hat[at]), summary.loc[name, "r_hat"], rtol=1e-12)
        npt.assert_allclose(float(ess[at]), summary.loc[name, "ess_tail"], rtol=1e-12)


def test_inference_data_of_given_hyperparameters_has_no_statistics(given):
    found = given.inference_data
    assert found["posterior"]["lengthscale"].item() == TRUTH["lengthscale"]
    with pytest.raises(KeyError):
        found["sample_stats"]


# --- moments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["surface", "process"])
def test_moments_follow_the_law_of_total_variance(zinc, fitted, target):
    post = few(fitted, 5)
    means, covariances = [], []
    for draw in range(5):
        theta = {name: float(post.draws[name][0, draw]) for name in PLAIN.names}
        one = wb.FieldModel().condition(zinc, "zinc", **theta)
        mean, covariance = one.jet_moments(POINTS, target=target)
        means.append(mean)
        covariances.append(covariance)
    mean, covariance = post.jet_moments(POINTS, target=target)
    deviations = np.array(means) - np.mean(means, axis=0)
    between = np.einsum("spa,spb->pab", deviations, deviations) / 5
    npt.assert_allclose(mean, np.mean(means, axis=0), rtol=1e-10)
    npt.assert_allclose(covariance, np.mean(covariances, axis=0) + between, rtol=1e-10)


def test_lower_orders_are_parts_of_the_jet(fitted):
    post = few(fitted, 5)
    mean, covariance = post.jet_moments(POINTS)
    for order, size in ((0, 1), (1, 3)):
        lower, block = post.jet_moments(POINTS, order=order)
        npt.assert_allclose(lower, mean[:, :size], rtol=1e-10)
        npt.assert_allclose(block, covariance[:, :size, :size], rtol=1e-9)


def test_points_may_be_geometry(given):
    geometry = gpd.GeoSeries(gpd.points_from_xy(*POINTS.T), crs="EPSG:28992")
    for ours, theirs in zip(
        given.jet_moments(geometry), given.jet_moments(POINTS.tolist()), strict=True
    ):
        npt.assert_array_equal(ours, theirs)


def test_samples_are_taken_without_replacement(fitted):
    post = few(fitted, 12)
    units = np.array([post.data.scaling.length, *[post.data.scaling.scale] * 2])
    thetas = post.ensemble("surface", 12, np.random.default_rng(0)).thetas
    drawn = np.array([PLAIN.vector(theta) for theta in thetas]) * units
    table = np.column_stack([post.draws[name].to_numpy().ravel() for name in PLAIN.names])
    # NUTS repeats a draw where it stays put: compare as multisets.
    npt.assert_allclose(np.sort(drawn, axis=0), np.sort(table, axis=0), rtol=1e-14)


def test_without_a_number_all_draws_count(fitted):
    ensemble = fitted.ensemble("surface", None, np.random.default_rng(0))
    assert (len(ensemble.thetas), ensemble.repeats, ensemble.size) == (400, 1, 400)


def test_all_samples_are_all_draws_whatever_the_seed(fitted):
    post = few(fitted, 6)
    everything = post.jet_moments(POINTS, order=1)
    for rng in (0, np.random.default_rng(1)):
        for ours, theirs in zip(
            post.jet_moments(POINTS, order=1, samples=6, rng=rng), everything, strict=True
        ):
            npt.assert_allclose(ours, theirs, rtol=1e-9)


def test_given_hyperparameters_allow_any_number_of_samples(given):
    ensemble = given.ensemble("surface", 5000, np.random.default_rng(0))
    assert (len(ensemble.thetas), ensemble.size) == (1, 5000)


# --- one dimension ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line():
    """A sine almost without noise, along a line."""
    x = np.linspace(0, 10, 41)
    return wb.FieldModel().condition((x, np.sin(x)), lengthscale=3.0, amplitude=1.0, noise_sd=1e-3)


def test_one_dimension_has_value_slope_and_curvature(line):
    at = np.linspace(2, 8, 7)
    mean, covariance = line.jet_moments(at)
    assert mean.shape == (7, 3)
    assert covariance.shape == (7, 3, 3)
    exact = np.column_stack([np.sin(at), np.cos(at), -np.sin(at)])
    # The field's own posterior says how far off it may be.
    assert np.all(np.abs(mean - exact) < 4 * np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))
    npt.assert_allclose(mean, exact, atol=0.02)


@pytest.mark.parametrize("method", ["boundaries", "boundary_draws", "excursions"])
def test_one_dimension_has_no_lines(line, method):
    with pytest.raises(
        ValueError, match=r"needs data in the plane; .* 1 coordinate.*change_points\(\)"
    ):
        getattr(line, method)()


def test_three_dimensions_have_no_surface():
    coords = np.random.default_rng(1).uniform(size=(20, 3))
    post = wb.FieldModel().condition((coords, coords[:, 0]), **TRUTH)
    with pytest.raises(ValueError, match=r"line or in the plane; these have 3 .*jet_moments"):
        post.surface()


# --- refusals --------------------------------------------------------------------------------


def test_too_many_samples(fitted):
    with pytest.raises(ValueError, match="at most the number of posterior draws, 400; got 401"):
        fitted.jet_moments(POINTS, samples=401)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"samples": 1}, "`samples` must be at least 2; got 1"),
        ({"target": "trend"}, "`target` must be one of 'surface', 'process'"),
        ({"order": 3}, "`order` must be 0, 1 or 2; got 3"),
    ],
)
def test_bad_options_of_jet_moments(given, option, message):
    with pytest.raises(ValueError, match=message):
        given.jet_moments(POINTS, **option)


def test_rough_kernels_have_no_hessian(zinc):
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition(zinc, "zinc", **TRUTH)
    assert post.jet_moments(POINTS, order=1)[0].shape == (3, 3)
    with pytest.raises(ValueError, match=r"no mean-square derivative of order 2.*nu > 2"):
        post.jet_moments(POINTS)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([181020.0, 332030.0], r"`points` must have shape \(p, 2\)"),
        (np.zeros((4, 3)), r"`points` must have shape \(p, 2\).*got \(4, 3\)"),
        ([[181020.0, np.nan]], "`points` must be finite; 1 of 1 locations"),
    ],
)
def test_bad_points(given, points, message):
    with pytest.raises(ValueError, match=message):
        given.jet_moments(points)
