"""Posterior paths of scikit-learn regressors against their exact law, and as functions."""

from functools import partial

import numpy as np
import numpy.testing as npt
import pytest
from cases import assert_moments
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)

import womble as wb
from womble.interop.derivatives import Scaled, Stationary
from womble.interop.paths import prior_terms

pytestmark = pytest.mark.usefixtures("few_modes")

RNG = np.random.default_rng(0)
INPUTS = RNG.uniform(-1, 1, (30, 3)) * [1.0, 3.0, 1.0] + [10.0, 0.0, 0.0]
POINTS = RNG.uniform(-1, 1, (6, 3)) * [1.0, 3.0, 1.0] + [10.0, 0.0, 0.0]
ALPHAS = RNG.uniform(0.001, 0.3, 30)  # noise that differs from point to point

CASES = {
    "line": (2.0 * Matern(0.6, nu=2.5) + WhiteKernel(0.01), 1, 2),
    "rbf on a line": (RBF(0.5), 1, 2),
    "plane": (0.7 * Matern(1.1, nu=2.5), 2, 2),
    "rough": (Matern([0.6, 2.0], nu=1.5) + 0.1 * WhiteKernel(0.5), 2, 1),
    "anisotropic": (1.5 * Matern([0.5, 2.5], nu=3.5) + WhiteKernel(0.02), 2, 2),
    "anisotropic rbf": (ConstantKernel(3.0) * RBF([0.6, 1.8]), 2, 2),
    "sum": (
        0.5 * (Matern([0.5, 2.0], nu=3.5) + ConstantKernel(0.3)) + 0.1 * DotProduct(2.0) + RBF(2.0),
        2,
        2,
    ),
}


def posterior(kernel, d, alpha=ALPHAS):
    X = INPUTS[:, :d]
    y = (
        40
        + 3 * np.sin(3 * X[:, 0])
        + X.sum(axis=1)
        + 0.3 * np.random.default_rng(1).normal(size=30)
    )
    gpr = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None, normalize_y=True)
    return wb.from_sklearn(gpr.fit(X, y))


@pytest.mark.parametrize(("kernel", "d", "order"), CASES.values(), ids=CASES.keys())
def test_paths_have_the_posterior_law(kernel, d, order):
    post, points = posterior(kernel, d), POINTS[:, :d]
    drawn = post.paths(1000, rng=2, progress=False)
    assert_moments(drawn.jets(points, order), *post.jet_moments(points, order))


def test_values_far_apart_belong_to_one_function():
    """Joint law of the values at all points, by scikit-learn's own covariance."""
    kernel, d, _ = CASES["anisotropic"]
    gpr = GaussianProcessRegressor(kernel, alpha=ALPHAS, optimizer=None, normalize_y=True)
    gpr.fit(INPUTS[:, :d], 5 * INPUTS[:, 0] ** 2)
    points = POINTS[:, :d]
    mean, covariance = gpr.predict(points, return_cov=True)
    covariance -= 0.02 * float(gpr._y_train_std) ** 2 * np.eye(len(points))  # WhiteKernel's noise
    jets = wb.from_sklearn(gpr).paths(1000, rng=3, progress=False).jets(points, 0)
    assert_moments(jets.reshape(1000, 1, -1), mean[None], covariance[None])


@pytest.mark.parametrize("case", ["line", "rough", "sum"])
def test_a_path_is_a_function(case):
    kernel, d, order = CASES[case]
    drawn = posterior(kernel, d).paths(3, rng=4, progress=False)
    assert len(drawn) == 3
    points = np.concatenate([np.repeat(POINTS[:, :d], 40, axis=0), INPUTS[:, :d]])
    together = drawn.jets(points, order)
    sd = together.std(axis=(0, 1))
    shuffle = np.random.default_rng(5).permutation(len(points))
    close = partial(npt.assert_allclose, rtol=0, atol=1e-9)
    close(drawn.jets(points[shuffle], order) / sd, together[:, shuffle] / sd)
    close(drawn.jets(points[:1], order) / sd, together[:, :1] / sd)
    close(drawn.jets(points, 0)[..., 0] / sd[0], together[..., 0] / sd[0])


