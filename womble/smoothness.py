"""What data tell of the smoothness nu of a field: the same model with several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.check import compare
from womble.kernels import Kernel, Matern, SquaredExponential

if TYPE_CHECKING:
    import pandas as pd

    from womble.model import FieldModel
    from womble.posterior import Posterior

# Differences in elpd below this tell nothing, nor those within two standard errors (Sivula et al.
# 2020).
TELLING, STANDARD_ERRORS = 4.0, 2.0

# Crest lines of a path have finite length beyond.
CREST_SMOOTHNESS = 3.0


def kernel_of(nu: float) -> Kernel:
    """Matern's kernel, or its limit, the squared exponential."""
    return SquaredExponential() if isinf(nu) and nu > 0 else Matern(nu)


def require_comparable(model: FieldModel, nu: Sequence[float]) -> list[float]:
    """The smoothnesses to compare, checked with their model before any is fitted.

    Raises
    ------
    ValueError
        If the kernel has no nu, the likelihood no leave-one-out, or there are not two different nu.
    """
    if not isinstance(model.kernel, Matern | SquaredExponential):
        raise ValueError(
            "compare_smoothness() needs a model with a Matern or SquaredExponential kernel, whose "
            f"place the others take; got {model.kernel!r}. Use wb.compare on fits of your own."
        )
    if model.likelihood != "gaussian":
        raise ValueError(
            "compare_smoothness() needs likelihood='gaussian', whose observations are left out in "
            f"closed form; got likelihood={model.likelihood!r}."
        )
    numbers = [float(x) for x in nu]
    if len(set(numbers)) < max(2, len(numbers)):
        raise ValueError(f"`nu` must be at least two different numbers; got {tuple(nu)!r}.")
    for number in numbers:
        kernel_of(number)
    return numbers


def compare_smoothness(
    model: FieldModel, data: Any, value: str | None, nu: Sequence[float], seed: int, **options: Any
) -> pd.DataFrame:
    """See `FieldModel.compare_smoothness`; `options` are those of `fit`."""
    posteriors = {
        number: replace(model, kernel=kernel_of(number)).fit(data, value, rng=seed, **options)
        for number in require_comparable(model, nu)
    }
    table = compare(posteriors).rename_axis("nu")
    posteriors = [posteriors[number] for number in table.index]
    lengths = [post.draws["lengthscale"] for post in posteriors]
    table["lengthscale"] = [float(x.mean()) for x in lengths]
    table["lengthscale_sd"] = [float(x.std()) for x in lengths]
    table["k_hat"] = [_k_hat(post) for post in posteriors]
    smooth = np.array([post.kernel.differentiability for post in posteriors])
    table["gradient"], table["hessian"] = smooth > 1, smooth > 2
    table["crest_lines_of_draws"] = smooth > CREST_SMOOTHNESS
    table.attrs["advice"] = advice(table)
    return table


def _k_hat(post: Posterior) -> float:
    """Of the importance sampling of the hyperparameters, NaN where it was not that."""
    stats = post.sample_stats
    return np.nan if stats is None or "k_hat" not in stats else float(stats["k_hat"])


def told_apart(table: pd.DataFrame) -> pd.Series:
    """Whether each model of a comparison is worse than the best beyond doubt."""
    behind = -table["difference"]
    return (behind > TELLING) & (behind > STANDARD_ERRORS * table["difference_se"])


def advice(table: pd.DataFrame) -> str:
    """What a comparison says of nu, in words."""
    left = sorted(table.index[~told_apart(table)])
    found = (
        f"By leave-one-out these data cannot tell apart nu = {', '.join(f'{x:g}' for x in left)}."
    )
    if len(left) == 1:
        found = f"By leave-one-out nu = {left[0]:g} is better than the others."
    return (
        f"{found} nu is a statement about distances below the spacing of the sites, of which noisy "
        "data tell little: choose by what is known of the field and by the derivatives that you "
        "need, and see whether conclusions hold with others."
    )
