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
from womble.engines.factor import white_trend


def log_normal_density(
    covariance: FloatArray, values: FloatArray, trend_basis: FloatArray
) -> float:
    """Log density of N(0, K + H H') at `values` (n,); overwrites K.

    -inf where K is not positive definite in double precision. Other threads run meanwhile.

    Parameters
    ----------
    covariance : array, shape (n, n)
        K, of which the lower triangle is read.
    values : array, shape (n,)
    trend_basis : array, shape (n, k)
        H.
    """
    if not factor(covariance):
        return -np.inf
    white, _ = dtrtrs(covariance, np.column_stack([values, trend_basis]), lower=1)
    coefficients, rest, root = white_trend(white[:, 0], white[:, 1:])
    return (
        -0.5 * (rest @ rest + coefficients @ coefficients)
        - np.log(np.diag(covariance)).sum()
        - np.log(np.diag(root)).sum()
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
