r"""Closed forms of a normal vector: its log density alone, and its parts given the others.

With P = K^-1 and :math:`a = P y`, a block B of observations given all others is

.. math:: y_B | y_{-B} \sim N(y_B - P_{BB}^{-1} a_B,\; P_{BB}^{-1}).

References
----------
Rasmussen and Williams (2006), eq. (5.12) for single observations, (A.11) and (A.12) for blocks.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dtrtrs

from womble.arrays import FloatArray
from womble.compiled.triangular import factor
from womble.engines.base import Blocks


def log_normal_density(covariance: FloatArray, values: FloatArray) -> float:
    """Log density of N(0, K) at `values` (n,), from the lower triangle of K (n, n); overwrites K.

    -inf where K is not positive definite in double precision. Other threads run meanwhile.
    """
    if not factor(covariance):
        return -np.inf
    white, _ = dtrtrs(covariance, values, lower=1)
    return (
        -0.5 * (white @ white)
        - np.log(np.diag(covariance)).sum()
        - 0.5 * len(values) * np.log(2 * np.pi)
    )


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
