"""The mode of a density and its curvature there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.stats import qmc

from womble.arrays import FloatArray

# From a point (k,) to the log density, -inf out of range, and its gradient (k,).
LogDensityFunction = Callable[[FloatArray], tuple[float, FloatArray]]

# Of the differences of gradients that make the Hessian, on logarithms: truncation and rounding of
# about 1e-6 and 1e-8 of its entries.
DIFFERENCE = 1e-3


# Modes nearer than this many standard deviations are one; those with less than e^-10 of the largest
# share of the mass are none.
SAME_MODE = 1.0
LEAST_LOG_SHARE = -10.0


# Points at which a search for modes looks first, and how far from the start they reach on either
# side: on logarithms, over the bulk of the default priors.
SCREENED, REACH = 64, 2.5


class NormalApproximation(NamedTuple):
    """The normal with a density's mode and curvature.

    Attributes
    ----------
    mode : array, shape (k,)
    covariance : array, shape (k, k)
        The identity where the density has no proper maximum there.
    log_mass : float
        Log of the mass that the normal gives to the mode, but for a constant that all modes share.
    """

    mode: FloatArray
    covariance: FloatArray
    log_mass: float

    def dispersed(self, rng: np.random.Generator) -> FloatArray:
        """A draw with twice the standard deviations, shape (k,)."""
        noise = rng.standard_normal(len(self.mode))
        return self.mode + 2 * np.linalg.cholesky(self.covariance) @ noise

    def holds(self, point: FloatArray) -> bool:
        """Whether a mode found at `point` is this one."""
        difference = point - self.mode
        return difference @ np.linalg.solve(self.covariance, difference) < SAME_MODE**2


def find_modes(density: LogDensityFunction, starts: FloatArray) -> list[NormalApproximation]:
    """Distinct modes that are reached from `starts` (m, k), by the mass that each stands for.

    Raises
    ------
    ValueError
        If the density is nil at all of them.
    """
    found: list[NormalApproximation] = []
    for start in starts:
        mode, value = climb(density, start)
        if not np.isfinite(value):
            continue
        if any(other.holds(mode) for other in found):
            continue
        covariance = curvature(density, mode)
        log_mass = value + 0.5 * np.linalg.slogdet(covariance)[1]
        found.append(NormalApproximation(mode, covariance, log_mass))
    if not found:
        raise ValueError(
            "the density of the hyperparameters is nil wherever its modes were looked for. "
            "Expected values with noise under the likelihood that was chosen. Where counts are so "
            "large that they are as good as exact, take logarithms, with likelihood='gaussian'; "
            "where a prior is far from the data's scale, change it."
        )
    found.sort(key=lambda mode: -mode.log_mass)
    return [mode for mode in found if mode.log_mass - found[0].log_mass > LEAST_LOG_SHARE]


def promising_starts(value: Callable[[FloatArray], float], start: FloatArray) -> FloatArray:
    """Points around `start` (k,) from which different modes are likely to be reached, (m, k).

    Of a low-discrepancy set those that are higher than all their 2 k nearest neighbours, the
    highest first. `value` is the log density alone.

    References
    ----------
    Rinnooy Kan and Timmer (1987), Mathematical Programming 39, 57-78.
    """
    k = len(start)
    unit = qmc.Sobol(k, scramble=False).random(SCREENED)
    points = start + REACH * (2 * unit - 1)
    values = np.array([value(q) for q in points])
    neighbours = cKDTree(points).query(points, k=2 * k + 1)[1][:, 1:]
    peaks = np.flatnonzero((values[:, None] > values[neighbours]).all(axis=1))
    return points[peaks[np.argsort(-values[peaks])]]


def climb(density: LogDensityFunction, start: FloatArray) -> tuple[FloatArray, float]:
    """The maximum that BFGS reaches from `start` (k,), and the log density there.

    References
    ----------
    Nocedal and Wright (2006), Numerical Optimization, ch. 6.
    """

    def loss(q: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = density(q)
        return -value, -gradient

    # Where the density is -inf, line searches step back; their differences are not numbers.
    with np.errstate(invalid="ignore"):
        found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-3})
    return found.x, -found.fun


def curvature(density: LogDensityFunction, mode: FloatArray) -> FloatArray:
    """Inverse of minus the Hessian (k, k), or the identity where that is no covariance."""
    steps = DIFFERENCE * np.eye(len(mode))
    hessian = np.array(
        [(density(mode + e)[1] - density(mode - e)[1]) / (2 * DIFFERENCE) for e in steps]
    )
    precision, axes = np.linalg.eigh(-0.5 * (hessian + hessian.T))
    return (axes / precision) @ axes.T if (precision > 0).all() else np.eye(len(mode))
