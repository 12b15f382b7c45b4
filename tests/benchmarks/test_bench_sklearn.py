"""Beside scikit-learn: its regressor's gradient by a loop over points, and its likelihood."""

from time import perf_counter

import numpy as np
import numpy.testing as npt
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

import womble as wb
from womble.engines.dense import DenseEngine
from womble.hyperparameters import PLAIN
from womble.trend import Trend

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


def test_gradient_on_a_grid(record):
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
        what = f"gradient and sd at {POINTS:,} points of a scikit-learn GP, n = {N}"
        record(what, ours, f"loop over points, {name}", theirs)
        npt.assert_allclose(mean[:LOOPED], expected_mean, rtol=1e-6, atol=1e-6)
        npt.assert_allclose(sd[:LOOPED], expected_sd, rtol=1e-6)
    assert ratios["a solve at each point"] > 20


def test_likelihood_and_gradient(record):
    """Of the same model at n = 500, one BLAS thread."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(500, 2))
    y = np.sin(6 * X[:, 0]) + X[:, 1] - 0.5 + 0.2 * rng.standard_normal(500)
    lengthscale, amplitude, noise_sd = 0.4, 1.3, 0.2
    kernel = ConstantKernel(amplitude**2) * Matern(lengthscale, nu=2.5)
    kernel += WhiteKernel(noise_sd**2)
    # alpha is 1e-10 by default; at 0 it is checked to be positive.
    gpr = GaussianProcessRegressor(kernel, alpha=1e-300, optimizer=None).fit(X, y)
    engine = DenseEngine(wb.Matern(2.5), Trend("none"), X, y)
    theta = PLAIN.theta([lengthscale, amplitude, noise_sd])

    def ours():
        return engine.log_likelihood(theta)

    def theirs():
        return gpr.log_marginal_likelihood(gpr.kernel_.theta, eval_gradient=True)

    seconds = {ours: [], theirs: []}
    with threadpool_limits(1, user_api="blas"):
        (value, by_theta), (their_value, their_gradient) = ours(), theirs()
        for _ in range(8):  # in turn, so that both meet the same machine
            for function, times in seconds.items():
                start = perf_counter()
                function()
                times.append(perf_counter() - start)
    npt.assert_allclose(value, their_value, rtol=1e-8)
    # Theirs is by logarithms of variance, lengthscale and noise variance.
    by_lengthscale, by_amplitude, by_noise = by_theta
    gradient = [0.5 * amplitude * by_amplitude, lengthscale * by_lengthscale]
    gradient.append(0.5 * noise_sd * by_noise)
    npt.assert_allclose(gradient, their_gradient, rtol=1e-8)
    us, them = min(seconds[ours]), min(seconds[theirs])
    record("likelihood and gradient, n = 500", us, "scikit-learn", them)
    assert them > 2 * us
