"""Values that are means of several measurements."""

import numpy as np
import numpy.testing as npt
import pytest

import womble as wb
from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.dense import DenseEngine
from womble.hyperparameters import Layout
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
