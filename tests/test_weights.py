"""Values that are means of several measurements."""

import numpy as np
import numpy.testing as npt
import pytest

import womble as wb
from womble.covariance import Scale
from womble.engines import spectral
from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.dense import DenseEngine
from womble.engines.disc import Disc
from womble.engines.noise_streams import NoiseStreams
from womble.engines.resolution import resolve, tail_share
from womble.engines.statistics import Statistics
from womble.hyperparameters import Layout, Theta
from womble.trend import Trend

RNG = np.random.default_rng(31)
SITES, COUNT = RNG.uniform(0, 10, (25, 2)), RNG.integers(1, 6, 25)
EACH = [np.sin(s[0]) + 0.5 * RNG.standard_normal(m) for s, m in zip(SITES, COUNT, strict=True)]
MEANS = np.array([x.mean() for x in EACH])
GIVEN = {"lengthscale": 3.0, "amplitude": 1.0, "noise_sd": 0.5}
POINTS = RNG.uniform(1, 9, (6, 2))
# Without a trend nothing depends on the scale of the data, which differs between rows and means.
MODEL = wb.FieldModel(trend="none")


def test_a_mean_is_worth_its_measurements():
    rows = MODEL.condition((np.repeat(SITES, COUNT, axis=0), np.concatenate(EACH)), **GIVEN)
    means = MODEL.condition((SITES, MEANS), weights=COUNT, **GIVEN)
    for ours, theirs in zip(means.jet_moments(POINTS), rows.jet_moments(POINTS), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_known_noise_comes_on_top():
    sd = np.linspace(0.1, 0.4, 25)
    both = MODEL.condition((SITES, MEANS), weights=COUNT, measurement_sd=sd, **GIVEN)
    total = np.sqrt(0.5**2 / COUNT + sd**2)
    known = MODEL.condition((SITES, MEANS), measurement_sd=total, **(GIVEN | {"noise_sd": 0.0}))
    for ours, theirs in zip(both.jet_moments(POINTS), known.jet_moments(POINTS), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("anisotropic", [False, True])
def test_the_gradient_of_the_likelihood_is_its_difference(anisotropic):
    kind, layout = (AnisotropicEngine if anisotropic else DenseEngine), Layout(1, anisotropic)
    engine = kind(wb.Matern(2.5), Trend("linear"), SITES / 5 - 1, MEANS, weights=1.0 * COUNT)
    at = np.array([0.8, 1.2, 0.4, 0.3, -0.2])[: 5 if anisotropic else 3]
    _, gradient = engine.log_likelihood(layout.theta(at))
    step = 1e-5
    differences = [
        (
            engine.log_likelihood_value(layout.theta(at + e))
            - engine.log_likelihood_value(layout.theta(at - e))
        )
        / (2 * step)
        for e in step * np.eye(len(at))
    ]
    # Central differences: step^2 = 1e-10 times third derivatives; rounding 1e-14 * 40 / 1e-5.
    npt.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6)


def test_weights_are_found_again(tmp_path):
    """2,000 simulated means: the noise of one measurement is recovered, and files keep weights."""
    rng = np.random.default_rng(5)
    x, m = np.sort(rng.uniform(0, 100, 400)), rng.integers(1, 20, 400)
    y = np.sin(x / 5) + 0.6 * rng.standard_normal(400) / np.sqrt(m)
    post = wb.FieldModel().fit(
        (x, y), weights=m, inference="importance", draws=600, rng=1, progress=False
    )
    noise = post.draws["noise_sd"]
    # sd of a standard deviation from 400 residuals: 0.6 / 800^(1/2) = 0.02.
    assert abs(float(noise.mean()) - 0.6) < 0.1
    post.save(tmp_path / "w.nc")
    again = wb.load(tmp_path / "w.nc")
    npt.assert_array_equal(again.data.weights, m)
    for ours, theirs in zip(post.jet_moments([50.0]), again.jet_moments([50.0]), strict=True):
        npt.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (0.0, "`weights` must be positive and finite; 25 of 25 are not"),
        (np.r_[np.nan, np.ones(24)], "`weights` must be positive and finite; 1 of 25 are not"),
        (np.ones(24), "`weights` must be a number or have one entry for each of the 25 rows"),
        ("m", "`weights` must name a column of the GeoDataFrame; got 'm'"),
    ],
)
def test_weights_that_cannot_be_used(weights, message):
    with pytest.raises(ValueError, match=message):
        MODEL.condition((SITES, MEANS), weights=weights, **GIVEN)


