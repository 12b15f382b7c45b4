"""Blocks of data whose likelihoods are added."""

import numpy as np
import numpy.testing as npt

from womble.covariance import Scale
from womble.engines.blocks import LARGEST, SIZE, independent_blocks
from womble.engines.dense import DenseEngine
from womble.hyperparameters import Theta
from womble.kernels import Matern
from womble.trend import Trend

THETA = Theta((Scale(1.1, 0.6),), 0.3)


def data(n):
    rng = np.random.default_rng(0)
    coords = rng.uniform(-1, 1, (n, 2)) * [2.0, 1.0]
    return coords, np.sin(3 * coords[:, 0]) + 0.3 * rng.standard_normal(n)


def blocks_of(n):
    return independent_blocks(Matern(2.5), Trend("constant"), *data(n))


def test_few_data_are_one_block():
    blocks = blocks_of(LARGEST)
    ours = blocks.log_likelihood(THETA)
    exact = DenseEngine(Matern(2.5), Trend("constant"), *data(LARGEST)).log_likelihood(THETA)
    npt.assert_allclose(ours[0], exact[0], rtol=1e-12)
    npt.assert_allclose(ours[1], exact[1], rtol=1e-10)


def test_likelihoods_add_up():
    blocks = blocks_of(1000)
    values, gradients = zip(*(e.log_likelihood(THETA) for e in blocks.engines), strict=True)
    value, gradient = blocks.log_likelihood(THETA)
    npt.assert_allclose(value, sum(values), rtol=1e-12)
    npt.assert_allclose(gradient, sum(gradients), rtol=1e-12)
    assert [len(engine.values) for engine in blocks.engines] == [250] * 4


def test_blocks_are_apart_and_hold_near_and_far_neighbours():
    coords, values = data(20_000)
    engines = blocks_of(20_000).engines
    assert [len(engine.values) for engine in engines] == [SIZE] * 32
    lows, highs = (np.stack([f(e.coords, axis=0) for e in engines]) for f in (np.min, np.max))
    for i in range(32):
        overlap = (lows[i] < highs) & (highs[i] > lows)
        assert overlap.all(axis=1).sum() == 1  # with itself alone
    rows = {tuple(row): value for row, value in zip(coords, values, strict=True)}
    for engine in engines:
        assert [rows[tuple(row)] for row in engine.coords] == engine.values.tolist()
        near, far = np.split(engine.coords, [SIZE // 2])
        # 100 of 625 data fill 16% of the block's area; the box of a disc is 4 / pi of it.
        assert np.ptp(near, axis=0).prod() < 0.32 * np.ptp(far, axis=0).prod()
