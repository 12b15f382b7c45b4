"""Sets about which one statement holds everywhere at once, with probability 1 - alpha.

Places (cells, lines) are put in order first; of the sets of the first k of them the largest is
taken whose joint probability is still 1 - alpha.
"""

import numpy as np
import numpy.typing as npt

from womble.arrays import BoolArray, FloatArray
from womble.decision.bands import require_draws
from womble.decision.rules import ROUNDING, check_alpha

IndexArray = npt.NDArray[np.intp]


def first_failure(holds: BoolArray) -> IndexArray:
    """Rank at which a draw first fails, q where it never does.

    Parameters
    ----------
    holds : array of bool, shape (..., q)
        Whether the statement holds at each place, places in order along the last axis.

    Returns
    -------
    int array, shape (...)
    """
    ends = np.zeros((*holds.shape[:-1], 1), dtype=bool)
    return np.argmin(np.concatenate([holds, ends], axis=-1), axis=-1)


def joint_probability(failures: IndexArray, size: int) -> FloatArray:
    """Share of draws in which the statement holds at the first k places, for k = 1 .. size.

    Parameters
    ----------
    failures : int array, shape (S,)
        `first_failure` of each draw.
    size : int

    Returns
    -------
    array, shape (size,)
        Never increasing. The standard error of a share p is (p (1 - p) / S)^(1/2), if the order
        of the places does not come from the same draws.
    """
    lost = np.cumsum(np.bincount(failures, minlength=size + 1))[:-1]
    return 1 - lost / len(failures)


def within(probability: FloatArray, alpha: float) -> BoolArray:
    """Where a joint probability is at least 1 - alpha, up to rounding."""
    return probability >= 1 - alpha - ROUNDING


def simultaneous_set(
    indicator: BoolArray, order: IndexArray, alpha: float
) -> tuple[BoolArray, FloatArray]:
    """Largest set of leading units of which all are true at once, with probability 1 - alpha.

    Parameters
    ----------
    indicator : array of bool, shape (S, q)
        Whether each unit (a line, say) is true in each joint posterior draw.
    order : int array, shape (q,)
        The units, most credible first.
    alpha : float

    Returns
    -------
    inside : array of bool, shape (q,)
    probability : array, shape (q,)
        That the unit and all before it are true at once.

    Raises
    ------
    ValueError
        By `check_alpha`, or if there are too few draws.
    """
    check_alpha(alpha)
    require_draws(len(indicator), alpha)
    probability = np.empty(len(order))
    probability[order] = joint_probability(first_failure(indicator[:, order]), len(order))
    return within(probability, alpha), probability


def joint_excursion(draws: FloatArray, above: float, alpha: float) -> tuple[BoolArray, FloatArray]:
    """Set where the field exceeds a level everywhere at once, with probability 1 - alpha.

    Of the sets of the k likeliest places (by marginal P(f > u), ties by posterior mean) it is the
    largest with P(f > u at all of them) >= 1 - alpha. For a set below a level negate both.

    Parameters
    ----------
    draws : array, shape (S, q)
        Joint posterior draws at q places; a place with a NaN in any draw is left out.
    above : float
        The level u, in the field's units.
    alpha : float

    Returns
    -------
    inside : array of bool, shape (q,)
    excursion_function : array, shape (q,)
        Largest 1 - alpha whose set still holds the place: the share of draws that exceed u there
        and at all likelier places. NaN where left out.

    Raises
    ------
    ValueError
        By `check_alpha`, or if there are too few draws.

    References
    ----------
    Bolin and Lindgren (2015), JRSS B 77, 85-106.
    """
    check_alpha(alpha)
    places = np.flatnonzero(~np.isnan(draws).any(axis=0))
    exceeds = draws[:, places] > above
    order = likeliest_first(exceeds.mean(axis=0), draws[:, places].mean(axis=0))
    inside = np.zeros(draws.shape[1], dtype=bool)
    excursion_function = np.full(draws.shape[1], np.nan)
    inside[places], excursion_function[places] = simultaneous_set(exceeds, order, alpha)
    return inside, excursion_function


def likeliest_first(probability: FloatArray, mean: FloatArray) -> IndexArray:
    """Order of places by falling marginal probability, ties by falling mean, shape (q,)."""
    return np.lexsort((-mean, -probability))
