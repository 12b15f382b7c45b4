"""The rules' names, their error rate, and the signs that a call is written as."""

import numpy as np
import numpy.typing as npt

from womble.arrays import BoolArray

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


def sign(positive: BoolArray, negative: BoolArray) -> SignArray:
    """1 where positive, -1 where negative, else 0."""
    return positive.astype(np.int8) - negative.astype(np.int8)
