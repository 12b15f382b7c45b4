"""Predicted observations: known laws, and the same as those that `check` scores."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from cases import TRUTH
from scipy.stats import norm, poisson

import womble as wb

QUIET = {"rng": 1, "progress": False}
SITES = np.array([[181020.0, 332030.0], [181080.0, 332060.0], [181300.0, 332500.0]])


def test_given_hyperparameters_make_it_normal(given):
    mean, cov = given.jet_moments(SITES, order=0)
    found = given.predict(SITES)
    sd = np.sqrt(cov[:, 0, 0] + TRUTH["noise_sd"] ** 2)
    npt.assert_allclose(found["mean"], mean[:, 0], rtol=1e-12)
    npt.assert_allclose(found["sd"], sd, rtol=1e-12)
    for name, level in {"q025": 0.025, "q50": 0.5, "q975": 0.975}.items():
        npt.assert_allclose(found[name], mean[:, 0] + sd * norm.ppf(level), rtol=1e-9)
    assert found.crs == given.data.crs
    assert found.attrs["units"]["mean"] == "mg kg-1"


def test_logarithms_come_back_as_log_normals(zinc, log_given):
    """Mean e^(m + v/2), variance (e^v - 1) e^(2m + v)."""
    logs = log_given.check(zinc.iloc[:4].translate(3.0).to_frame("geometry").assign(zinc=1.0))
    m, v = logs.observations["mean"], logs.observations["sd"] ** 2
    found = log_given.predict(zinc.iloc[:4].translate(3.0))
    npt.assert_allclose(found["mean"], np.exp(m + v / 2), rtol=1e-12)
    npt.assert_allclose(found["sd"], np.sqrt(np.expm1(v)) * np.exp(m + v / 2), rtol=1e-12)
    npt.assert_allclose(found["q50"], np.exp(m), rtol=1e-9)


def test_mixtures_hold_what_check_says_they_do(fitted, zinc):
    """An observation at the 2.5% quantile has a PIT of 0.025."""
    moved = zinc.iloc[:5].translate(4.0, 1.0).to_frame("geometry").set_index(pd.Index([*"abcde"]))
    found = fitted.predict(moved)
    assert [*found.index] == [*"abcde"]
    scored = fitted.check(moved.assign(zinc=found["q025"])).observations
    npt.assert_allclose(scored["pit"], 0.025, rtol=1e-9)
    npt.assert_allclose(scored["mean"], found["mean"], rtol=1e-12)
    npt.assert_allclose(scored["sd"], found["sd"], rtol=1e-9)


def test_known_noise_is_that_of_the_measurements_to_be_made(zinc):
    post = wb.FieldModel().condition(zinc, "zinc", measurement_sd=0.3, **TRUTH)
    exact, coarse = (post.predict(SITES, measurement_sd=sd)["sd"] for sd in (0.0, 2.0))
    npt.assert_allclose(coarse**2 - exact**2, 4.0, rtol=1e-9)
    with pytest.raises(ValueError, match="`measurement_sd` must be given for `sites` too"):
        post.predict(SITES)


def test_covariates_are_columns_of_the_sites(zinc):
    frame = zinc.assign(height=np.linspace(0, 1, 40))
    post = wb.FieldModel().condition(frame, "zinc", covariates=["height"], **TRUTH)
    sites = gpd.GeoDataFrame(
        {"height": [0.2, np.nan, 0.9]}, geometry=gpd.points_from_xy(*SITES.T), crs=zinc.crs
    )
    with pytest.warns(UserWarning, match="1 of 3"):
        found = post.predict(sites)
    assert [*found.index] == [0, 2]
    expected = post.check(sites.iloc[[0, 2]].assign(zinc=0.0)).observations
    npt.assert_allclose(found["mean"], expected["mean"], rtol=1e-12)
    with pytest.raises(ValueError, match="'height' are not there"):
        post.predict(sites[["geometry"]])


def test_counts(zinc):
    """Far from the data nothing but the prior's mean is left; the sd of 1,000 draws is 3%."""
    rng = np.random.default_rng(3)
    counts = (zinc.get_coordinates().to_numpy(), rng.poisson(20, 40).astype(float))
    known = {"lengthscale": 30.0, "amplitude": 1e-3}
    post = wb.FieldModel(likelihood="poisson").condition(counts, **known, **QUIET)
    found = post.predict(SITES, rng=1)
    rate = found["mean"]
    npt.assert_allclose(found["sd"], np.sqrt(rate), rtol=0.05)
    assert (np.abs(found["q025"] - poisson.ppf(0.025, rate)) <= 1).all()
    assert (np.abs(found["q975"] - poisson.ppf(0.975, rate)) <= 1).all()
    assert (found["q50"] == found["q50"].round()).all()


def test_logarithms_of_students_have_no_moments(zinc):
    known = {"lengthscale": 30.0, "amplitude": 0.4, "noise_scale": 0.05}
    model = wb.FieldModel(likelihood="student_t")
    post = model.condition(zinc, "zinc", transform="log", degrees_of_freedom=4.0, **known, **QUIET)
    found = post.predict(SITES, rng=1)
    assert found[["mean", "sd"]].isna().all(axis=None)
    mean, _ = post.jet_moments(SITES, order=0)
    npt.assert_allclose(np.log(found["q50"]), mean[:, 0], atol=0.1)  # of 1,000 draws, sd 0.4
    assert (found["q025"] < found["q50"]).all()


def test_censored_values_leave_new_ones_normal(zinc):
    below = zinc["zinc"] < zinc["zinc"].quantile(0.1)
    model = wb.FieldModel()
    post = model.condition(zinc, "zinc", left_censored=below, **TRUTH, **QUIET)
    found = post.predict(SITES)
    half = (found["q975"] - found["q025"]) / 2
    npt.assert_allclose(half, norm.ppf(0.975) * found["sd"], rtol=1e-4)


def test_dates_on_a_line():
    days = pd.date_range("2024-01-01", periods=30)
    series = pd.Series(np.sin(np.arange(30) / 5), index=days, name="level")
    known = {"lengthscale": 8.0, "amplitude": 1.0, "noise_sd": 0.1}
    post = wb.FieldModel().condition(series, **known)
    found = post.predict(np.array(["2024-01-10T12", "2024-02-02"], dtype="datetime64[ns]"))
    mean, _ = post.jet_moments(np.array([9.5, 32.0]), order=0)
    npt.assert_allclose(found["mean"], mean[:, 0], rtol=1e-9)
    assert not isinstance(found, gpd.GeoDataFrame)


def test_sites_in_another_crs(given, zinc):
    with pytest.raises(ValueError, match="`sites` must be in the data's CRS"):
        given.predict(zinc.geometry.to_crs("EPSG:32631"))
