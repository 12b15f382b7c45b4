r"""Laplace's approximation: the mode of a latent normal given responses, and its curvature there.

With eta = F w, w ~ N(0, I), prior covariance K = F F' of eta, and responses that depend on eta
alone, the mode maximises :math:`\psi = \sum_i \log p(y_i | \eta_i) - \tfrac12 |w|^2`, and

.. math:: \log q(y) = \psi(\hat w) - \tfrac12 \log |I + F' W F|
                    = \psi(\hat w) - \tfrac12 \log |I + W^{1/2} K W^{1/2}|.

Two forms, both exact: by the weights (matrices m x m) and by the sites (n x n).

References
----------
Rasmussen and Williams (2006), sec. 3.4 and 5.5.1, algorithms 3.1 and 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

from womble.arrays import FloatArray
from womble.hyperparameters import State
from womble.likelihoods import Likelihood, Terms

# Newton's steps double the digits: the last one leaves far less than this behind.
CONVERGED = 1e-9
# Steps this short that no longer shrink are rounding: of eta = K a, where a is large.
STAGNANT = 1e-6
MOST_STEPS = 200
# Halvings of a step that overshoots; what is left is a millionth of it.
MOST_HALVINGS = 20


# Fields have amplitudes about 1: a response with less information on its site than this tells
# nothing in double precision, and the noise of the normal one that is like it stays finite.
LEAST_INFORMATION = 1e-20


def like_normal(terms: Terms, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values and information (n,) of the normal responses that the likelihood at eta looks like."""
    information = np.maximum(terms.information, LEAST_INFORMATION)
    return eta + terms.slope / information, information


class Coordinates(Protocol):
    """How the latent normal is written: by weights or by sites."""

    size: int

    def factor(self, information: FloatArray) -> FloatArray:
        """Cholesky factor of the precision at this W (n,)."""
        ...

    def newton(self, factor: FloatArray, terms: Terms, x: FloatArray) -> FloatArray:
        """The full step from x.

        From what is left of the slope there, so that rounding is that of the last steps alone.
        """
        ...

    def exact_step(self, terms: Terms, x: FloatArray, eta: FloatArray) -> FloatArray | None:
        """Newton's step with the true curvature, where that is no descent."""
        ...

    def field(self, x: FloatArray) -> FloatArray:
        """eta (n,) of coordinates x."""
        ...

    def penalty(self, x: FloatArray, eta: FloatArray) -> float:
        """|w|^2 / 2."""
        ...


class Mode(NamedTuple):
    """Where the posterior of the latent normal is highest.

    Attributes
    ----------
    x : array
        In the coordinates that were searched.
    eta : array, shape (n,)
    terms : Terms
        The likelihood at eta.
    factor : array
        Of the precision, lower triangular.
    log_evidence : float
        log q(y).
    """

    x: FloatArray
    eta: FloatArray
    terms: Terms
    factor: FloatArray
    log_evidence: float


def find_mode(
    coordinates: Coordinates, likelihood: Likelihood, parameters: FloatArray
) -> Mode | None:
    """The mode that Newton's method reaches from 0, with steps halved where they overshoot.

    None where it does not converge. Where log p is not concave, Fisher's scoring takes over from
    Newton's method wherever that would lead down: it is slow, but sure.
    """
    # Far from the mode, means may overflow; such steps are halved.
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.zeros(coordinates.size)
        eta = coordinates.field(x)
        terms = likelihood.terms(eta, parameters)
        height = terms.value.sum()
        factor, at, moved = None, None, np.inf
        for _ in range(MOST_STEPS):
            found = None
            if terms.curvature is not None:
                step = coordinates.exact_step(terms, x, eta)
                if step is not None:
                    found = _climb(coordinates, likelihood, parameters, x, step, height)
            if found is None:
                # The Fisher information of some laws is the same everywhere, and its factor too.
                if at is None or not np.array_equal(at, terms.information):
                    factor, at = coordinates.factor(terms.information), terms.information
                step = coordinates.newton(factor, terms, x)
                found = _climb(coordinates, likelihood, parameters, x, step, height)
            if found is None:
                return None
            before, moved = moved, np.abs(found[1] - eta).max()
            x, eta, terms, height = found
            size = 1 + np.abs(eta).max()
            if moved < CONVERGED * size or 0.5 * before < moved < STAGNANT * size:
                factor = coordinates.factor(terms.information)
                evidence = height - np.log(np.diag(factor)).sum()
                return Mode(x, eta, terms, factor, float(evidence))
    return None


