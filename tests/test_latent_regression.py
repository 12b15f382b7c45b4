"""Covariates of counts, presence and absence: coefficients, and targets with their gradient."""

import warnings

import numpy as np
import numpy.testing as npt
import pytest
from test_regression import hill

import womble as wb

RNG = np.random.default_rng(40)
SITES = RNG.uniform(0, 10, (150, 2))
POINTS = RNG.uniform(2, 8, (5, 2))
ELEV = hill(SITES)[:, 0]
FIELD = np.sin(SITES[:, 0])
COUNTS = RNG.poisson(np.exp(1.0 + 0.15 * ELEV + FIELD))
GIVEN = {"lengthscale": 3.0, "amplitude": 1.0}
KNOWN = {"covariates": {"elev": ELEV}, "covariate_fields": {"elev": hill}}
MODEL = wb.FieldModel(likelihood="poisson")
TARGETS = ["surface", "process", "total", "covariates"]


@pytest.fixture(scope="module")
def laplace():
    return MODEL.condition((SITES, COUNTS), **KNOWN, **GIVEN)


@pytest.fixture(scope="module")
def nuts():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        return MODEL.condition(
            (SITES, COUNTS), **KNOWN, **GIVEN, inference="nuts", draws=100, tune=100, chains=2,
            rng=1, progress=False,
        )  # fmt: skip


def test_the_coefficient_is_recovered(laplace, nuts):
    for post in (laplace, nuts):
        row = post.coefficients().loc["elev"]
        assert abs(row["mean"] - 0.15) < 4 * row["sd"]
        assert row["sd"] < 0.1
    ours, theirs = (post.coefficients().loc["elev"] for post in (laplace, nuts))
    # Of 200 draws at least a hundred are effective: four standard errors.
    assert abs(ours["mean"] - theirs["mean"]) < 4 * ours["sd"] / 10
    assert theirs["sd"] == pytest.approx(ours["sd"], rel=0.3)


def test_a_normal_response_is_the_exact_engine():
    """Student's law with a million degrees of freedom, by Laplace, is Gaussian noise."""
    values = 0.5 * ELEV + FIELD + 0.2 * RNG.standard_normal(150)
    exact = wb.FieldModel().condition((SITES, values), **KNOWN, **GIVEN, noise_sd=0.2)
    student = wb.FieldModel(likelihood="student_t").condition(
        (SITES, values), **KNOWN, **GIVEN, noise_scale=0.2, degrees_of_freedom=1e8
    )
    for target in TARGETS:
        ours, theirs = (p.jet_moments(POINTS, target=target) for p in (student, exact))
        npt.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
        npt.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-6)
    npt.assert_allclose(student.coefficients(), exact.coefficients(), rtol=1e-5)


@pytest.mark.parametrize("which", ["laplace", "nuts"])
def test_the_targets_add_up(which, request):
    post = request.getfixturevalue(which)
    mean = {t: post.jet_moments(POINTS, target=t)[0] for t in TARGETS}
    npt.assert_allclose(mean["total"], mean["surface"] + mean["covariates"], atol=1e-8)
    coefficient = post.coefficients().loc["elev", "mean"]
    npt.assert_allclose(mean["covariates"][:, 1:], coefficient * hill(POINTS)[:, 1:], rtol=1e-6)


@pytest.mark.parametrize("which", ["laplace", "nuts"])
def test_paths_follow_the_target(which, request):
    post = request.getfixturevalue(which)
    drawn = post.paths(samples=40, target="covariates", rng=1, progress=False).jets(POINTS)
    ratio = drawn[:, :, 1:5] / hill(POINTS)[:, 1:5]
    npt.assert_allclose(ratio, ratio[:, :1, :1] * np.ones((5, 4)), rtol=1e-6)  # one beta a path
    total = post.paths(samples=40, target="total", rng=1, progress=False).jets(POINTS)
    mean, covariance = post.jet_moments(POINTS, target="total")
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    # 30 means of 40 draws: five standard errors.
    assert np.abs((total.mean(axis=0) - mean) / sd).max() < 5 / np.sqrt(40)


def test_more_sites_than_a_covariance_is_for(laplace, monkeypatch):
    monkeypatch.setattr("womble.latent_model.DENSE_LIMIT", 100)
    waves = MODEL.condition((SITES, COUNTS), **KNOWN, **GIVEN)
    assert "waves" in waves.engine
    ours, theirs = (post.coefficients().loc["elev"] for post in (waves, laplace))
    npt.assert_allclose(ours, theirs, rtol=0.02)  # the waves hold 99% of the variance
    for target in TARGETS:
        mean, covariance = waves.jet_moments(POINTS, order=1, target=target)
        exact, _ = laplace.jet_moments(POINTS, order=1, target=target)
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        npt.assert_allclose(mean / sd, exact / sd, atol=0.1)


def test_files_keep_what_is_on_a_raster(tmp_path):
    import xarray as xr

    axis = np.linspace(-1, 11, 60)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    raster = xr.DataArray(hill(points)[:, 0].reshape(60, 60), {"y": axis, "x": axis})
    post = MODEL.condition((SITES, COUNTS), covariate_fields={"elev": raster}, **GIVEN)
    post.save(tmp_path / "p.nc")
    again = wb.load(tmp_path / "p.nc")
    ours, theirs = (p.jet_moments(POINTS, target="total") for p in (post, again))
    for a, b in zip(ours, theirs, strict=True):
        npt.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
