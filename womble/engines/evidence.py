"""Derivatives of Laplace's approximation of the log marginal likelihood, through the mode too.

References
----------
Rasmussen and Williams (2006), sec. 5.5.1.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from womble.arrays import FloatArray
from womble.engines.approximation import Mode
from womble.likelihoods import Terms


def gradient_by_weights(F: FloatArray, mode: Mode) -> tuple[FloatArray, FloatArray]:
    r"""Derivatives of log q by the logarithm of each weight's scale, and by parameters.

    Stretching column k of F by e^t moves the mode; in the end, with A = I + F' W F and
    s_i = -1/2 Var(eta_i) dW_i / d eta_i,

    .. math:: d \log q / dt = \hat w_k^2 + (A^{-1})_{kk} - 1 + 2 \hat w_k (A^{-1} F' s)_k.

    Returns
    -------
    by_scale : array, shape (m,)
    by_parameters : array, shape (k,)
    """
    whitener = solve_triangular(mode.factor, np.eye(len(mode.factor)), lower=True)
    variance = np.sum((F @ whitener.T) ** 2, axis=1)
    pull = F.T @ (-0.5 * variance * mode.terms.information_slope)
    pull = whitener.T @ (whitener @ pull)
    w = mode.x
    by_scale = w**2 + np.sum(whitener**2, axis=0) - 1 + 2 * w * pull
    return by_scale, _by_parameters(mode.terms, variance, F @ pull)


def gradient_by_sites(
    K: FloatArray, derivatives: list[FloatArray], mode: Mode
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of log q along given derivatives of K (n, n), and by parameters.

    References
    ----------
    Rasmussen and Williams (2006), eq. (5.22) to (5.24), algorithm 5.1.
    """
    terms, a = mode.terms, mode.x
    root = np.sqrt(terms.information)
    whitener = solve_triangular(mode.factor, np.diag(root), lower=True)
    R = whitener.T @ whitener
    variance = np.diag(K) - np.sum((whitener @ K) ** 2, axis=0)
    s = -0.5 * variance * terms.information_slope

    def one(C: FloatArray) -> float:
        b = C @ terms.slope
        return 0.5 * (a @ (C @ a) - np.sum(R * C)) + s @ (b - K @ (R @ b))

    pulled = K @ (s - R @ (K @ s))
    return np.array([one(C) for C in derivatives]), _by_parameters(terms, variance, pulled)


def _by_parameters(terms: Terms, variance: FloatArray, pulled: FloatArray) -> FloatArray:
    """By the likelihood's parameters: directly, through W, and through the mode (k,)."""
    direct = terms.value_by.sum(axis=1) - 0.5 * terms.information_by @ variance
    return direct + terms.slope_by @ pulled
