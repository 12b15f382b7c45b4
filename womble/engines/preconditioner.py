r"""A matrix near the posterior precision that is easily inverted, for all posterior draws.

The data determine the waves of low frequency together, as they do not cover the torus evenly; those
of high frequency they hardly know. The preconditioner has a Cholesky factor of the former beside
the diagonal of the latter. Its factor is made once, at hyperparameters in the middle. At others

.. math:: P = S L L' S, \qquad S_j^2 = \frac{1 + s_j}{1 + s_j^0}, \qquad s = n W^2 / t:

what the data determine is then scaled as :math:`W F'F W / t` is, and what they do not as I.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from womble.arrays import FloatArray
from womble.engines.statistics import Statistics

# Frequencies of which the data say less than this (variance of the weight against that of the
# noise in it) need no factor. With x for it the rest couples to the factor by at most
# s = (x / (1 + x))^(1/2), which leaves a condition of (1 + s) / (1 - s) or so: 4 here.
LEAST_SIGNAL = 0.5
# Frequencies in the factor at most: 6,000 features take 4 s and 288 MB, once.
MOST_FACTORED = 3000

_MAKING = Lock()


def signal(statistics: Statistics, sds: FloatArray, noise_variance: FloatArray) -> FloatArray:
    """What the data would say of each weight if they were spread over all of the torus.

    Parameters
    ----------
    sds : array, shape (..., k + 2 K)
    noise_variance : array, shape (..., 1), or float
    """
    return statistics.count * sds**2 / noise_variance


def positive_factor(A: FloatArray, noise_variance: float) -> FloatArray:
    """L with L L' = A, lower triangular, in place of A.

    Raises
    ------
    ValueError
        If A is not positive definite in double precision.
    """
    L, info = dpotrf(A.T, lower=1, clean=1, overwrite_a=1)
    if info != 0:
        raise ValueError(
            "the posterior precision of the field's waves is not positive definite in double "
            f"precision at noise variance {noise_variance:.3g}. Give a larger noise_sd."
        )
    return L


def block(gram: FloatArray, sds: FloatArray, noise_variance: float) -> FloatArray:
    """I + W F'F W / t from F'F, in its place."""
    gram *= sds
    gram *= (sds / noise_variance)[:, None]
    gram.flat[:: len(sds) + 1] += 1.0
    return gram


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """P of all draws, from the hyperparameters of one.

    Parameters
    ----------
    statistics : Statistics
    sds : array, shape (k + 2 K,)
        W.
    noise_variance : float
        t.
    most : int
        Frequencies in the factor at most.
    """

    statistics: Statistics
    sds: FloatArray
    noise_variance: float
    most: int

    @cached_property
    def signal(self) -> FloatArray:
        """See the function `signal`, shape (k + 2 K,)."""
        return signal(self.statistics, self.sds, self.noise_variance)

    @cached_property
    def count(self) -> int:
        """Number of frequencies in the factor."""
        needed = np.flatnonzero(self.signal[self.statistics.trend_size :] > LEAST_SIGNAL)
        return min(self.most, int(needed.max(initial=0)) // 2 + 1)

    @property
    def size(self) -> int:
        """Number of features in the factor: the trend's and the lowest frequencies'."""
        return self.statistics.trend_size + 2 * self.count

    @cached_property
    def _factor(self) -> FloatArray:
        sds, t = self.sds[: self.size], self.noise_variance
        return positive_factor(block(self.statistics.gram(self.count), sds, t), t)

    @property
    def factor(self) -> FloatArray:
        """L, made by the first thread that asks.

        Raises
        ------
        ValueError
            If it does not exist in double precision.
        """
        with _MAKING:
            return self._factor

    def solve(self, r: FloatArray, signals: FloatArray) -> FloatArray:
        """P^-1 r for vectors (V, k + 2 K), at hyperparameters with `signals` (V or 1, k + 2 K)."""
        size, z = self.size, r / (1 + signals)
        ratio = np.sqrt((1 + self.signal[:size]) / (1 + signals[:, :size]))  # S^-1
        # Single precision would do, in two thirds of the time, but for its rounding: it differs
        # with the number of vectors, and a draw would not be the same by itself.
        low = np.multiply(r[:, :size], ratio).T
        low = dtrsm(1.0, self.factor, low, lower=1, overwrite_b=1)
        low = dtrsm(1.0, self.factor, low, lower=1, trans_a=1, overwrite_b=1)
        np.multiply(low.T, ratio, out=z[:, :size])
        return z
