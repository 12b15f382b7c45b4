"""Values below a detection limit or above a gauge's range."""

import warnings

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
from scipy import stats
from test_likelihoods import central

import womble as wb
from womble.likelihoods import Gaussian, _mills

RNG = np.random.default_rng(8)
N = 60
SITES = RNG.uniform(0, 10, (N, 2))
TRUTH = np.sin(SITES[:, 0] / 2) + SITES[:, 1] / 10
Y = TRUTH + 0.3 * RNG.standard_normal(N)
LIMIT = 0.2
BELOW = Y < LIMIT
SEEN = np.where(BELOW, LIMIT, Y)
GIVEN = {"lengthscale": 4.0, "amplitude": 1.0, "noise_sd": 0.3}
POINTS = RNG.uniform(1, 9, (8, 2))
QUIET = {"progress": False}
# Smooth enough for a few waves to hold all of the field.
SMOOTH = wb.FieldModel(kernel=wb.SquaredExponential(), trend="none")


# -- the likelihood --------------------------------------------------------------------------------


def test_mills_ratio_in_both_tails():
    import mpmath as mp

    with mp.workdps(50):
        for t in (-1e4, -101.0, -99.0, -30.0, -1.0, 0.0, 2.0, 10.0):
            T = mp.mpf(t)
            m = mp.npdf(T) / mp.ncdf(T)
            exact = m, m * (m + T), m * (1 - (T + m) * (T + 2 * m))
            found = _mills(np.array([t]))
            # The slope is a difference of numbers near 1: its absolute error is what matters.
            for ours, theirs, rtol in zip(found, exact, (1e-13, 1e-11, 1e-9), strict=True):
                npt.assert_allclose(ours[0], float(theirs), rtol=rtol, atol=1e-10 * (t < -20))


def law(kind):
    rng = np.random.default_rng(1)
    censored = np.resize([-1.0, 0.0, 1.0], 30)
    share, known = rng.uniform(0.2, 1, 30), rng.uniform(0, 0.2, 30)
    return Gaussian(rng.normal(size=30), censored=censored, share=share, known=known)


def test_it_is_the_probability_of_what_was_seen():
    observed, eta = law(0), np.linspace(-2, 2, 30)
    s = np.sqrt(observed.share * 0.7**2 + observed.known)
    normal = stats.norm(eta, s)
    expected = np.select(
        [observed.censored < 0, observed.censored > 0],
        [normal.logcdf(observed.y), normal.logsf(observed.y)],
        normal.logpdf(observed.y),
    )
    npt.assert_allclose(observed.terms(eta, np.array([0.7])).value, expected, rtol=1e-12)


def test_terms_are_derivatives():
    observed, eta, tau = law(0), np.linspace(-2, 2, 30), np.array([0.7])
    terms = observed.terms(eta, tau)
    for derivative, term, sign in (
        ("slope", "value", 1),
        ("information", "slope", -1),
        ("information_slope", "information", 1),
    ):
        by = central(lambda t, term=term: getattr(observed.terms(eta + t[0], tau), term), [0.0])[0]
        npt.assert_allclose(getattr(terms, derivative), sign * by, rtol=1e-7, atol=1e-8)
    for term in ("value", "slope", "information"):
        by = central(lambda p, term=term: getattr(observed.terms(eta, p), term), tau)
        npt.assert_allclose(getattr(terms, f"{term}_by"), by, rtol=1e-6, atol=1e-7)


# -- the field -------------------------------------------------------------------------------------


def exact_with_one_censored(row, limit, points):
    """Mean and sd of values where a single value is censored: of a normal cut off at the limit."""
    rest = np.delete(np.arange(N), row)
    post = SMOOTH.condition((SITES[rest], Y[rest]), **GIVEN)
    every = np.vstack([points, SITES[row]])
    ensemble = post.ensemble("surface", None, np.random.default_rng(0))
    mean, V = (x[0] for x in ensemble.condition(ensemble.thetas[0]).groups(every[None], 0))
    variance = V[-1, -1] + GIVEN["noise_sd"] ** 2  # of the measurement
    cut = stats.truncnorm(-np.inf, (limit - mean[-1]) / np.sqrt(variance))
    shift, spread = np.sqrt(variance) * cut.mean(), cut.var()
    gain = V[:-1, -1] / variance
    sd = np.sqrt(np.diag(V)[:-1] - gain**2 * variance * (1 - spread))
    return mean[:-1] + gain * shift, sd


