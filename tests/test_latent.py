"""Responses that are not Gaussian, from the model to maps, lines and files."""

import warnings

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from cases import difference_jets
from scipy.special import expit

import womble as wb

QUIET = {"progress": False}
GIVEN = {"lengthscale": 40.0, "amplitude": 1.0}
PARAMETERS = {
    "student_t": {"noise_scale": 0.3, "degrees_of_freedom": 4.0},
    "poisson": {},
    "negative_binomial": {"dispersion": 0.3},
    "bernoulli": {},
    "binomial": {},
    "gamma": {"shape": 3.0},
}
POINTS = np.array([[20.0, 30.0], [50.0, 50.0], [80.0, 60.0]])


def truth(coords):
    return np.sin(coords[:, 0] / 20) + coords[:, 1] / 100


@pytest.fixture(scope="module")
def frame():
    """Sixty sites on 100 m x 100 m with a response of every kind."""
    rng = np.random.default_rng(8)
    coords = rng.uniform(0, 100, (60, 2))
    eta = truth(coords)
    hours, tries = rng.uniform(1, 3, 60), rng.integers(2, 8, 60)
    columns = {
        "student_t": eta + 0.3 * rng.standard_t(4, 60),
        "poisson": rng.poisson(hours * np.exp(eta)),
        "negative_binomial": rng.negative_binomial(3, 3 / (3 + np.exp(eta))),
        "bernoulli": (rng.random(60) < expit(eta)).astype(int),
        "binomial": rng.binomial(tries, expit(eta)),
        "gamma": rng.gamma(3, np.exp(eta) / 3),
        "hours": hours,
        "tries": tries,
    }
    geometry = gpd.points_from_xy(*coords.T, crs="EPSG:28992")
    return gpd.GeoDataFrame(columns, geometry=geometry)


def options(name):
    """Arguments that a likelihood needs or takes."""
    more = {"poisson": {"exposure": "hours"}, "binomial": {"trials": "tries"}}
    return more.get(name, {})


@pytest.fixture(scope="module")
def given(frame):
    """Every likelihood by Laplace's approximation at given hyperparameters."""
    return {
        name: wb.FieldModel(likelihood=name).condition(
            frame, name, **GIVEN, **parameters, **options(name)
        )
        for name, parameters in PARAMETERS.items()
    }


