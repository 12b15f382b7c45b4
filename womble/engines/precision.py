r"""The posterior precision of the spectral model's weights, and equations with it.

With prior sds W on the diagonal and noise variance t,

.. math:: A = I + W F'F W / t

is the precision of the weights in units of their prior sds. It is factored where it is small.
Where it is large, equations are solved by conjugate gradients, those of several draws of the
hyperparameters together, as they have the preconditioner in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dpotrs, dtrtri

from womble.arrays import FloatArray
from womble.engines.preconditioner import Preconditioner, block, positive_factor, signal
from womble.engines.statistics import Statistics

# Of a solution, in posterior sds of whatever is made of it.
TOLERANCE = 1e-4
MOST_STEPS = 3000
# Vectors that are solved for together at most: reading the factor from memory takes 25 ms for one
# and 60 ms for all of them; each takes 3 MB.
TOGETHER = 32


@dataclass(frozen=True, eq=False)
class Precision:
    """A = I + W F'F W / t.

    Parameters
    ----------
    statistics : Statistics
    sds : array, shape (k + 2 K,)
        W.
    noise_variance : float
        t.
    gram : array, shape (k + 2 K, k + 2 K), or None
        F'F; None where it is too large.
    preconditioner : Preconditioner, optional
        Where there is no gram.
    """

    statistics: Statistics
    sds: FloatArray
    noise_variance: float
    gram: FloatArray | None
    preconditioner: Preconditioner | None = None

    @property
    def iterative(self) -> bool:
        """Whether there is no factor of all features."""
        return self.gram is None

    def block(self) -> FloatArray:
        """A, where F'F is known."""
        return block(self.gram.copy(), self.sds, self.noise_variance)

    @cached_property
    def factor(self) -> FloatArray:
        """L with L L' = A, lower triangular.

        Raises
        ------
        ValueError
            If A is not positive definite in double precision.
        """
        return positive_factor(self.block(), self.noise_variance)

    @cached_property
    def whitener(self) -> FloatArray:
        """L^-1."""
        return dtrtri(self.factor, lower=1)[0]

    def solve(self, b: FloatArray) -> FloatArray:
        """A^-1 b for a batch of vectors, shape (S, k + 2 K)."""
        if not self.iterative:
            return dpotrs(self.factor, b.T, lower=1)[0].T
        starts = range(0, len(b), TOGETHER)
        return np.concatenate([self.iterate(b[start : start + TOGETHER])[0] for start in starts])

    def iterate(self, b: FloatArray) -> tuple[FloatArray, int]:
        """A^-1 b for a batch of vectors by conjugate gradients; see `Equations.solve`."""
        return Equations.of([self]).solve(b)


@dataclass(frozen=True, eq=False)
class Equations:
    """A_v x_v = b_v for V vectors, each with hyperparameters of its own or all with the same.

    Parameters
    ----------
    statistics : Statistics
    preconditioner : Preconditioner
    sds : array, shape (V or 1, k + 2 K)
        W.
    noise_variance : array, shape (V or 1, 1)
        t.
    """

    statistics: Statistics
    preconditioner: Preconditioner
    sds: FloatArray
    noise_variance: FloatArray

    @classmethod
    def of(cls, precisions: Sequence[Precision]) -> Equations:
        """One for each precision, or any number with a single one; they share what they can."""
        first = precisions[0]
        sds = np.stack([precision.sds for precision in precisions])
        noise = np.array([[precision.noise_variance] for precision in precisions])
        return cls(first.statistics, first.preconditioner, sds, noise)

    @cached_property
    def _signal(self) -> FloatArray:
        return signal(self.statistics, self.sds, self.noise_variance)

    def at(self, rows: np.ndarray) -> Equations:
        """Those of some of the vectors."""
        if len(self.sds) == 1:
            return self
        return replace(self, sds=self.sds[rows], noise_variance=self.noise_variance[rows])

    def product(self, x: FloatArray) -> FloatArray:
        """A x for vectors (V, k + 2 K)."""
        out = self.statistics.gram_product(x * self.sds)
        out *= self.sds
        out /= self.noise_variance
        out += x
        return out

    def _precondition(self, r: FloatArray) -> FloatArray:
        return self.preconditioner.solve(r, self._signal)

    def solve(self, b: FloatArray) -> tuple[FloatArray, int]:
        r"""x by preconditioned conjugate gradients, and the steps of the slowest.

        An error e of the solution changes no linear functional of the field by more than
        :math:`(e'Ae)^{1/2}` of its posterior sds (Cauchy-Schwarz, as :math:`A^{-1}` is the
        posterior covariance). :math:`r'P^{-1}r` with the preconditioner P stands for
        :math:`e'Ae = r'A^{-1}r`. Each vector stops by itself, so that it does not matter which are
        solved together.

        Raises
        ------
        RuntimeError
            If the true residual of a solution is above the tolerance.

        References
        ----------
        Golub and Van Loan (2013), Matrix Computations, algorithm 11.5.1.
        """
        x = self._precondition(b)
        r = b - self.product(x)
        steps = self._improve(x, r)
        r = b - self.product(x)
        reached = float(np.sqrt(_dots(r, self._precondition(r)).max()))
        if not reached <= 2 * TOLERANCE:
            raise RuntimeError(
                f"conjugate gradients stopped after {steps} steps with an error of {reached:.1g} "
                f"posterior sds; expected {TOLERANCE:g}. The noise is too small against the field: "
                "give a larger noise_sd, or a rougher kernel."
            )
        return x, steps

    def _improve(self, x: FloatArray, r: FloatArray) -> int:
        """Add to `x` until the residuals, `r` to begin with, are small; the number of steps."""
        step, going, here = 0, np.arange(len(x)), self
        z = self._precondition(r)
        p, size = z.copy(), _dots(r, z)
        while step < MOST_STEPS:
            more = size > TOLERANCE**2
            if not more.all():
                going, here, r, p, size = going[more], here.at(more), r[more], p[more], size[more]
            if not len(going):
                break
            q = here.product(p)
            alpha = size / _dots(p, q)
            x[going] += alpha[:, None] * p
            r -= alpha[:, None] * q
            z = here._precondition(r)
            before, size = size, _dots(r, z)
            p *= (size / before)[:, None]
            p += z
            step += 1
        return step


def _dots(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.einsum("si,si->s", a, b)
