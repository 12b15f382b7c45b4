r"""K^-1 where K = K_0 + H H' has a part that is wide: the trend's, kept apart from the rest.

The prior of the trend's coefficients is wide, so that H H' is a hundred and more times as large as
the field's covariance. Added up in one matrix its rounding errors would be those of everything: the
digits lost go with the largest entry of K over the noise variance. With K_0 = L L' alone,

.. math:: W = L^{-1}, \quad A = W H, \quad M = I + A' A, \qquad
          K^{-1} = W' (I - A M^{-1} A') W

and nothing that is large is subtracted from anything large: a functional with prior covariance C
with the data and h with the coefficients, and V with itself (without the trend's part), has

.. math:: E = C a + h c, \qquad
          \mathrm{Var} = V - (C W') (C W')' + R M^{-1} R', \quad R = h - C W' A.

References
----------
Rasmussen and Williams (2006), eq. (2.41), (2.42) and (2.45).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dtrtrs

from womble.arrays import FloatArray
from womble.compiled.triangular import invert, times_transposed


def solve_small(root: FloatArray, right: FloatArray, trans: int = 0) -> FloatArray:
    """L^-1 or L'^-1 times `right` (k, ..) for L (k, k), which is empty without a trend.

    SciPy's `solve_triangular` does the same in ten times the time of such a small one.
    """
    return dtrtrs(root, right, lower=1, trans=trans)[0] if len(root) else right


def white_trend(values: FloatArray, basis: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""What the trend explains of whitened values, by the least squares of its coefficients.

    .. math:: c = M^{-1} A' w, \quad r = w - A c, \qquad
              w' (I - A M^{-1} A') w = r' r + c' c

    Parameters
    ----------
    values : array, shape (n,)
        w.
    basis : array, shape (n, k)
        A.

    Returns
    -------
    coefficients : array, shape (k,)
    rest : array, shape (n,)
    root : array, shape (k, k)
        Lower, of M.
    """
    root = np.linalg.cholesky(np.eye(basis.shape[1]) + basis.T @ basis)
    half = solve_small(root, basis.T @ values)
    coefficients = solve_small(root, half, trans=1)
    return coefficients, values - basis @ coefficients, root


def whiten_rows(rows: FloatArray, whitener: FloatArray, lower: FloatArray | None) -> None:
    """C L'^-1 in place of C, `rows` (q, n): by L^-1, or by solves where L (n, n) is given."""
    if lower is None:
        times_transposed(rows, whitener)
    else:  # rows in C order are columns of the transpose in Fortran order: in place
        dtrsm(1.0, lower, rows.T, lower=1, overwrite_b=1)


@dataclass(frozen=True, eq=False)
class Factor:
    """K^-1 by the parts of it.

    Attributes
    ----------
    whitener : array, shape (n, n)
        W = L^-1, lower, in Fortran order.
    basis : array, shape (n, k)
        A = W H.
    root : array, shape (k, k)
        Lower, of M = I + A' A.
    lower : array, shape (n, n), or None
        L, where solves with it are called for: products with W are twice as fast, but lose more
        digits of an ill-conditioned K.
    """

    whitener: FloatArray
    basis: FloatArray
    root: FloatArray
    lower: FloatArray | None = None

    @classmethod
    def of(cls, L: FloatArray, trend_basis: FloatArray, by_solves: bool = False) -> Factor:
        """From the Cholesky factor of K_0 (n, n), lower and in Fortran order, and H (n, k)."""
        A, _ = dtrtrs(L, np.column_stack([trend_basis, np.zeros(len(L))]), lower=1)
        A = A[:, :-1]
        root = np.linalg.cholesky(np.eye(A.shape[1]) + A.T @ A)
        W = L.copy(order="F")
        invert(W)
        return cls(W, A, root, L if by_solves else None)

    def solve(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """K^-1 y of values y (n,), and H' K^-1 y, shape (k,)."""
        L, W = self.lower, self.whitener
        white = W @ values if L is None else dtrtrs(L, values, lower=1)[0]
        coefficients, rest, _ = white_trend(white, self.basis)
        return W.T @ rest if L is None else dtrtrs(L, rest, lower=1, trans=1)[0], coefficients

    def whiten(self, cross: FloatArray, basis: FloatArray) -> FloatArray:
        """C W' in place of C, `cross` (q, n), and R M^-1/2, shape (q, k), for h (q, k)."""
        whiten_rows(cross, self.whitener, self.lower)
        left = basis - cross @ self.basis
        return solve_small(self.root, left.T).T

    @cached_property
    def coefficient_covariance(self) -> FloatArray:
        """M^-1, of the coefficients given the data, shape (k, k)."""
        half = solve_small(self.root, np.eye(len(self.root)))
        return half.T @ half

    @cached_property
    def whole(self) -> FloatArray:
        """V with V' V = K^-1, shape (n, n): (I + A A')^-1/2 W."""
        U, s, _ = np.linalg.svd(self.basis, full_matrices=False)
        shrink = 1 - 1 / np.sqrt(1 + s**2)
        return self.whitener - (U * shrink) @ (U.T @ self.whitener)
