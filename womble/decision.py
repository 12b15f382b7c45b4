"""Which signs to believe: flags -1, 0, +1 for cells, segments or lines, by a named rule.

- "interval": the pointwise equal-tailed interval excludes 0; each unit judged on its own.
- "fdr": the expected share of wrong signs among those called is at most `alpha`.
- "simultaneous": one band covers the whole field, so *no* sign called is wrong, jointly.

Units that are NaN (outside a mask) get 0 and do not count towards anything.
"""

import numpy as np
import numpy.typing as npt

from womble.arrays import BoolArray, FloatArray

SignArray = npt.NDArray[np.int8]

RULES = ("interval", "fdr", "simultaneous")

# Sums of probabilities carry rounding of this order; it must not decide a call at the bound.
ROUNDING = 1e-12


def check_alpha(alpha: float) -> None:
    """Refuse an `alpha` that is no error rate.

    Raises
    ------
    ValueError
        If `alpha` is outside (0, 0.5]: an error beyond 1/2 is worse than tossing a coin.
    """
    if not 0 < alpha <= 0.5:
        raise ValueError(
            f"`alpha` must be an error rate in (0, 0.5]; got {alpha!r}. "
            "Use 0.05 for 95% intervals or a 5% false-sign rate."
        )


def check_rule(rule: str, alpha: float) -> None:
    """Refuse an unknown rule or error rate, before any work is done.

    Raises
    ------
    ValueError
        If `rule` is not in `RULES`, or by `check_alpha`.
    """
    if rule not in RULES:
        raise ValueError(
            f"`rule` must be one of {', '.join(map(repr, RULES))}; got {rule!r}. "
            "Use 'interval' to judge units singly, 'fdr' or 'simultaneous' to judge them together."
        )
    check_alpha(alpha)


def significance(
    p_positive: FloatArray,
    rule: str,
    alpha: float,
    *,
    mean: FloatArray | None = None,
    sd: FloatArray | None = None,
    draws: FloatArray | None = None,
) -> SignArray:
    """Signs called under a rule.

    Parameters
    ----------
    p_positive : array, shape (...)
        Posterior probability that each unit's quantity is positive; NaN outside the mask.
    rule : {"interval", "fdr", "simultaneous"}
    alpha : float
        Error rate in (0, 0.5].
    mean, sd : array, shape (...)
        Posterior moments; needed by "simultaneous" only.
    draws : array, shape (S, ...)
        Joint posterior draws of all units; needed by "simultaneous" only.

    Returns
    -------
    array of int8, shape (...)
        -1, 0 or 1.

    Raises
    ------
    ValueError
        If the rule or `alpha` is not known, or "simultaneous" lacks its arrays or enough draws.
    """
    check_rule(rule, alpha)
    if rule == "interval":
        return interval_sign(p_positive, alpha)
    if rule == "fdr":
        return fdr_sign(p_positive, alpha)
    if mean is None or sd is None or draws is None:
        raise ValueError(
            "The rule 'simultaneous' needs `mean`, `sd` and joint `draws`; got only part of them. "
            "Pass all three, or use the rule 'fdr', which needs probabilities alone."
        )
    return simultaneous_sign(mean, sd, simultaneous_factor(draws, mean, sd, alpha))


def interval_sign(p_positive: FloatArray, alpha: float) -> SignArray:
    """Sign where the pointwise equal-tailed 1 - alpha interval excludes 0.

    Parameters
    ----------
    p_positive : array, shape (...)
    alpha : float

    Returns
    -------
    array of int8, shape (...)
        1 where P(> 0) >= 1 - alpha / 2, -1 where P(> 0) <= alpha / 2, else 0.
    """
    return _sign(p_positive >= 1 - alpha / 2, p_positive <= alpha / 2)


