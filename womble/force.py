r"""The gradient that moves a sampler, by a polynomial.

Hamiltonian Monte Carlo is exact for any force F(q) in its leapfrog steps,

.. math:: p' = p + \tfrac{\epsilon}{2} F(q), \quad q' = q + \epsilon M^{-1} p', \quad
          p'' = p' + \tfrac{\epsilon}{2} F(q'),

each of which is a shear and keeps volume, as long as states are accepted by their exact density.
A force close to the gradient only makes it accept more. With n data the gradient of a likelihood
takes three times the arithmetic of its value, n^3 instead of n^3 / 3.

References
----------
Neal (2011), MCMC using Hamiltonian dynamics, sec. 5.4; Rasmussen (2003), Bayesian Statistics 7,
651-659.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np
from scipy.special import ndtri, softmax
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.ensemble import WORKERS
from womble.laplace import NormalApproximation


class Density(Protocol):
    """A log density, with and without its gradient."""

    def __call__(self, q: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at `q` (k,)."""
        ...

    def value(self, q: FloatArray) -> float:
        """The value alone, for less work."""
        ...


DEGREE = 4
# Points that a fit takes at least, and standard deviations that they spread.
FITTED, SPREAD = 64, 1.5
# Others, at which it is tried: there it may miss the gradient by so much, in the posterior's root
# mean square and on axes on which its standard deviation is 1. Acceptance falls by some hundredths.
TRIED, CLOSE = 32, 0.3
# Standard deviations from the mode beyond which the true gradient is taken.
REACH = 4.0


@dataclass(frozen=True, eq=False)
class PolynomialForce:
    """A log density with its value as it is and a polynomial's gradient near its mode.

    Attributes
    ----------
    density : Density
    mode : array, shape (k,)
    root : array, shape (k, k)
        Of the covariance at the mode: q = mode + root u.
    coefficients : array, shape (m,)
        Of the monomials of `powers` in u.
    """

    density: Density
    mode: FloatArray
    root: FloatArray
    coefficients: FloatArray

    @cached_property
    def _inverse(self) -> FloatArray:
        return np.linalg.inv(self.root)

    @cached_property
    def _powers(self) -> np.ndarray:
        return powers(len(self.mode))

    def __call__(self, q: FloatArray) -> tuple[float, FloatArray]:
        """Value and force at `q` (k,)."""
        u = self._inverse @ (q - self.mode)
        if u @ u > REACH**2:
            return self.density(q)
        slopes = monomial_gradients(u[None], self._powers)[0] @ self.coefficients
        return self.density.value(q), slopes @ self._inverse


def with_force(density: Density, mode: NormalApproximation) -> PolynomialForce | Density:
    """The density with a polynomial force, or as it is where none is close enough.

    Parameters
    ----------
    density : Density
        Safe in threads.
    mode : NormalApproximation
        Its only one.
    """
    k = len(mode.mode)
    exponents = powers(k)
    # Three gradient components a coefficient.
    fitted = max(FITTED, 3 * len(exponents) // k)
    root = np.linalg.cholesky(mode.covariance)
    # The first point of the sequence is 0, which has no normal quantile.
    u = SPREAD * ndtri(qmc.Halton(k, scramble=False).random(1 + fitted + TRIED)[1:])
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        values, gradients = zip(*pool.map(density, mode.mode + u @ root.T), strict=True)
    # How much more the density has there than the points.
    weights = softmax(np.array(values) + 0.5 * (u**2).sum(axis=1) / SPREAD**2)
    slopes, design = np.array(gradients) @ root, monomial_gradients(u, exponents)
    # Rows count by the square root of the weights: tails too are where a sampler moves.
    rows = weights[:fitted, None, None] ** 0.25
    coefficients = np.linalg.lstsq(
        (rows * design[:fitted]).reshape(-1, len(exponents)),
        (rows[..., 0] * slopes[:fitted]).ravel(),
        rcond=None,
    )[0]
    missed = ((design[fitted:] @ coefficients - slopes[fitted:]) ** 2).sum(axis=1)
    if not missed @ weights[fitted:] < CLOSE**2 * weights[fitted:].sum():
        return density
    return PolynomialForce(density, mode.mode, root, coefficients)


def powers(k: int) -> np.ndarray:
    """Exponents (m, k) of all monomials of k variables of degree 1 to `DEGREE`."""
    each = (
        np.bincount(chosen, minlength=k)
        for degree in range(1, DEGREE + 1)
        for chosen in combinations_with_replacement(range(k), degree)
    )
    return np.array(list(each))


def monomial_gradients(u: FloatArray, exponents: np.ndarray) -> FloatArray:
    """Gradients of monomials (m, k) at points `u` (n, k), shape (n, k, m)."""
    parts = []
    for j, exponent in enumerate(exponents.T):
        lowered = exponents.copy()
        lowered[:, j] = np.maximum(exponent - 1, 0)
        parts.append(exponent * np.prod(u[:, None, :] ** lowered, axis=2))
    return np.stack(parts, axis=1)
