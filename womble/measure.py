"""Wombling measures of curves: is there a boundary along this line?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from womble import decision, mixture
from womble.arrays import FloatArray
from womble.curve import Segments, measures
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import Ensemble
from womble.functional import Functional
from womble.paths import each_path

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("gradient", "curvature")
LEVELS = {"q025": 0.025, "q50": 0.5, "q975": 0.975}

# Segments treated together: their covariance with the data is held at once.
TOGETHER = 256
# Panels of a path's integrals are finer by this: a path is rougher than its covariance.
PATH_REFINEMENT = 4


def wombling_table(
    ensemble: Ensemble,
    pieces: Segments,
    *,
    by: Literal["segment", "curve"],
    order: int,
    rule: str,
    alpha: float,
    domain: FloatArray,
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
    domain : array, shape (2, 2)
        Corners of a box that holds data and segments.

    Returns
    -------
    DataFrame
        A row a segment or curve; columns as in `womble.Posterior.womble`, without geometry. Under
        "simultaneous" `attrs["critical_value"]` has c for each measure.
    """
    import pandas as pd

    means, sds = _laws(ensemble, _functionals(ensemble, pieces, by, order), order, rng, progress)
    factors: dict[str, float] = {}
    if rule == "simultaneous":
        moments = mixture.moments(means, sds)
        found = _critical_values(ensemble, pieces, by, order, moments, alpha, domain, rng, progress)
        factors = dict(zip(QUANTITIES, found.tolist(), strict=False))
    length = pieces.length
    if by == "curve":
        length = np.bincount(pieces.curve, weights=length)
    columns: dict[str, FloatArray | str] = {"length": length}
    for i, name in enumerate(QUANTITIES[:order]):
        columns |= _columns(name, means[:, i], sds[:, i], length, rule, alpha, factors.get(name))
    over = f"over all {by}s" if factors else f"per {by}"
    columns["rule"] = f"{rule}, alpha = {alpha:g}, {over}"
    table = pd.DataFrame(columns)
    table.attrs = {"critical_value": factors} if factors else {}
    return table


def _laws(
    ensemble: Ensemble,
    functionals: list[Functional],
    order: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    """Means and sds of each draw's measures, each of shape (S, quantities, rows)."""

    def one(f: Conditional, _: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        laws = [f.marginal(functional) for functional in functionals]
        means, variances = (
            [part.reshape(order, -1) for part in parts] for parts in zip(*laws, strict=True)
        )
        return np.concatenate(means, 1), np.sqrt(np.maximum(np.concatenate(variances, 1), 0.0))

    results = list(ensemble.map(one, rng, "wombling", progress))
    means, sds = (np.stack(part) for part in zip(*results, strict=True))
    return means, sds


def _critical_values(
    ensemble: Ensemble,
    pieces: Segments,
    by: str,
    order: int,
    moments: tuple[FloatArray, FloatArray],
    alpha: float,
    domain: FloatArray,
    rng: np.random.Generator,
    progress: bool,
) -> FloatArray:
    """c of the band over all rows, by quantity, from integrals of paths along the segments.

    The joint law of q rows in closed form costs q squared; integrating a path costs q.
    """
    rows = np.arange(len(pieces.start)) if by == "segment" else pieces.curve
    resolution = ensemble.shortest_lengthscale / PATH_REFINEMENT
    functional = measures(pieces, rows, resolution, order)
    mean, sd = moments

    def deviations(path: Path) -> list[float]:
        integrals = functional.apply(path.jets(functional.nodes, order)).reshape(mean.shape)
        return [decision.largest_deviation(*row) for row in zip(integrals, mean, sd, strict=True)]

    found = each_path(deviations, ensemble, domain, rng, "simultaneous band", progress)
    return decision.critical_value(np.array(list(found)), alpha)


def _functionals(ensemble: Ensemble, pieces: Segments, by: str, order: int) -> list[Functional]:
    """The measures in chunks, covering all rows in order."""
    shortest = ensemble.shortest_lengthscale
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
    factor: float | None,
) -> Mapping[str, FloatArray]:
    """Columns of one measure from its mixture over draws, means and sds of shape (S, rows).

    With a `factor` also the band mean -+ factor sd, which then decides the signs.
    """
    mean, sd = mixture.moments(means, sds)
    quantiles = mixture.quantiles(means, sds, list(LEVELS.values()))
    statistics = {"mean": mean, "sd": sd} | dict(zip(LEVELS, quantiles, strict=True))
    positive = mixture.probability_positive(means, sds)
    if factor is None:
        significant = decision.significance(positive, rule, alpha)
    else:
        significant = decision.simultaneous_sign(mean, sd, factor)
        statistics |= {"band_lower": mean - factor * sd, "band_upper": mean + factor * sd}
    return (
        {f"{name}_{key}": column for key, column in statistics.items()}
        | {
            f"{name}_p_positive": positive,
            f"{name}_significant_raw": decision.interval_sign(positive, alpha),
            f"{name}_significant": significant,
        }
        | {f"average_{name}_{key}": column / length for key, column in statistics.items()}
    )