def no_mode(state: State) -> ValueError:
    """The error of a mode that is not found."""
    scales = ", ".join(f"{s.lengthscale:.3g} and {s.amplitude:.3g}" for s in state.scales)
    return ValueError(
        "the mode of the field is not found at scaled lengthscale and amplitude "
        f"{scales}. Give a smaller amplitude, or check the responses for outliers."
    )


def _climb(
    coordinates: Coordinates,
    likelihood: Likelihood,
    parameters: FloatArray,
    x: FloatArray,
    step: FloatArray,
    height: float,
) -> tuple[FloatArray, FloatArray, Terms, float] | None:
    """The first of x + step, x + step / 2, .. that is no lower than x, to rounding."""
    slack = 1e-10 * (1 + abs(height))
    for halving in range(MOST_HALVINGS):
        candidate = x + step / 2**halving
        eta = coordinates.field(candidate)
        terms = likelihood.terms(eta, parameters)
        reached = terms.value.sum() - coordinates.penalty(candidate, eta)
        if reached >= height - slack:
            return candidate, eta, terms, reached
    return None


@dataclass(frozen=True, eq=False)
class ByWeights:
    """eta = F w, for fewer weights than sites.

    Parameters
    ----------
    design : array, shape (n, m)
        F.
    """

    design: FloatArray

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.design.shape[1]

    def factor(self, information: FloatArray) -> FloatArray:
        """L with L L' = I + F' W F."""
        return precision_factor(self.design, information)

    def newton(self, factor: FloatArray, terms: Terms, x: FloatArray) -> FloatArray:
        """See `Coordinates.newton`."""
        return cho_solve((factor, True), self.design.T @ terms.slope - x, check_finite=False)

    def exact_step(self, terms: Terms, x: FloatArray, eta: FloatArray) -> FloatArray | None:
        """See `Coordinates.exact_step`."""
        F = self.design
        uphill = F.T @ terms.slope - x
        precision = np.eye(self.size) + F.T @ (terms.curvature[:, None] * F)
        step = np.linalg.solve(precision, uphill)
        return step if step @ uphill >= 0 else None

    def field(self, x: FloatArray) -> FloatArray:
        """See `Coordinates.field`."""
        return self.design @ x

    def penalty(self, x: FloatArray, eta: FloatArray) -> float:
        """See `Coordinates.penalty`."""
        return 0.5 * float(x @ x)


@dataclass(frozen=True, eq=False)
class BySites:
    """eta = K a, w = F' a, for fewer sites than weights.

    Parameters
    ----------
    covariance : array, shape (n, n)
        K.
    """

    covariance: FloatArray

    @property
    def size(self) -> int:
        """Number of sites."""
        return len(self.covariance)

    def factor(self, information: FloatArray) -> FloatArray:
        """L with L L' = I + W^1/2 K W^1/2."""
        root = np.sqrt(information)
        B = root[:, None] * self.covariance * root
        np.fill_diagonal(B, B.diagonal() + 1.0)
        return _lower(B)

    def newton(self, factor: FloatArray, terms: Terms, x: FloatArray) -> FloatArray:
        """See `Coordinates.newton`: (I + W K)^-1 (g - a)."""
        root, uphill = np.sqrt(terms.information), terms.slope - x
        inner = cho_solve((factor, True), root * (self.covariance @ uphill), check_finite=False)
        return uphill - root * inner

    def exact_step(self, terms: Terms, x: FloatArray, eta: FloatArray) -> FloatArray | None:
        """See `Coordinates.exact_step`."""
        uphill = terms.slope - x
        precision = np.eye(self.size) + terms.curvature[:, None] * self.covariance
        step = np.linalg.solve(precision, uphill)
        return step if uphill @ (self.covariance @ step) >= 0 else None

    def field(self, x: FloatArray) -> FloatArray:
        """See `Coordinates.field`."""
        return self.covariance @ x

    def penalty(self, x: FloatArray, eta: FloatArray) -> float:
        """See `Coordinates.penalty`."""
        return 0.5 * float(x @ eta)


def precision_factor(design: FloatArray, information: FloatArray) -> FloatArray:
    """L with L L' = I + F' W F, shape (m, m)."""
    weighted = np.sqrt(information)[:, None] * design
    A = weighted.T @ weighted
    np.fill_diagonal(A, A.diagonal() + 1.0)
    return _lower(A)


def _lower(matrix: FloatArray) -> FloatArray:
    """The lower Cholesky factor of I plus a positive matrix; NaN where rounding leaves none."""
    L, info = dpotrf(matrix, lower=1, clean=1)
    return L if info == 0 and np.isfinite(L).all() else np.full_like(matrix, np.nan)
