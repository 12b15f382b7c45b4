"""Covariances beside the bare kernel loop: one exponential and one polynomial a pair, compiled."""

from math import exp, sqrt

import numpy as np
import numpy.testing as npt
import pytest
from numba import njit
from timing import best_of

from womble.covariance import Scale, cross_covariance
from womble.kernels import Matern

pytestmark = pytest.mark.benchmark


@njit
def bare(s, t, lengthscale, out):
    """Matern 5/2 of every pair: what a covariance of values alone must take."""
    for i in range(len(s)):
        for j in range(len(t)):
            x, y = s[i, 0] - t[j, 0], s[i, 1] - t[j, 1]
            z = sqrt(5.0) * sqrt(x * x + y * y) / lengthscale
            out[i, j] = (1 + z + z * z / 3) * exp(-z)


@pytest.mark.parametrize(("order", "components"), [(0, "values"), (2, "six components of jets")])
def test_cross_covariance_against_the_bare_loop(order, components, record):
    """Of 900 points with 500 data, one thread."""
    rng = np.random.default_rng(0)
    s, t = rng.uniform(size=(900, 2)), rng.uniform(size=(500, 2))
    kernel, scale, loop = Matern(nu=2.5), Scale(1.0, 0.3), np.empty((900, 500))
    out = np.zeros((900, 6 if order else 1, 500))  # memory of its own would take longer to get

    def ours():
        out[:] = 0.0
        cross_covariance(kernel, scale, s, t, order, out)

    ours()
    bare(s, t, 0.3, loop)
    npt.assert_allclose(out[:, 0], loop, atol=1e-14)
    pairs = [(best_of(ours, 3), best_of(lambda: bare(s, t, 0.3, loop), 3)) for _ in range(8)]
    mine, theirs = (min(column) for column in zip(*pairs, strict=True))
    record(f"covariance of {components}, 900 x 500", mine, "bare kernel loop", theirs)
    assert mine / theirs < 4