def fdr_sign(p_positive: FloatArray, alpha: float) -> SignArray:
    """Largest set of signs whose expected share of wrong ones is at most `alpha`.

    A call of the likelier sign errs with probability min(p, 1 - p). Units are taken in the order of
    that error for as long as its running mean stays within `alpha`; equal errors are called
    together or not at all, and p = 1/2 never.

    Parameters
    ----------
    p_positive : array, shape (...)
        The units judged together: their number and selection are part of the statement.
    alpha : float

    Returns
    -------
    array of int8, shape (...)

    References
    ----------
    Newton, Noueiry, Sarkar and Ahlquist (2004), Biostatistics 5, 155-176, for the running
    mean; Stephens (2017), Biostatistics 18, 275-294, for errors of sign.
    """
    error = np.minimum(p_positive, 1 - p_positive)
    ordered = np.sort(error[np.isfinite(error)])
    within = np.cumsum(ordered) <= (alpha + ROUNDING) * np.arange(1, ordered.size + 1)
    # 1 - p is rounded: errors closer than that are ties, and only the last of a tie ends a set.
    ends = np.diff(ordered, append=np.inf) > ROUNDING
    last = np.flatnonzero(within & ends)
    bound = ordered[last[-1]] if last.size else -1.0
    return _sign((p_positive > 0.5) & (error <= bound), (p_positive < 0.5) & (error <= bound))


def minimum_draws(alpha: float) -> int:
    """Fewest draws with a ceil((S + 1)(1 - alpha))-th order statistic among them: 1 / alpha - 1."""
    return int(np.ceil(1 / alpha - 1 - ROUNDING))


def simultaneous_factor(draws: FloatArray, mean: FloatArray, sd: FloatArray, alpha: float) -> float:
    """Factor c such that mean -+ c sd covers the whole field with probability 1 - alpha.

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
        The ceil((S + 1)(1 - alpha))-th smallest of the S maxima max |draw - mean| / sd. By
        exchangeability a further draw lies inside with probability at least 1 - alpha, for any S.
        0 if no place is left.

    Raises
    ------
    ValueError
        If S is too small for that order statistic.
    """
    if len(draws) < minimum_draws(alpha):
        raise ValueError(
            f"A simultaneous band at alpha = {alpha:g} needs at least {minimum_draws(alpha)} "
            f"draws; got {len(draws)}. Ask for more samples or a larger `alpha`."
        )
    places = np.isfinite(mean) & (sd > 0) & np.isfinite(draws).all(axis=0)
    centre, scale = mean[places], sd[places]
    # A draw at a time: no second array of the size of `draws`.
    maxima = [np.max(np.abs(draw[places] - centre) / scale, initial=0.0) for draw in draws]
    rank = int(np.ceil((len(draws) + 1) * (1 - alpha) - ROUNDING * len(draws)))
    return float(np.sort(maxima)[rank - 1])


def simultaneous_sign(mean: FloatArray, sd: FloatArray, factor: float) -> SignArray:
    """Sign where the band mean -+ factor sd excludes 0.

    Parameters
    ----------
    mean, sd : array, shape (...)
    factor : float
        From `simultaneous_factor`.

    Returns
    -------
    array of int8, shape (...)
    """
    return _sign(mean > factor * sd, mean < -factor * sd)


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
        By `check_alpha`.

    References
    ----------
    Bolin and Lindgren (2015), JRSS B 77, 85-106.
    """
    check_alpha(alpha)
    places = np.flatnonzero(~np.isnan(draws).any(axis=0))
    exceeds = draws[:, places] > above
    order = np.lexsort((-draws[:, places].mean(axis=0), -exceeds.mean(axis=0)))
    # The rank at which a draw first fails; a last column of failures stands for "nowhere".
    fails = np.column_stack([~exceeds[:, order], np.ones(len(draws), dtype=bool)])
    lost = np.cumsum(np.bincount(fails.argmax(axis=1), minlength=places.size + 1))[:-1]
    excursion_function = np.full(draws.shape[1], np.nan)
    excursion_function[places[order]] = 1 - lost / len(draws)
    return excursion_function >= 1 - alpha - ROUNDING, excursion_function


def _sign(positive: BoolArray, negative: BoolArray) -> SignArray:
    return positive.astype(np.int8) - negative.astype(np.int8)
