r"""The posterior precision of the spectral model's weights, and equations with it.

With prior sds W on the diagonal and noise variance t,

.. math:: A = I + W F'F W / t

is the precision of the weights in units of their prior sds. It is factored where it is small.
Where it is large, conjugate gradients are preconditioned by the factor of its lowest frequencies,
which the data determine, beside the diagonal of the others, for which A is nearly I.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtri

from womble.arrays import FloatArray
from womble.engines.statistics import Statistics

# Frequencies of which the data say less than this (variance of the weight against that of the
# noise in it) need no factor. With x for it the rest couples to the factor by at most
# s = (x / (1 + x))^(1/2), which leaves a condition of (1 + s) / (1 - s) or so: 4 here.
LEAST_SIGNAL = 0.5
# Frequencies in the factor at most: 2,000 features take 0.1 s and 32 MB.
MOST_FACTORED = 1000
# Of a solution, in posterior sds of whatever is made of it.
TOLERANCE = 1e-4
MOST_STEPS = 3000


@dataclass(frozen=True, eq=False)
class Precision:
    """A = I + W F'F W / t.

    Parameters
    ----------
    statistics : Statistics
    gram : array, shape (k + 2 B, k + 2 B)
        F'F of the trend and at least the frequencies to be factored, the lowest.
    sds : array, shape (k + 2 K,)
        W.
    noise_variance : float
        t.
    """

    statistics: Statistics
    gram: FloatArray
    sds: FloatArray
    noise_variance: float

    @cached_property
    def _signal(self) -> FloatArray:
        """What the data would say of each weight if they were spread over all of the torus."""
        return self.statistics.count * self.sds**2 / self.noise_variance

    @cached_property
    def factored(self) -> int:
        """Number of features in the factor."""
        k = self.statistics.trend_size
        needed = np.flatnonzero(self._signal[k:] > LEAST_SIGNAL)
        count = k + 2 * (needed.max(initial=-1) // 2 + 1)
        return int(min(len(self.gram), count)) if self.iterative else len(self.gram)

    @property
    def iterative(self) -> bool:
        """Whether the factor does not hold all features."""
        return len(self.gram) < len(self.sds)

    @cached_property
    def factor(self) -> FloatArray:
        """L with L L' = A of the trend and the lowest frequencies, lower triangular.

        Raises
        ------
        ValueError
            If A is not positive definite in double precision.
        """
        L, info = dpotrf(self.block().T, lower=1, clean=1, overwrite_a=1)
        if info != 0:
            raise ValueError(
                "the posterior precision of the field's waves is not positive definite in double "
                f"precision at noise variance {self.noise_variance:.3g}. Give a larger noise_sd."
            )
        return L

    def block(self) -> FloatArray:
        size = self.factored
        W = self.sds[:size]
        A = self.gram[:size, :size] * W
        A *= (W / self.noise_variance)[:, None]
        A.flat[:: size + 1] += 1.0
        return A

    @cached_property
    def whitener(self) -> FloatArray:
        """L^-1."""
        return dtrtri(self.factor, lower=1)[0]

    def product(self, x: FloatArray) -> FloatArray:
        """A x for a batch of vectors, shape (S, k + 2 K)."""
        return x + self.statistics.gram_product(x * self.sds) * (self.sds / self.noise_variance)

    def _precondition(self, r: FloatArray) -> FloatArray:
        size = self.factored
        z = np.empty_like(r)
        z[:, :size] = dpotrs(self.factor, r[:, :size].T, lower=1)[0].T
        z[:, size:] = r[:, size:] / (1 + self._signal[size:])
        return z

    def solve(self, b: FloatArray) -> FloatArray:
        """A^-1 b for a batch of vectors, shape (S, k + 2 K)."""
        if not self.iterative:
            return dpotrs(self.factor, b.T, lower=1)[0].T
        return self.iterate(b)[0]

    def iterate(self, b: FloatArray) -> tuple[FloatArray, int]:
        r"""A^-1 b by preconditioned conjugate gradients, and the steps it took.

        An error e of the solution changes no linear functional of the field by more than
        :math:`(e'Ae)^{1/2}` of its posterior sds (Cauchy-Schwarz, as :math:`A^{-1}` is the
        posterior covariance). :math:`r'P^{-1}r` with the preconditioner P stands for
        :math:`e'Ae = r'A^{-1}r`.

        Raises
        ------
        RuntimeError
            If the true residual of the solution is above the tolerance.

        References
        ----------
        Golub and Van Loan (2013), Matrix Computations, algorithm 11.5.1.
        """
        x = self._precondition(b)
        r = b - self.product(x)
        z = self._precondition(r)
        p, size, step = z.copy(), _dots(r, z), 0
        while (size > TOLERANCE**2).any() and step < MOST_STEPS:
            q = self.product(p)
            curvature = _dots(p, q)
            # A vector that is solved exactly has p = 0.
            alpha = np.divide(size, curvature, out=np.zeros_like(size), where=curvature > 0)
            x += alpha[:, None] * p
            r -= alpha[:, None] * q
            z = self._precondition(r)
            before, size = size, _dots(r, z)
            beta = np.divide(size, before, out=np.zeros_like(size), where=before > 0)
            p = z + beta[:, None] * p
            step += 1
        r = b - self.product(x)
        reached = float(np.sqrt(_dots(r, self._precondition(r)).max()))
        if not reached <= 2 * TOLERANCE:
            raise RuntimeError(
                f"conjugate gradients stopped after {step} steps with an error of {reached:.1g} "
                f"posterior sds; expected {TOLERANCE:g}. The noise is too small against the field: "
                "give a larger noise_sd, or a rougher kernel."
            )
        return x, step


def _dots(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.einsum("si,si->s", a, b)
