"""Data held out: covariates, dates, and what the fit had; predictions against brute force."""

import warnings
from dataclasses import replace

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from scipy.stats import norm

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


# --- behind other likelihoods ---------------------------------------------------------------------

NEARLY_NORMAL = {"noise_scale": 0.2, "degrees_of_freedom": 1e8}
HYPER = {"lengthscale": 3.0, "amplitude": 0.8}


def test_normal_responses_are_checked_as_the_exact_engine_checks_them(seen, held):
    """Student's law with 1e8 degrees of freedom: left out, in blocks, and held out."""
    named = {"covariates": ["depth", "soil"]}
    exact = wb.FieldModel().condition(seen, "zinc", **named, **GIVEN)
    model = wb.FieldModel(likelihood="student_t")
    post = model.condition(seen, "zinc", **named, **HYPER, **NEARLY_NORMAL)
    pairs = [(p.check(), p.cross_validate(folds=4, rng=1), p.check(held)) for p in (post, exact)]
    for ours, theirs in zip(*pairs, strict=True):
        for score in ("observed", "mean", "sd", "log_density"):
            expected = theirs.observations[score]
            npt.assert_allclose(ours.observations[score], expected, rtol=1e-5, atol=1e-5)
        # CRPS from 1,000 draws an observation.
        npt.assert_allclose(ours.table["crps"], theirs.table["crps"], rtol=0.03)


def hill(points):
    """Known everywhere, with its jets."""
    x, y = points.T
    zero = np.zeros_like(x)
    return np.stack([x * y / 10, y / 10, x / 10, zero, zero + 0.1, zero], axis=1)


@pytest.mark.parametrize("kind", ["sites", "waves", "draws", "exact"])
def test_sites_with_covariates_are_the_total_where_those_are_known(seen, kind):
    known = {"covariate_fields": {"hill": hill}}
    points = np.random.default_rng(4).uniform(2, 8, (6, 2))
    if kind == "exact":
        post = wb.FieldModel().condition(seen, "zinc", **known, **GIVEN)
    else:
        more = {"inference": "laplace"}
        if kind != "sites":
            more = {"inference": "nuts", "draws": 5, "tune": 5, "chains": 1, "rng": 1}
        model = wb.FieldModel(likelihood="student_t")
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setattr("womble.latent_model.MOST_WAVES", 60)
            warnings.simplefilter("ignore", UserWarning)  # few draws
            parameters = HYPER | {"noise_scale": 0.2, "degrees_of_freedom": 4.0}
            post = model.condition(seen, "zinc", **known, **parameters, **more, progress=False)
    surface, total = (
        post.ensemble(t, None, np.random.default_rng(0)) for t in ("surface", "total")
    )
    theta = surface.thetas[0] if kind != "waves" else replace(surface.thetas[0], weights=None)
    design = post.data.covariates.of_rows(pd.DataFrame({"hill": hill(points)[:, 0]}))
    mean, variance = surface.condition(theta).at_sites(points, design)
    expected, covariance = total.condition(theta).groups(points[:, None], 0)
    npt.assert_allclose(mean, expected[:, 0], rtol=1e-9)
    npt.assert_allclose(variance, covariance[:, 0, 0], rtol=1e-8, atol=1e-12)
    box = np.array([[0.0, 0.0], [10.0, 10.0]])
    ours, theirs = (
        e.condition(theta).path(np.random.default_rng(3), box) for e in (surface, total)
    )
    npt.assert_allclose(ours.at_sites(points, design), theirs.jets(points, 0)[:, 0], rtol=1e-8)


def test_means_of_several_measurements_have_less_noise(seen, held):
    post = wb.FieldModel().condition(seen, "zinc", weights=2.0, **GIVEN)
    one, four = (post.check(held, weights=w).observations["sd"] for w in (1.0, 4.0))
    npt.assert_allclose(one**2 - four**2, 0.75 * GIVEN["noise_sd"] ** 2, rtol=1e-8)
    with pytest.raises(ValueError, match="`weights` must be given for `held_out` too"):
        post.check(held)


def test_a_censored_value_left_out_is_foretold_by_a_fit_without_it(seen, held):
    """The rest is Gaussian, and exact: P(below the limit), whose observed value is the limit."""
    model, below = wb.FieldModel(trend="none"), seen.index == 7
    post = model.condition(seen, "zinc", left_censored=below, **GIVEN)
    with pytest.raises(ValueError, match="needs values that are all known"):
        post.predictive_check()
    found = post.check(rng=1)
    row = found.observations.loc[7]
    rest = model.condition(seen[~below], "zinc", **GIVEN).check(seen[below]).observations.iloc[0]
    chance = norm.cdf(row["observed"], rest["mean"], rest["sd"])
    npt.assert_allclose(row["mean"], rest["mean"], rtol=1e-6)
    npt.assert_allclose(row["sd"], rest["sd"], rtol=1e-6)
    npt.assert_allclose(row["log_density"], np.log(chance), rtol=1e-6)
    assert 0 <= row["pit"] <= chance
    known = found.observations[~below]
    assert np.isnan(row["crps"])
    residual = known["observed"] - known["mean"]
    npt.assert_allclose(found.table["rmse"], np.sqrt((residual**2).mean()), rtol=1e-12)
    npt.assert_allclose(found.table["crps"], known["crps"].mean(), rtol=1e-12)
    plain = model.condition(seen, "zinc", **GIVEN)
    with pytest.raises(ValueError, match="0 and 1 have others censored"):
        wb.compare([post, plain])
    # Held-out values are known ones.
    new = post.check(held).observations
    mean, variance = (m[:, 0] for m in post.jet_moments(held, order=0))
    npt.assert_allclose(new["mean"], mean, rtol=1e-8)
    npt.assert_allclose(new["sd"] ** 2, variance[:, 0] + GIVEN["noise_sd"] ** 2, rtol=1e-6)