@pytest.mark.parametrize("case", ["rbf on a line", "anisotropic", "sum"])
def test_derivatives_are_differences(case):
    kernel, d, _ = CASES[case]
    drawn, points, step = posterior(kernel, d).paths(3, rng=6, progress=False), POINTS[:, :d], 1e-4
    jets = drawn.jets(points)
    sd = jets.std(axis=(0, 1))
    for i, columns in enumerate([[1, 2]] if d == 1 else [[1, 3, 4], [2, 4, 5]]):
        e = step * np.eye(d)[i]
        difference = (drawn.jets(points + e, 1) - drawn.jets(points - e, 1)) / (2 * step)
        # Truncation (w step)^2 / 6 of the tail's waves, w up to 200 per length scale.
        npt.assert_allclose(difference / sd[columns], jets[..., columns] / sd[columns], atol=1e-4)


def test_the_seed_decides():
    kernel, d, _ = CASES["plane"]
    post, points = posterior(kernel, d), POINTS[:, :d]
    first, again, other = (post.paths(3, rng=s, progress=False).jets(points) for s in (7, 7, 8))
    npt.assert_array_equal(first, again)
    assert (first != other).all()
    assert len(np.unique(first[:, 0, 0])) == 3
    # More draws begin with the same ones.
    more = post.paths(5, rng=7, progress=False).jets(points)[:3]
    npt.assert_allclose(more, first, rtol=1e-9, atol=1e-9 * first.std())


def test_almost_without_noise_the_paths_pass_through_the_data():
    post = posterior(Matern(1.0, nu=2.5), 2, alpha=1e-10)
    found = post.paths(3, rng=9, progress=False).jets(post.coords, 0)[..., 0]
    expected, _ = post.jet_moments(post.coords, 0)
    # The noise of 1e-5 sds of y, at five of its own sds.
    npt.assert_allclose(
        found, np.broadcast_to(expected[:, 0], found.shape), atol=5e-5 * post.spread
    )


def test_noise_is_that_of_the_fit():
    X, y = INPUTS[:, :2], INPUTS[:, 0]
    gpr = GaussianProcessRegressor(
        RBF() + WhiteKernel(0.2) * ConstantKernel(0.5), alpha=ALPHAS, optimizer=None
    ).fit(X, y)
    npt.assert_allclose(wb.from_sklearn(gpr).noise_variances, ALPHAS + 0.1, rtol=1e-12)
    gpr.set_params(alpha=1.0)  # no new fit
    npt.assert_allclose(wb.from_sklearn(gpr).noise_variances, ALPHAS + 0.1, rtol=1e-12)


def test_constant_factors_multiply_out():
    inner = Stationary(wb.Matern(2.5), (1.0, 2.0))
    box = np.array([[0.0, 0.0], [1.0, 4.0]])
    (term,) = prior_terms(Scaled(2.0, Scaled(3.0, inner)), box)
    assert term.unit.scale.amplitude == pytest.approx(np.sqrt(6.0))
    npt.assert_array_equal(term.unit.domain, [[0.0, 0.0], [1.0, 2.0]])


# -- the public door -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "d"),
    [
        (RationalQuadratic(), 2),
        (Matern(nu=2.5) + ExpSineSquared(), 1),
        (DotProduct() * RBF(), 2),
        (RBF(), 3),
    ],
    ids=str,
)
def test_what_paths_are_not_drawn_for(kernel, d):
    with pytest.raises(ValueError, match=r"Paths are drawn for one or two inputs .* RBF, Matern"):
        posterior(kernel, d).paths(2, progress=False)


def test_bad_requests():
    post = posterior(Matern(nu=1.5), 2)
    drawn = post.paths(2, domain=(8.0, -5.0, 12.0, 5.0), rng=1, progress=False)
    assert drawn.jets(np.array([[8.0, 5.0]]), 1).shape == (2, 1, 3)
    with pytest.raises(ValueError, match=r"box from .* larger `domain`"):
        drawn.jets(np.array([[7.9, 5.0]]), 1)
    with pytest.raises(ValueError, match="no mean-square derivative of order 2"):
        drawn.jets(POINTS[:, :2])
    with pytest.raises(ValueError, match=r"`X` must have shape \(p, 2\)"):
        drawn.jets(POINTS, 1)
    with pytest.raises(ValueError, match="`samples` must be 1 or more; got 0"):
        post.paths(0, progress=False)
    with pytest.raises(ValueError, match=r"`domain` must be \(xmin, ymin, xmax, ymax\)"):
        post.paths(2, domain=(0.0, 1.0), progress=False)
