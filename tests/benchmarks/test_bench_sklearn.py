"""Gradient and sd of a fitted scikit-learn regressor, beside a loop over points."""

from time import perf_counter

import numpy as np
import numpy.testing as npt
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import womble as wb

pytestmark = pytest.mark.benchmark

N, POINTS, LOOPED = 1000, 10_000, 200
VARIANCE, LENGTHSCALE, NOISE = 2.0, 0.3, 0.01


def loop_over_points(gpr, points, times_inverse):
    """As published answers do: the RBF kernel's derivative at a point, then K^-1 times it."""
    means, sds = [], []
    for x in points:
        h = (x - gpr.X_train_) / LENGTHSCALE**2
        derivative = -h * gpr.kernel_.k1(x[None], gpr.X_train_)[0][:, None]
        means.append(derivative.T @ gpr.alpha_)
        reduced = np.sum(derivative * times_inverse(derivative), axis=0)
        sds.append(np.sqrt(VARIANCE / LENGTHSCALE**2 - reduced))
    return np.array(means), np.array(sds)


def test_gradient_on_a_grid():
    """Mean and sd at 10,000 points, n = 1,000, d = 2."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(N, 2))
    y = np.sin(6 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(N)
    kernel = ConstantKernel(VARIANCE) * RBF(LENGTHSCALE) + WhiteKernel(NOISE)
    gpr = GaussianProcessRegressor(kernel, optimizer=None).fit(X, y)
    points = rng.uniform(size=(POINTS, 2))
    wb.from_sklearn(gpr).gradient(points[:10], return_std=True)  # compile

    start = perf_counter()
    posterior = wb.from_sklearn(gpr)
    mean, sd = posterior.gradient(points, return_std=True)
    ours = perf_counter() - start
    start = perf_counter()
    posterior.hessian(points, return_std=True)
    hessian = perf_counter() - start
    print(f"\ngradient and sd at {POINTS:,} points, n = {N}: {ours:.2f} s; Hessian {hessian:.2f} s")
    K = gpr.L_ @ gpr.L_.T
    inverse, ratios = np.linalg.inv(K), {}
    for name, times_inverse in {
        "a solve at each point": lambda c: np.linalg.solve(K, c),
        "K^-1 found once": lambda c: inverse @ c,
    }.items():
        start = perf_counter()
        expected_mean, expected_sd = loop_over_points(gpr, points[:LOOPED], times_inverse)
        theirs = (perf_counter() - start) * POINTS / LOOPED
        ratios[name] = theirs / ours
        print(f"  loop, {name}: {theirs:.0f} s (from {LOOPED} points), {ratios[name]:.1f} times")
        npt.assert_allclose(mean[:LOOPED], expected_mean, rtol=1e-6, atol=1e-6)
        npt.assert_allclose(sd[:LOOPED], expected_sd, rtol=1e-6)
    assert ratios["a solve at each point"] > 20
