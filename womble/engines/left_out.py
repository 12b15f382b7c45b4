r"""Observations given the others, without factoring a matrix again.

With P = K^-1 and :math:`a = P y`, a block B of observations given all others is

.. math:: y_B | y_{-B} \sim N(y_B - P_{BB}^{-1} a_B,\; P_{BB}^{-1}).

References
----------
Rasmussen and Williams (2006), eq. (5.12) for single observations, (A.11) and (A.12) for blocks.
"""

from __future__ import annotations

import numpy as np

from womble.arrays import FloatArray
from womble.engines.base import Blocks


def left_out(
    whitener: FloatArray, weights: FloatArray, values: FloatArray, blocks: Blocks
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (n,) of each observation given those outside of its block.

    Parameters
    ----------
    whitener : array, shape (n, n)
        W with W' W = K^-1.
    weights : array, shape (n,)
        K^-1 y.
    values : array, shape (n,)
    blocks : sequence of int arrays, or None
        As `Conditional.left_out`.
    """
    if blocks is None:
        precision = np.einsum("ki,ki->i", whitener, whitener)
        return values - weights / precision, 1 / precision
    mean, variance = np.empty_like(values), np.empty_like(values)
    for block in blocks:
        root = whitener[:, block]
        covariance = np.linalg.inv(root.T @ root)
        mean[block] = values[block] - covariance @ weights[block]
        variance[block] = np.diag(covariance)
    return mean, variance
