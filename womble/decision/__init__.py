"""Which signs to believe: flags -1, 0, +1 for cells, segments or lines, by a named rule.

- "interval": the pointwise equal-tailed interval excludes 0; each unit judged on its own.
- "fdr": the expected share of wrong signs among those called is at most `alpha`.
- "simultaneous": one band covers the whole field, so *no* sign called is wrong, jointly.

Units that are NaN (outside a mask) get 0 and do not count towards anything. Joint sets say more
than signs: where a field exceeds a level everywhere at once, which lines are all real.
"""

from womble.decision.bands import (
    critical_value,
    largest_deviation,
    minimum_draws,
    require_draws,
    simultaneous_factor,
    simultaneous_sign,
)
from womble.decision.rules import RULES, SignArray, check_alpha, check_rule
from womble.decision.sets import (
    first_failure,
    joint_excursion,
    joint_probability,
    likeliest_first,
    simultaneous_set,
    within,
)
from womble.decision.signs import fdr_sign, interval_sign, significance

__all__ = [
    "RULES",
    "SignArray",
    "check_alpha",
    "check_rule",
    "critical_value",
    "fdr_sign",
    "first_failure",
    "interval_sign",
    "joint_excursion",
    "joint_probability",
    "largest_deviation",
    "likeliest_first",
    "minimum_draws",
    "require_draws",
    "significance",
    "simultaneous_factor",
    "simultaneous_set",
    "simultaneous_sign",
    "within",
]