def test_where_weights_have_no_meaning():
    with pytest.raises(ValueError, match="`weights` needs likelihood='gaussian'"):
        wb.FieldModel(likelihood="gamma").fit((SITES, np.exp(MEANS)), weights=COUNT)


# -- the spectral engine ---------------------------------------------------------------------------

MANY, TIMES = RNG.uniform(0, 10, (800, 2)), RNG.integers(1, 6, 800)
LEVEL = np.sin(MANY[:, 0]) + 0.5 * RNG.standard_normal(800) / np.sqrt(TIMES)


@pytest.mark.parametrize("features", [2000, 10], ids=["factor", "paths"])
def test_the_spectral_engine_weighs_as_the_dense_one(features, monkeypatch):
    monkeypatch.setattr(spectral, "DENSE_FEATURES", features)
    dense, ours = (
        MODEL.condition((MANY, LEVEL), weights=TIMES, engine=engine, **GIVEN)
        for engine in ("dense", "spectral")
    )
    mean, covariance = dense.jet_moments(POINTS)
    m, V = ours.jet_moments(POINTS, samples=100)
    sd, s = (np.sqrt(np.diagonal(x, axis1=1, axis2=2)) for x in (covariance, V))
    npt.assert_allclose(m / sd, mean / sd, atol=0.02)
    # 36 sds of 100 paths, with errors of (1 / 200)^(1/2).
    npt.assert_allclose(s, sd, rtol=0.02 if features > 10 else 4.5 / np.sqrt(200))


def test_the_spectral_likelihood_weighs_as_the_dense_one():
    dense, ours = (
        MODEL.condition((MANY, LEVEL), weights=TIMES, engine=engine, **GIVEN)
        for engine in ("dense", "spectral")
    )
    (theta,) = ours.ensemble("surface", None, RNG).thetas
    value, gradient = ours._engine.marginal_likelihood(theta)
    exact, slope = dense._engine.log_likelihood(theta)
    npt.assert_allclose(value, exact, atol=0.05)
    npt.assert_allclose(gradient, slope, rtol=0.01, atol=0.1)


def test_sums_of_weighted_rows_are_those_of_repeated_rows():
    disc = Disc(np.zeros(2), np.array([4.0, 4.0]), 12.0)
    coords, trend = MANY / 5 - 1, Trend("linear")
    weighted = Statistics.of(disc, trend, coords, LEVEL, weights=1.0 * TIMES)
    repeated = Statistics.of(disc, trend, np.repeat(coords, TIMES, axis=0), np.repeat(LEVEL, TIMES))
    for name in ("table", "trend_rows", "values", "squares"):
        ours, theirs = (np.asarray(getattr(s, name)) for s in (weighted, repeated))
        npt.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())
    # F'z has the covariance F'MF: of 8 vectors, over 2 K + 3 features.
    noise = Statistics.of(
        disc, trend, coords, LEVEL, weights=1.0 * TIMES, noise=NoiseStreams(8)
    ).noise
    expected = np.trace(weighted.gram(len(disc.numbers)))
    npt.assert_allclose(np.sum(noise**2, axis=1).mean(), expected, rtol=0.1)


def test_the_tail_is_little_of_a_heavy_value_s_noise():
    theta, box = Theta((Scale(1.0, 0.5),), 0.3), np.array([[-1.0, -1.0], [1.0, 1.0]])
    light, heavy = (resolve(wb.Matern(2.5), [theta], box, 100.0, m) for m in (1.0, 500.0))
    assert heavy.disc.radius > light.disc.radius
    assert 500 * tail_share(wb.Matern(2.5), theta, 2, heavy.disc.radius) < 1.01e-2
    with pytest.raises(ValueError, match=r"means of 1e\+12 measurements .* Cap `weights`"):
        resolve(wb.Matern(1.5), [theta], box, 100.0, 1e12)
