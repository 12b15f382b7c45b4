"""Ratios of our time to what the arithmetic must take, measured side by side."""

import numpy as np
import pytest
from scipy.linalg.lapack import dpotrf, dpotri
from threadpoolctl import threadpool_limits
from timing import best_of

from womble.engines.dense import DenseEngine
from womble.hyperparameters import PLAIN
from womble.kernels import Matern
from womble.trend import Trend

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize(("n", "most"), [(100, None), (500, None), (1000, 2.5)])
def test_likelihood_and_gradient_against_lapack(n, most, record):
    """Value and gradient at most 2.5 times potrf + potri on the same matrix, one thread."""
    rng = np.random.default_rng(0)
    engine = DenseEngine(
        Matern(nu=3.5), Trend("constant"), rng.normal(size=(n, 2)), rng.normal(size=n)
    )
    theta = PLAIN.theta([0.7, 1.3, 0.2])
    correlation = engine.kernel.radial(engine.distances / 0.7, 0)
    K = 1.3**2 * correlation + 0.2**2 * np.eye(n)

    def lapack():
        factor, _ = dpotrf(np.asfortranarray(K), lower=1, overwrite_a=1)
        dpotri(factor, lower=1, overwrite_c=1)

    with threadpool_limits(1, user_api="blas"):
        engine.log_likelihood(theta)
        # In turn, so that both meet the same machine; the least time is the least disturbed.
        pairs = [
            (best_of(lambda: engine.log_likelihood(theta), 3), best_of(lapack, 3)) for _ in range(8)
        ]
    ours, theirs = (min(column) for column in zip(*pairs, strict=True))
    record(f"likelihood and gradient, n = {n}", ours, "LAPACK potrf + potri", theirs)
    assert most is None or ours / theirs <= most
