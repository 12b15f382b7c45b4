"""Wombling measures of curves: is there a boundary along this line?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from womble import decision, mixture
from womble.arrays import FloatArray
from womble.curve import Segments, measures
from womble.engines.base import Conditional
from womble.engines.ensemble import Ensemble
from womble.functional import Functional

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("gradient", "curvature")
LEVELS = {"q025": 0.025, "q50": 0.5, "q975": 0.975}

# Segments treated together: their covariance is computed in full and costs the square.
TOGETHER = 16


def wombling_table(
    ensemble: Ensemble,
    pieces: Segments,
    *,
    by: Literal["segment", "curve"],
    order: int,
    rule: str,
    alpha: float,
    rng: np.random.Generator,
    progress: bool,
) -> pd.DataFrame:
    """Posterior of the wombling measures of each segment or whole curve.

    Parameters
    ----------
    ensemble : Ensemble
    pieces : Segments
    by : {"segment", "curve"}
        A curve's measure is the integral over all its segments, from their joint law.
    order : {1, 2}
        1 leaves curvature out.
    rule, alpha
        See `womble.decision`; the unit is the row.

    Returns
    -------
    DataFrame
        A row a segment or curve; columns as in `womble.Posterior.womble`, without geometry.
    """
    import pandas as pd

    functionals = _functionals(ensemble, pieces, by, order)
    quantities = QUANTITIES[:order]

    def one(f: Conditional, _: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Means and sds of this draw, each of shape (quantities, rows)."""
        laws = [f.joint(functional) for functional in functionals]
        means = [mean.reshape(order, -1) for mean, _ in laws]
        variances = [np.diag(covariance).reshape(order, -1) for _, covariance in laws]
        return np.concatenate(means, 1), np.sqrt(np.maximum(np.concatenate(variances, 1), 0.0))

    results = list(ensemble.map(one, rng, "wombling", progress))
    means, sds = (np.stack(part) for part in zip(*results, strict=True))
    length = pieces.length
    if by == "curve":
        length = np.bincount(pieces.curve, weights=length)
    columns: dict[str, FloatArray | str] = {"length": length}
    for i, name in enumerate(quantities):
        columns |= _columns(name, means[:, i], sds[:, i], length, rule, alpha)
    columns["rule"] = f"{rule}, alpha = {alpha:g}, per {by}"
    return pd.DataFrame(columns)


def _functionals(ensemble: Ensemble, pieces: Segments, by: str, order: int) -> list[Functional]:
    """The measures in chunks whose joint law is needed, covering all rows in order."""
    shortest = min(theta.lengthscale for theta in ensemble.thetas) * ensemble.scaling.length
    if by == "curve":
        chunks = [np.flatnonzero(pieces.curve == c) for c in range(pieces.curve[-1] + 1)]
        rows = [np.zeros(len(chunk), dtype=int) for chunk in chunks]
    else:
        count = len(pieces.start)
        chunks = [np.arange(i, min(i + TOGETHER, count)) for i in range(0, count, TOGETHER)]
        rows = [np.arange(len(chunk)) for chunk in chunks]
    return [
        measures(_subset(pieces, chunk), row, shortest, order)
        for chunk, row in zip(chunks, rows, strict=True)
    ]


def _subset(pieces: Segments, index: np.ndarray) -> Segments:
    return Segments(
        pieces.start[index],
        pieces.stop[index],
        pieces.curve[index],
        pieces.number[index],
        pieces.source,
    )


def _columns(
    name: str,
    means: FloatArray,
    sds: FloatArray,
    length: FloatArray,
    rule: str,
    alpha: float,
) -> Mapping[str, FloatArray]:
    """Columns of one measure from its mixture over draws, means and sds of shape (S, rows)."""
    mean, sd = mixture.moments(means, sds)
    quantiles = mixture.quantiles(means, sds, list(LEVELS.values()))
    statistics = {"mean": mean, "sd": sd} | dict(zip(LEVELS, quantiles, strict=True))
    positive = mixture.probability_positive(means, sds)
    return (
        {f"{name}_{key}": column for key, column in statistics.items()}
        | {
            f"{name}_p_positive": positive,
            f"{name}_significant_raw": decision.interval_sign(positive, alpha),
            f"{name}_significant": decision.significance(positive, rule, alpha),
        }
        | {f"average_{name}_{key}": column / length for key, column in statistics.items()}
    )