def test_one_censored_value_against_the_exact_law():
    row = int(np.argmin(SITES[:, 0]))
    points = SITES[row] + np.array([[0.0, 0.0], [0.5, 0.3], [1.0, 1.0]])
    seen = Y.copy()
    seen[row] = TRUTH[row] - 0.4  # an unlikely limit, which draws the field down
    flags = np.arange(N) == row
    mean, sd = exact_with_one_censored(row, seen[row], points)
    laplace = SMOOTH.condition((SITES, seen), left_censored=flags, **GIVEN)
    found, covariance = laplace.jet_moments(points, order=0)
    uncensored, _ = SMOOTH.condition((SITES[~flags], Y[~flags]), **GIVEN).jet_moments(
        points, order=0
    )
    assert np.abs(mean - uncensored[:, 0]).max() > 0.3 * sd.max()  # it matters
    # A normal cut off at one side is not normal: Laplace's mean is its mode.
    npt.assert_allclose(found[:, 0], mean, atol=0.1 * sd.max())
    npt.assert_allclose(np.sqrt(covariance[:, 0, 0]), sd, rtol=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        nuts = SMOOTH.condition(
            (SITES, seen), left_censored=flags, inference="nuts", draws=400, tune=100, chains=2,
            rng=3, **QUIET, **GIVEN,
        )  # fmt: skip
    found, _ = nuts.jet_moments(points, order=0)
    # At least 200 effective draws: four standard errors.
    npt.assert_allclose(found[:, 0], mean, atol=4 * sd.max() / np.sqrt(200))


def test_a_limit_far_above_tells_nothing():
    flags = np.arange(N) == 3
    seen = np.where(flags, 1e3, Y)
    post = SMOOTH.condition((SITES, seen), left_censored=flags, **GIVEN)
    rest = SMOOTH.condition((SITES[~flags], Y[~flags]), **GIVEN)
    for ours, theirs in zip(post.jet_moments(POINTS), rest.jet_moments(POINTS), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8)
    assert np.isfinite(post.paths(samples=3, rng=1, **QUIET).jets(POINTS)).all()


def test_above_is_below_upside_down():
    model = wb.FieldModel()
    below = model.condition((SITES, SEEN), left_censored=BELOW, **GIVEN)
    above = model.condition((SITES, -SEEN), right_censored=BELOW, **GIVEN)
    ours, theirs = below.jet_moments(POINTS), above.jet_moments(POINTS)
    npt.assert_allclose(ours[0], -theirs[0], rtol=1e-9, atol=1e-10)
    npt.assert_allclose(ours[1], theirs[1], rtol=1e-9, atol=1e-10)


def test_limits_are_not_taken_for_values():
    """43% of the values are below the limit: what substitution gets wrong is put right."""
    points = np.stack(np.meshgrid(np.arange(1, 10), np.arange(1, 10)), axis=-1).reshape(-1, 2)
    truth = np.sin(points[:, 0] / 2) + points[:, 1] / 10
    low = truth < LIMIT - 0.5
    model, found = wb.FieldModel(), {}
    for name, flags in (("limit", None), ("censored", BELOW)):
        post = model.condition((SITES, SEEN), left_censored=flags, **GIVEN)
        found[name] = np.mean(post.jet_moments(points, order=0)[0][low, 0] - truth[low])
    assert found["limit"] > 0.4
    assert abs(found["censored"]) < 0.3


def test_a_fit_recovers_the_noise_and_comes_back(tmp_path):
    frame = gpd.GeoDataFrame(
        {"zinc": np.exp(SEEN), "nd": BELOW}, geometry=gpd.points_from_xy(*(1000 * SITES.T))
    )
    frame.attrs["units"] = {"zinc": "mg kg-1"}
    post = wb.FieldModel().fit(
        frame, "zinc", left_censored="nd", transform="log", inference="laplace", draws=1000, rng=2,
        **QUIET,
    )  # fmt: skip
    low, high = post.summary().loc["noise_sd", ["q025", "q975"]]
    assert low < 0.3 < high
    assert f"gaussian, {BELOW.sum()} values censored" in post.engine
    assert post.data.link_units == "ln(re 1 mg kg-1)"
    assert post.data.field_name() == "log zinc"
    post.save(tmp_path / "c.nc")
    again = wb.load(tmp_path / "c.nc")
    where = 1000 * POINTS
    for ours, theirs in zip(post.jet_moments(where), again.jet_moments(where), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-12)
    grid = wb.Grid.from_data(frame, spacing=2000.0)
    ds = post.surface(grid, scale="response", samples=50, rng=1, **QUIET)
    assert (ds["value"].sel(statistic="q50") > 0).all()


def test_weights_and_known_noise_of_censored_values():
    sd, m = np.linspace(0.05, 0.3, N), RNG.integers(1, 4, N)
    total = np.sqrt(0.3**2 / m + sd**2)
    both, known = (
        SMOOTH.condition((SITES, SEEN), left_censored=BELOW, **(GIVEN | given))
        for given in (
            {"weights": m, "measurement_sd": sd},
            {"measurement_sd": total, "noise_sd": 1e-9},
        )
    )
    for ours, theirs in zip(both.jet_moments(POINTS), known.jet_moments(POINTS), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


def test_none_censored_is_the_exact_model():
    post = wb.FieldModel().condition((SITES, Y), left_censored=np.zeros(N), **GIVEN)
    assert post.data.response is None
    assert "dense" in post.engine


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left_censored": 2 * BELOW}, "`left_censored` must be true or false .* are neither"),
        ({"left_censored": np.ones(N)}, "at least some values must be known; all 60 are censored"),
        (
            {"left_censored": BELOW, "right_censored": BELOW},
            "below or above its limit, not both",
        ),
        ({"left_censored": "nd"}, "`left_censored` must name a column"),
        ({"left_censored": BELOW, "engine": "dense"}, "and censored values, which has an engine"),
        (
            {"left_censored": BELOW, "gradient_data": (SITES[:2], SITES[:2], 0.1)},
            "cannot be combined with censored values",
        ),
        ({"left_censored": BELOW, "noise_sd": 0.0}, "`noise_sd` must be positive"),
    ],
)
def test_what_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        wb.FieldModel().condition((SITES, SEEN), **(GIVEN | options))


def test_censoring_belongs_to_gaussian_noise():
    with pytest.raises(ValueError, match="`left_censored` or `right_censored` is for likelihood"):
        wb.FieldModel(likelihood="gamma").fit((SITES, np.exp(SEEN)), left_censored=BELOW)
    with pytest.raises(ValueError, match=r"'nuts', 'laplace' with .* and censored values"):
        wb.FieldModel().fit((SITES, SEEN), left_censored=BELOW, inference="importance")