def fitted(frame, name, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        return wb.FieldModel(likelihood=name).fit(frame, name, rng=1, **settings, **QUIET)


@pytest.fixture(scope="module")
def sampled(frame):
    """Presence and absence by NUTS, few draws and few waves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("womble.latent_model.MOST_WAVES", 120)
        return fitted(frame, "bernoulli", draws=40, tune=40, chains=2)


@pytest.fixture(scope="module")
def approximated(frame):
    """Negative binomial counts by Laplace's approximation."""
    return fitted(frame, "negative_binomial", inference="laplace", draws=150)


# -- the field -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_the_truth_is_recovered(given, name):
    mean, covariance = given[name].jet_moments(POINTS, order=1)
    coords = POINTS
    exact = np.column_stack(
        [truth(coords), np.cos(coords[:, 0] / 20) / 20, np.full(len(coords), 0.01)]
    )
    z = (mean - exact) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    # Nine standardised errors: beyond 4 once in 2,000 times.
    assert np.abs(z).max() < 4


@pytest.mark.parametrize("name", ["poisson", "student_t"])
def test_mean_jets_and_paths_are_functions(given, sampled, name):
    post = given[name]
    ensemble = post.ensemble("surface", 2, np.random.default_rng(0))
    f = ensemble.condition(ensemble.thetas[0])
    step = 0.4  # a hundredth of the lengthscale: truncation 1e-8 / 480 of a sixth derivative
    differences = difference_jets(lambda s: f.mean(s, 0)[:, 0], POINTS, 2, step)
    npt.assert_allclose(f.mean(POINTS, 2), differences, atol=1e-7)
    # Paths have waves far shorter than the lengthscale, down to 0.5 m or so in the tail.
    step = 0.01
    for of in (post, sampled):
        path = of.paths(samples=2, rng=3, **QUIET).paths[0]
        differences = difference_jets(lambda s, p=path: p.jets(s, 0)[:, 0], POINTS, 1, step)
        npt.assert_allclose(path.jets(POINTS, 1), differences, atol=1e-6)
        differences = difference_jets(lambda s, p=path: p.jets(s, 1)[:, 1], POINTS, 1, step)
        hessian = path.jets(POINTS)[:, [3, 4]]
        npt.assert_allclose(hessian, differences[:, 1:], atol=1e-5)


def test_paths_have_the_moments(given):
    post = given["poisson"]
    mean, covariance = post.jet_moments(POINTS)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    jets = post.paths(samples=400, rng=4, **QUIET).jets(POINTS)
    # Five standard errors of a mean, and of an sd.
    npt.assert_allclose((jets.mean(axis=0) - mean) / sd, 0, atol=5 / np.sqrt(400))
    npt.assert_allclose(jets.std(axis=0) / sd, 1, atol=5 / np.sqrt(800))


def test_nuts_and_laplace_agree_where_counts_are_many(frame):
    rng = np.random.default_rng(2)
    many = frame.assign(many=rng.poisson(30 * np.exp(truth(frame.get_coordinates().to_numpy()))))
    model = wb.FieldModel(likelihood="poisson")
    laplace = model.condition(many, "many", **GIVEN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        nuts = model.condition(
            many, "many", **GIVEN, inference="nuts", draws=150, tune=100, chains=2, rng=1, **QUIET
        )
    mean, covariance = laplace.jet_moments(POINTS)
    theirs, their_covariance = nuts.jet_moments(POINTS)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    their_sd = np.sqrt(np.diagonal(their_covariance, axis1=1, axis2=2))
    # 300 draws, at least 150 of them effective: five standard errors; and the skewness of counts.
    npt.assert_allclose((theirs - mean) / sd, 0, atol=5 / np.sqrt(150))
    npt.assert_allclose(their_sd / sd, 1, atol=5 / np.sqrt(300))


def test_exposure_makes_rates(frame):
    # Counts k times as long at the same rate: the field is the same but for its certainty.
    model = wb.FieldModel(likelihood="poisson")
    once = model.condition(frame, "poisson", **GIVEN, exposure="hours")
    minutes = model.condition(frame, "poisson", **GIVEN, exposure=60 * frame["hours"].to_numpy())
    a, b = (post.jet_moments(POINTS)[0] for post in (once, minutes))
    npt.assert_allclose(a[:, 0] - b[:, 0], np.log(60), atol=1e-6)
    npt.assert_allclose(a[:, 1:], b[:, 1:], atol=1e-6)


# -- fits ------------------------------------------------------------------------------------------


def test_a_fit_by_nuts_says_what_it_did(sampled):
    assert "bernoulli, NUTS over field and all" in sampled.engine
    assert "of the variance of values" in sampled.engine
    summary = sampled.summary()
    assert list(summary.index) == ["lengthscale", "amplitude"]
    assert summary.loc["amplitude", "units"] == "1"
    assert sampled.draws.sizes["draw"] == 40
    lines = sampled.boundaries(kind="level", levels=[0.0], rng=2, **QUIET)
    assert lines.attrs["womble"]["kind"] == "level"


def test_a_fit_by_laplace_says_what_it_did(approximated):
    assert "by the covariance of the sites" in approximated.engine
    summary = approximated.summary()
    assert list(summary.index) == ["lengthscale", "amplitude", "dispersion"]
    assert 0 < summary.loc["dispersion", "ess_bulk"] <= approximated.sample_stats["points"]
    assert summary["r_hat"].isna().all()
    curve = gpd.GeoSeries.from_wkt(["LINESTRING (20 20, 80 70)"], crs="EPSG:28992")
    table = approximated.womble(curve, samples=20, rng=1, **QUIET)
    assert np.isfinite(table["gradient_mean"]).all()


def test_the_same_seed_gives_the_same_fit(frame, approximated):
    again = fitted(frame, "negative_binomial", inference="laplace", draws=150)
    xr.testing.assert_identical(again.draws, approximated.draws)


def test_many_sites_take_waves(frame, monkeypatch):
    from womble import latent_model

    monkeypatch.setattr(latent_model, "DENSE_LIMIT", 50)
    monkeypatch.setattr(latent_model, "PILOT_SITES", 40)
    monkeypatch.setattr(latent_model, "MOST_WAVES", 50)
    post = fitted(frame, "poisson", inference="laplace", draws=40, exposure="hours")
    assert "waves that at lengthscale" in post.engine
    mean, covariance = post.jet_moments(POINTS, order=1)
    z = (mean[:, 0] - truth(POINTS)) / np.sqrt(covariance[:, 0, 0])
    assert np.abs(z).max() < 4


# -- scales, names, files --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "inverse"), [("poisson", np.exp), ("bernoulli", expit)])
def test_the_response_scale_is_the_inverse_link(given, name, inverse):
    post = given[name]
    grid = wb.Grid.from_data(post.data, spacing=30.0, mask=None)
    ds = post.surface(grid, scale="response", samples=400, rng=1, **QUIET)
    link = post.surface(grid, samples=400, rng=1, **QUIET)
    # The median follows any increasing function; of 400 draws against the closed form.
    sd = link["value"].sel(statistic="sd")
    median = inverse(link["value"].sel(statistic="q50"))
    error = np.abs(ds["value"].sel(statistic="q50") - median) / (median * sd)
    assert float(error.max()) < 5 * 1.2533 / np.sqrt(400)
    assert bool(np.isnan(ds["value"].sel(statistic="mean")).all()) == (name == "poisson")
    expected = {"poisson": "rate of poisson", "bernoulli": "probability of bernoulli"}
    assert ds["value"].attrs["long_name"] == expected[name]


def test_units_of_links(given):
    assert given["bernoulli"].data.link_units == "1"
    assert given["student_t"].data.link == "identity"
    assert given["gamma"].data.field_name() == "log gamma"
    assert given["binomial"].data.field_name() == "logit probability of binomial"


@pytest.mark.parametrize("which", ["given", "sampled", "approximated"])
def test_files_bring_it_back(which, request, tmp_path):
    post = request.getfixturevalue(which)
    post = post["binomial"] if which == "given" else post
    post.save(tmp_path / "fit.nc")
    loaded = wb.load(tmp_path / "fit.nc")
    assert loaded.engine == post.engine
    assert loaded.summary().equals(post.summary())
    for a, b in zip(
        loaded.jet_moments(POINTS, samples=20, rng=1),
        post.jet_moments(POINTS, samples=20, rng=1),
        strict=True,
    ):
        npt.assert_array_equal(a, b)


# -- the door --------------------------------------------------------------------------------------

REFUSED = [
    ("poisson", {"value": "gamma"}, r"must be counts: whole numbers.* Densities are counts per"),
    ("bernoulli", {"value": "poisson"}, "must be 0 or 1"),
    ("gamma", {"value": "poisson"}, "must be positive"),
    ("binomial", {"value": "binomial"}, "needs `trials`"),
    ("binomial", {"value": "tries", "trials": "binomial"}, "must be at most whole `trials`"),
    ("poisson", {"exposure": "nothing"}, "`exposure` must name a column"),
    ("poisson", {"exposure": np.zeros(60)}, "`exposure` must be positive and finite; 60 of 60"),
    ("poisson", {"exposure": [1.0]}, "one entry for each of the 60 rows of the data; got shape"),
    ("bernoulli", {"exposure": "hours"}, "`exposure` is for likelihood 'poisson'"),
    ("poisson", {"inference": "guess"}, "`inference` must be one of 'nuts', 'laplace' with"),
    ("gaussian", {"value": "gamma", "inference": "laplace"}, "integrated out exactly"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), REFUSED)
def test_what_cannot_be_used_is_refused(frame, name, arguments, message):
    arguments = {"value": name} | arguments
    with pytest.raises(ValueError, match=message):
        wb.FieldModel(likelihood=name).fit(frame, **arguments)


def test_unknown_likelihoods_are_refused():
    with pytest.raises(ValueError, match=r"`likelihood` must be one of .* got 'cauchy'"):
        wb.FieldModel(likelihood="cauchy")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gamma", {}, "needs `shape`; got nothing"),
        ("poisson", {"noise_sd": 1.0}, "needs nothing; got `noise_sd`"),
        ("gamma", {"shape": 0.0}, "`shape` must be positive"),
    ],
)
def test_parameters_are_those_of_the_likelihood(frame, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        wb.FieldModel(likelihood=name).condition(frame, name, **GIVEN, **arguments)


def test_points_far_from_the_data_are_refused(sampled):
    with pytest.raises(ValueError, match="a fifth of its side around it"):
        sampled.jet_moments([[500.0, 50.0]])


def test_the_null_test_needs_normal_data(sampled):
    with pytest.raises(ValueError, match=r"null_test\(\) needs likelihood='gaussian'"):
        sampled.null_test(gpd.GeoDataFrame())
