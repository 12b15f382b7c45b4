r"""How many digits double precision leaves of what is computed from an ill-conditioned covariance.

A Cholesky factor is that of :math:`K + E` with :math:`|E_{ij}| \le c\, \epsilon
\sqrt{K_{ii} K_{jj}}`, and K itself is rounded as much. With kriging weights w, :math:`a = K^{-1} y`
and independent noise N, a posterior mean moves by :math:`w' E a` and a variance by
:math:`w' E w`, where the variance is at least :math:`w' N w` and :math:`a' N a \le y' K^{-1} y`.
So with :math:`\lambda` the smallest eigenvalue of K scaled to a unit diagonal, which is at least
the smallest :math:`N_{ii} / K_{ii}`, errors are of the order

.. math:: \epsilon \sqrt{n \max(n, y' K^{-1} y)} / \lambda

posterior standard deviations. Against 60-digit arithmetic they were 0.1 to 0.7 times that; where
roughness alone gives K its smallest eigenvalue, at places away from the data.

References
----------
Higham (2002), Accuracy and Stability of Numerical Algorithms, theorems 10.3 and 10.7 (the scaled
condition number, after Demmel and van der Sluis).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dtrtrs

from womble.arrays import FloatArray

EPS = np.finfo(float).eps
# Of `expected_error`; in posterior standard deviations.
SAFETY = 2.0
LARGEST_ERROR = 1e-3
# Of the likelihood, so that what was drawn can be conditioned on: there y' K^-1 y counts too.
LARGEST_ERROR_OF_DRAWS = 0.5 * LARGEST_ERROR
# From here on solves with the Cholesky factor take the place of products with its inverse: those
# are twice as fast, and ten times as far off.
WORTH_SOLVES = 1e-7
# Of the inverse: a random start has n^-1/2 of the largest eigenvector, and so after m powers the
# Rayleigh quotient is at least n^(-1 / (2 m)) of the largest eigenvalue.
POWERS = 6


def expected_error(
    L: FloatArray, diagonal: FloatArray, noise: FloatArray, misfit: float = 0.0
) -> float:
    """What rounding may do to posterior means and sds, in posterior sds.

    Parameters
    ----------
    L : array, shape (n, n)
        The Cholesky factor of K, lower and in Fortran order.
    diagonal, noise : array, shape (n,)
        K_ii, and what of it is independent noise.
    misfit : float
        y' K^-1 y; about n where the data are like the model's.
    """
    n = len(L)
    size = SAFETY * EPS * np.sqrt(n * max(n, misfit))
    by_noise = np.min(noise / diagonal)
    if size <= LARGEST_ERROR * by_noise:
        return size / by_noise
    return size / max(by_noise, smallest_eigenvalue(L / np.sqrt(diagonal)[:, None]))


def smallest_eigenvalue(L: FloatArray) -> float:
    """Of L L' for L (n, n), lower, by the power method on its inverse: at most twice too large."""
    v = np.random.default_rng(0).standard_normal(len(L))
    for _ in range(POWERS):
        w, _ = dtrtrs(L, v / np.linalg.norm(v), lower=1)
        v, _ = dtrtrs(L, w, lower=1, trans=1)
    return 1 / float(w @ w)


def without_negative_variances(covariance: FloatArray) -> FloatArray:
    """Covariances (..., k, k) whose variances below 0 by rounding are 0, in place.

    Where the data tell all of a value it has variance 0, and what is left of the difference of two
    equal numbers may be negative: by some 1e-15 of the prior variance, as all that would be worse
    is refused (`expected_error`).
    """
    negative = np.diagonal(covariance, axis1=-2, axis2=-1) < 0
    if negative.any():
        covariance[negative[..., :, None] | negative[..., None, :]] = 0.0
    return covariance


def smallest_noise(n: int) -> float:
    """Noise sd by the amplitude below which `n` data of a smooth field may be out of reach."""
    return float(np.sqrt(SAFETY * EPS * n / LARGEST_ERROR))
