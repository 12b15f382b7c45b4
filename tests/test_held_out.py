"""Data held out: covariates, dates, and what the fit had; predictions against brute force."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble.covariance import Scale, jet_covariance
from womble.held_out import held_out_data

GIVEN = {"lengthscale": 3.0, "amplitude": 0.8, "noise_sd": 0.2}
KERNEL = wb.Matern(nu=3.5)


def frame(count, seed):
    """Values of a number, a category, and something smooth."""
    rng = np.random.default_rng(seed)
    coords = rng.uniform(0, 10, (count, 2))
    depth, soil = rng.uniform(5, 9, count), np.resize(["clay", "peat", "sand"], count)
    values = 0.5 * depth + 1.5 * (soil == "peat") + np.sin(coords[:, 0]) + rng.normal(0, 0.2, count)
    columns = {"zinc": values, "depth": depth, "soil": soil}
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(*coords.T))


def xy(points):
    return np.column_stack([points.geometry.x, points.geometry.y])


@pytest.fixture(scope="module")
def seen():
    return frame(50, 1)


@pytest.fixture(scope="module")
def held():
    """Eight others, two of them at one site with other soils."""
    others = frame(8, 2)
    others.loc[1, "geometry"] = others.geometry.iloc[0]
    return others


def conditioned(seen, model=None, **more):
    model = wb.FieldModel(trend="linear") if model is None else model
    return model.condition(seen, "zinc", covariates=["depth", "soil"], **GIVEN, **more)


def terms(points, post, seen):
    """Trend and covariates with standardised columns, shape (p, 6)."""
    scaling = post.data.scaling
    depth = (points["depth"] - seen["depth"].mean()) / seen["depth"].std(ddof=0)
    soils = [points["soil"] == level for level in ("peat", "sand")]
    at = (xy(points) - scaling.origin) / scaling.length
    return np.column_stack([np.ones(len(points)), at, depth, *soils]).astype(float)


def by_hand(post, seen, held, stretch=None):
    """Mean and variance of each noisy observation from the joint normal of all."""
    stretch = np.eye(2) if stretch is None else stretch
    scale = Scale(GIVEN["amplitude"], GIVEN["lengthscale"])

    def k(s, t):
        h = (xy(s)[:, None] - xy(t)[None]) @ stretch
        return jet_covariance(KERNEL, scale, h, 0)[..., 0, 0]

    prior = (10 * post.data.scaling.scale) ** 2
    H, X = terms(seen, post, seen), terms(held, post, seen)
    K = k(seen, seen) + prior * H @ H.T + GIVEN["noise_sd"] ** 2 * np.eye(len(seen))
    C = k(held, seen) + prior * X @ H.T
    V = GIVEN["amplitude"] ** 2 + prior * np.sum(X**2, axis=1) + GIVEN["noise_sd"] ** 2
    offset = seen["zinc"].mean()
    mean = offset + C @ np.linalg.solve(K, seen["zinc"] - offset)
    return mean, V - np.sum(C * np.linalg.solve(K, C.T).T, axis=1)


def test_held_out_data_with_covariates(seen, held):
    post = conditioned(seen)
    found = post.check(held).observations
    mean, variance = by_hand(post, seen, held)
    # Wide priors make K ill-conditioned, by 1e6 here.
    npt.assert_allclose(found["mean"], mean, rtol=1e-7)
    npt.assert_allclose(found["sd"], np.sqrt(variance), rtol=1e-7)
    npt.assert_array_equal(found["observed"], held["zinc"])


def test_anisotropic_fields_with_covariates(seen, held):
    model = wb.FieldModel(trend="linear", anisotropic=True)
    post = conditioned(seen, model, anisotropy=(2.0, 30.0))
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    axes = np.array([[c, -s], [s, c]])
    mean, variance = by_hand(post, seen, held, axes @ np.diag([0.5**0.5, 2**0.5]) @ axes.T)
    found = post.check(held).observations
    npt.assert_allclose(found["mean"], mean, rtol=1e-7)
    npt.assert_allclose(found["sd"], np.sqrt(variance), rtol=1e-7)


def test_covariates_as_arrays_and_as_fields(seen, held):
    """The same numbers from columns, from a table and from a function of location."""

    def hill(points):
        x, y = points.T
        zero = np.zeros_like(x)
        return np.stack([x * y / 10, y / 10, x / 10, zero, zero + 0.1, zero], axis=1)

    a, b = (points.assign(hill=hill(xy(points))[:, 0]) for points in (seen, held))
    model = wb.FieldModel()
    named = model.condition(a, "zinc", covariates=["hill"], **GIVEN).check(b)
    post = model.condition(seen, "zinc", covariate_fields={"hill": hill}, **GIVEN)
    arrays = xy(held), held["zinc"].to_numpy()
    for found in (
        post.check(held),
        post.check(b),
        post.check(arrays),
        post.check(arrays, covariates={"hill": b["hill"]}),
        post.check(held, covariates=pd.DataFrame({"hill": b["hill"]})),
    ):
        npt.assert_allclose(found.observations["mean"], named.observations["mean"], rtol=1e-9)
        npt.assert_allclose(found.observations["sd"], named.observations["sd"], rtol=1e-9)


def test_observations_that_were_seen(seen):
    """Of a repeated measurement at a data site with its covariates: noise twice, field known."""
    post = conditioned(seen)
    again = post.check(seen.iloc[:5]).observations
    mean, variance = by_hand(post, seen, seen.iloc[:5])
    npt.assert_allclose(again["mean"], mean, rtol=1e-7)
    npt.assert_allclose(again["sd"], np.sqrt(variance), rtol=1e-7)


def test_rows_with_gaps_are_dropped(seen, held):
    gaps = held.copy()
    gaps.loc[2, "depth"] = np.nan
    gaps.loc[3, "zinc"] = np.nan
    with pytest.warns(UserWarning, match="1 of 8 rows has a missing"):
        found = conditioned(seen).check(gaps)
    assert list(found.observations.index) == [0, 1, 4, 5, 6, 7]
    whole = conditioned(seen).check(held).observations
    npt.assert_allclose(found.observations["mean"], whole["mean"].drop([2, 3]), rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"soil": "rock"}, r"covariate 'soil' must have levels that the fit had.*; got 'rock'"),
        ({"depth": np.inf}, "covariate 'depth' must be finite"),
        ({"zinc": np.inf}, "the values of `held_out` must be finite; 8 of 8"),
        ({"zinc": np.nan}, "`held_out` must have at least one row that is complete"),
    ],
)
@pytest.mark.filterwarnings("ignore:8 of 8 rows")
def test_values_that_cannot_be_used(seen, held, change, message):
    with pytest.raises(ValueError, match=message):
        conditioned(seen).check(held.assign(**change))


def test_what_is_missing_is_named(seen, held):
    post = conditioned(seen)
    with pytest.raises(ValueError, match="'depth' are not there"):
        post.check(held.drop(columns="depth"))
    with pytest.raises(ValueError, match="must hold all of the model's, depth, soil; soil are not"):
        post.check(held, covariates=["depth"])
    with pytest.raises(TypeError, match="Give a DataFrame or a dict of arrays"):
        post.check((xy(held), held["zinc"].to_numpy()))
    with pytest.raises(TypeError, match="`depth` must be an array of real numbers"):
        post.check(held.assign(depth="deep"))
    line = np.arange(8.0), held["zinc"].to_numpy()
    with pytest.raises(ValueError, match=r"must have 2 coordinate\(s\), as the data; got 1"):
        held_out_data(line, post.data)


def test_logarithms_need_positive_values(seen, held):
    logs = wb.FieldModel().condition(
        seen.assign(zinc=np.exp(seen["zinc"])), "zinc", transform="log", **GIVEN
    )
    plain = wb.FieldModel().condition(seen, "zinc", **GIVEN)
    found = logs.check(held.assign(zinc=np.exp(held["zinc"]))).observations
    npt.assert_allclose(
        found["log_density"], plain.check(held).observations["log_density"], rtol=1e-7
    )
    with pytest.raises(
        ValueError, match=r"must be positive, as the model is of logarithms; 8 of 8"
    ):
        logs.check(held.assign(zinc=-1.0))


def test_dates_count_from_the_data_s_first():
    days = pd.date_range("2024-03-01", periods=40)
    level = pd.Series(np.sin(np.arange(40) / 5), index=days, name="level")
    post = wb.FieldModel().condition(level, lengthscale=8.0, amplitude=1.0, noise_sd=0.1)
    later = pd.Series(
        [0.1, 0.2], index=pd.to_datetime(["2024-03-10 12:00", "2024-04-12 00:00"]), name="level"
    )
    found = post.check(later).observations
    npt.assert_allclose(found["mean"], post.jet_moments([9.5, 42.0], order=0)[0][:, 0], rtol=1e-10)


def test_known_noise_is_part_of_predictions(seen, held):
    post = wb.FieldModel().condition(seen, "zinc", measurement_sd=0.3, **GIVEN)
    with pytest.raises(ValueError, match="`measurement_sd` must be given for `held_out` too"):
        post.check(held)
    with pytest.raises(ValueError, match="`measurement_sd` must be finite and at least 0"):
        post.check(held, measurement_sd=-1.0)
    exact, noisy = (post.check(held, measurement_sd=sd).observations for sd in (0.0, 0.5))
    npt.assert_allclose(noisy["sd"] ** 2 - exact["sd"] ** 2, 0.25, rtol=1e-8)
