"""Signs of units by the probability of each being positive, singly or with a bounded error rate."""

import numpy as np

from womble.arrays import FloatArray
from womble.decision.bands import simultaneous_factor, simultaneous_sign
from womble.decision.rules import ROUNDING, SignArray, check_rule, sign


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
    return sign(p_positive >= 1 - alpha / 2, p_positive <= alpha / 2)


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
    return sign((p_positive > 0.5) & (error <= bound), (p_positive < 0.5) & (error <= bound))
