"""A sum of kernels is the sum of independent fields."""

import warnings

import numpy as np
import numpy.testing as npt
import pytest
from scipy.spatial.distance import cdist
from shapely import LineString

import womble as wb
from womble.covariance import Scale, cross_covariance, jet_covariance, kernel_sums
from womble.curve import measures, segments
from womble.functional_covariance import (
    functional_covariance,
    functional_cross_covariance,
    segment_variances,
)
from womble.kernels import Matern, RationalQuadratic, SquaredExponential

COMPONENTS = [Matern(3.5), Matern(3.3), SquaredExponential(), RationalQuadratic(1.5)]
SCALES = (Scale(1.3, 0.7), Scale(0.8, 0.2), Scale(0.5, 0.3), Scale(1.1, 0.9))
SUM = COMPONENTS[0] + COMPONENTS[1] + COMPONENTS[2] + COMPONENTS[3]

RNG = np.random.default_rng(3)
S, T, WEIGHTS = RNG.normal(size=(5, 2)), RNG.normal(size=(12, 2)), RNG.normal(size=12)
PIECES = segments([LineString([(-1, -1), (1.2, -0.6), (0.4, 1.5)])])
FUNCTIONAL = measures(PIECES, np.arange(2), 0.2, 2)

COVARIANCES = {
    "jets": lambda k, s: jet_covariance(k, s, S, 2),
    "values": lambda k, s: cross_covariance(k, s, S, T, 2),
    "weighted": lambda k, s: kernel_sums(k, s, S, T, WEIGHTS, 2),
    "measures with data": lambda k, s: functional_cross_covariance(k, s, FUNCTIONAL, T),
    "measures": lambda k, s: functional_covariance(k, s, FUNCTIONAL),
    "whole segments": lambda k, s: segment_variances(k, s, FUNCTIONAL.segments),
}


@pytest.mark.parametrize("covariance", COVARIANCES.values(), ids=COVARIANCES)
def test_covariances_add_up(covariance):
    each = [covariance(kernel, scale) for kernel, scale in zip(COMPONENTS, SCALES, strict=True)]
    # Rounding of sums taken in another order.
    npt.assert_allclose(
        covariance(SUM, SCALES), sum(each), rtol=1e-12, atol=1e-13 * np.abs(each).max()
    )


def test_as_many_scales_as_components():
    with pytest.raises(ValueError, match="zip"):
        jet_covariance(SUM, SCALES[:2], S, 2)


def test_two_equal_halves_are_the_whole():
    """sigma^2 rho = (sigma^2 / 2) rho + (sigma^2 / 2) rho: in the posterior too."""
    values = np.sin(2 * T[:, 0]) + T[:, 1]
    half = 1.3 / np.sqrt(2)
    whole = wb.FieldModel(kernel=Matern(2.5)).condition(
        (T, values), lengthscale=0.7, amplitude=1.3, noise_sd=0.2
    )
    halves = wb.FieldModel(kernel=Matern(2.5) + Matern(2.5)).condition(
        (T, values), lengthscale=[0.7, 0.7], amplitude=[half, half], noise_sd=0.2
    )
    for ours, theirs in zip(halves.jet_moments(S), whole.jet_moments(S), strict=True):
        npt.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    rows = [post.womble([LineString(S)], rng=1) for post in (whole, halves)]
    npt.assert_allclose(rows[1]["gradient_sd"], rows[0]["gradient_sd"], rtol=1e-9)


def test_two_scales_are_told_apart():
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(100, 2))
    truth = {"lengthscale": [0.8, 0.06], "amplitude": [2.0, 0.7], "noise_sd": 0.1}
    r = cdist(coords, coords)
    parts = zip(truth["lengthscale"], truth["amplitude"], strict=True)
    C = sum(a**2 * np.exp(-0.5 * (r / length) ** 2) for length, a in parts)
    values = np.linalg.cholesky(C + 0.1**2 * np.eye(100)) @ rng.standard_normal(100)
    model = wb.FieldModel(kernel=SquaredExponential() + SquaredExponential())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        post = model.fit((coords, values), draws=60, tune=100, chains=2, rng=1, progress=False)
    summary = post.summary()
    assert list(summary.index) == list(post.draws)
    assert (post.draws["lengthscale_1"] > post.draws["lengthscale_2"]).all()
    for name in ("lengthscale", "amplitude"):
        for number, value in enumerate(truth[name], 1):
            x = np.log(post.draws[f"{name}_{number}"].to_numpy() / value)
            # 3.5 standard deviations: chance 0.5 in a thousand for each of five.
            assert abs(x.mean()) < 3.5 * x.std(), (name, number)
    assert post.draws["lengthscale_2"].mean() < 0.12
