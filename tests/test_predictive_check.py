"""Data sets that the model makes: their law at the sites, and statistics against the data's."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
from scipy.special import expit
from scipy.stats import chi2

import womble as wb
from womble.predictive_check import predictive_table, statistics_of

QUIET = {"progress": False}
GIVEN = {"lengthscale": 3.0, "amplitude": 0.8, "noise_sd": 0.3}
SAMPLES = 1000


@pytest.fixture(scope="module")
def sites():
    """Thirty sites, one of them twice, with covariates and responses of some kinds."""
    rng = np.random.default_rng(3)
    coords = rng.uniform(0, 10, (30, 2))
    coords[4] = coords[3]
    soil = np.resize(["clay", "peat"], 30)
    eta = np.sin(coords[:, 0] / 2) + 1.0 * (soil == "peat")
    hours, noise = rng.uniform(1, 3, 30), rng.uniform(0, 0.4, 30)
    columns = {
        "zinc": eta + rng.normal(0, 0.3, 30),
        "soil": soil,
        "error": noise,
        "birds": rng.poisson(hours * np.exp(eta)),
        "seen": (rng.random(30) < expit(eta)).astype(int),
        "hours": hours,
        "count": np.resize([1, 2, 5], 30),
    }
    frame = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(*coords.T))
    frame.attrs["units"] = {"zinc": "mg kg-1"}
    return frame


def require_law(made, mean, covariance):
    """Mean and covariance (n, n) of many independent data sets, to chi-squared limits."""
    count, n = made.shape
    deviation = (made - mean).mean(axis=0)
    distance = count * deviation @ np.linalg.solve(covariance, deviation)
    assert distance < chi2.ppf(0.9999, n)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (made - mean).T)
    # Each entry of the whitened covariance has sd 1 / sqrt(count), on the diagonal sqrt(2) times.
    npt.assert_allclose(white @ white.T / count, np.eye(n), atol=5.5 * np.sqrt(2 / count))


@pytest.mark.parametrize("anisotropic", [False, True])
def test_replicates_of_gaussian_data_have_their_closed_form(sites, anisotropic):
    """y* | y ~ N(y - N K^-1 y, 2 N - N K^-1 N): the field with covariates, and fresh noise."""
    model = wb.FieldModel(anisotropic=anisotropic)
    more = {"anisotropy": (2.0, 30.0)} if anisotropic else {}
    post = model.condition(
        sites, "zinc", covariates=["soil"], measurement_sd="error", weights="count", **GIVEN, **more
    )
    found = post.replicates(samples=SAMPLES, rng=1, **QUIET)
    assert found.dims == ("draw", "observation")
    assert found.attrs == {"long_name": "zinc", "units": "mg kg-1"}
    scaling = post.data.scaling
    theta = post.layout.theta(
        [post.draws[name].item() for name in post.layout.names] / post.layout.units(scaling)
    )
    engine, theta = post._engine.isotropic(theta)
    f = engine.condition(theta)
    noise = np.diag(engine.noise.variance(theta))
    precision = f.whitener.T @ f.whitener
    mean = engine.values - noise @ f.weights
    covariance = 2 * noise - noise @ precision @ noise
    require_law(scaling.values_in(found.to_numpy()), mean, covariance)


def test_replicates_of_counts(sites):
    """Means and variances over the field's normal law, which Laplace's approximation gives."""
    post = wb.FieldModel(likelihood="poisson").condition(
        sites, "birds", lengthscale=3.0, amplitude=0.8, exposure="hours"
    )
    made = post.replicates(samples=SAMPLES, rng=1, **QUIET)
    assert made.attrs["long_name"] == "birds"
    mean, covariance = post.jet_moments(sites, order=0)
    m, v = mean[:, 0], covariance[:, 0, 0]
    rate = sites["hours"] * np.exp(m + v / 2)
    variance = rate + rate**2 * np.expm1(v)
    error = (made.mean("draw") - rate) / np.sqrt(variance / SAMPLES)
    assert np.abs(error).max() < 4.5
    assert (made == np.floor(made)).all()
    # Twins share the field and not the counts: Cov = E[rate 3] E[rate 4] (e^v - 1).
    twins = np.cov(made[:, 3], made[:, 4])[0, 1]
    npt.assert_allclose(twins, rate[3] * rate[4] * np.expm1(v[3]), rtol=0.3)


def test_the_same_seed_gives_the_same_data(sites):
    post = wb.FieldModel().condition(sites, "zinc", **GIVEN)
    a, b = (post.replicates(samples=5, rng=7, **QUIET) for _ in range(2))
    npt.assert_array_equal(a, b)


def test_draws_of_the_hyperparameters_make_one_data_set_each(fitted):
    made = fitted.replicates(samples=150, rng=1, **QUIET)
    assert made.shape == (150, 40)
    table = fitted.predictive_check(samples=150, rng=1, **QUIET)
    npt.assert_allclose(table.loc["mean", "mean"], made.mean(), rtol=1e-12)
    assert list(table.index) == ["mean", "sd", "min", "max", "neighbours"]
    # The model made these data.
    assert table["p"].between(0.01, 0.99).all()
    with pytest.raises(ValueError, match="`samples` must be at most the number of posterior draws"):
        fitted.replicates(samples=401)


def test_tables_compare_statistics():
    made = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    table = predictive_table(made, np.array([1.0, 2.0]), {"mean": np.mean})
    row = table.loc["mean"]
    # Two of four are above the observed 1.5, one is equal.
    assert (row["observed"], row["mean"], row["p"]) == (1.5, 2.0, 0.625)


def test_statistics_suit_the_response(sites):
    given = {"lengthscale": 3.0, "amplitude": 0.8}
    presence = wb.FieldModel(likelihood="bernoulli").condition(sites, "seen", **given)
    counts = wb.FieldModel(likelihood="poisson").condition(sites, "birds", **given)
    assert list(statistics_of(presence.data)) == ["mean", "neighbours"]
    table = counts.predictive_check(samples=200, rng=1, **QUIET)
    assert list(table.index) == ["mean", "sd", "min", "max", "zeros", "neighbours"]
    assert table.loc["zeros", "observed"] == (sites["birds"] == 0).mean()
    own = counts.predictive_check(statistics={"even": lambda y: np.mean(y % 2)}, rng=1, **QUIET)
    assert list(own.index) == ["even"]


def test_neighbours_are_other_observations(sites):
    """Even where a site is repeated more often than there are neighbours."""
    many = sites.iloc[[0, *[3] * 8, *range(5, 25)]]
    post = wb.FieldModel().condition(many, "zinc", **GIVEN)
    y = post.data.values
    d = np.linalg.norm(post.data.coords[:, None] - post.data.coords, axis=-1)
    np.fill_diagonal(d, np.inf)
    found = statistics_of(post.data)["neighbours"]
    # Any four of the twins will do for a twin: they have the same value here.
    nearest = np.argsort(d, axis=1, kind="stable")[:, :4]
    npt.assert_allclose(found(y), np.corrcoef(y, y[nearest].mean(axis=1))[0, 1], rtol=1e-10)


def test_a_model_without_overdispersion_is_found_out():
    """Counts with variance m + m^2 under a Poisson law: too many zeros, too large an sd."""
    rng = np.random.default_rng(5)
    coords = rng.uniform(0, 10, (200, 2))
    counts = rng.negative_binomial(1, 1 / (1 + 4.0), 200)
    given = {"lengthscale": 8.0, "amplitude": 0.3}
    post = wb.FieldModel(likelihood="poisson").condition((coords, counts), **given)
    table = post.predictive_check(rng=1, **QUIET)
    assert table.loc["sd", "p"] < 0.01
    assert table.loc["zeros", "p"] < 0.01
