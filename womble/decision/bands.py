"""Simultaneous bands: mean -+ c sd, wide enough to cover a whole field at once."""

import numpy as np

from womble.arrays import FloatArray
from womble.decision.rules import ROUNDING, SignArray, sign


def minimum_draws(alpha: float) -> int:
    """Fewest draws with a ceil((S + 1)(1 - alpha))-th order statistic among them: 1 / alpha - 1."""
    return int(np.ceil(1 / alpha - 1 - ROUNDING))


def require_draws(count: int, alpha: float) -> None:
    """Refuse too few draws for a joint statement with error rate `alpha`.

    Raises
    ------
    ValueError
        If `count` < `minimum_draws(alpha)`.
    """
    if count < minimum_draws(alpha):
        raise ValueError(
            f"A simultaneous band or set at alpha = {alpha:g} needs at least "
            f"{minimum_draws(alpha)} draws; got {count}. Ask for more samples or a larger `alpha`."
        )


def largest_deviation(draw: FloatArray, mean: FloatArray, sd: FloatArray) -> float:
    """Largest |draw - mean| / sd over all places.

    Parameters
    ----------
    draw, mean, sd : array, shape (...)
        One draw of the field and its posterior moments. Places with a NaN and places without
        uncertainty (sd = 0) are skipped.

    Returns
    -------
    float
        0 if no place is left.
    """
    places = np.isfinite(draw) & np.isfinite(mean) & (sd > 0)
    return float(np.max(np.abs(draw[places] - mean[places]) / sd[places], initial=0.0))


def critical_value(maxima: FloatArray, alpha: float) -> FloatArray:
    """Factor c such that mean -+ c sd covers a whole field with probability 1 - alpha.

    Parameters
    ----------
    maxima : array, shape (S, ...)
        `largest_deviation` of each of S joint draws.
    alpha : float

    Returns
    -------
    array, shape (...)
        The ceil((S + 1)(1 - alpha))-th smallest. By exchangeability a further draw lies inside
        with probability at least 1 - alpha, for any S. The coverage that S draws find is a
        Beta variable with sd (alpha (1 - alpha) / S)^(1/2): 0.7% at S = 1,000, alpha = 0.05.

    Raises
    ------
    ValueError
        If S is too small for that order statistic.
    """
    require_draws(len(maxima), alpha)
    rank = int(np.ceil((len(maxima) + 1) * (1 - alpha) - ROUNDING * len(maxima)))
    return np.sort(maxima, axis=0)[rank - 1]


def simultaneous_factor(draws: FloatArray, mean: FloatArray, sd: FloatArray, alpha: float) -> float:
    """`critical_value` of draws that are held in memory.

    Parameters
    ----------
    draws : array, shape (S, ...)
        Joint posterior draws.
    mean, sd : array, shape (...)
        Posterior moments of the same quantity. Places without uncertainty (sd = 0) and places with
        a NaN in `mean`, `sd` or any draw are skipped.
    alpha : float

    Returns
    -------
    float
        c; 0 if no place is left.

    Raises
    ------
    ValueError
        If there are too few draws.
    """
    known = np.isfinite(draws).all(axis=0)
    # A draw at a time: no second array of the size of `draws`.
    maxima = [largest_deviation(draw[known], mean[known], sd[known]) for draw in draws]
    return float(critical_value(np.array(maxima), alpha))


def simultaneous_sign(mean: FloatArray, sd: FloatArray, factor: float) -> SignArray:
    """Sign where the band mean -+ factor sd excludes 0.

    Parameters
    ----------
    mean, sd : array, shape (...)
    factor : float
        From `critical_value`.

    Returns
    -------
    array of int8, shape (...)
    """
    return sign(mean > factor * sd, mean < -factor * sd)
