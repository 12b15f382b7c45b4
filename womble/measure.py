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
from womble.summaries import QUANTILE_METHOD

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

    functionals = _functionals(ensemble, pieces, by, order)
    if ensemble.closed_form:
        statistics = _of_mixture(*_laws(ensemble, functionals, order, progress))
    else:
        statistics = _of_draws(_drawn(ensemble, functionals, order, rng, progress))
    factors: dict[str, float] = {}
    if rule == "simultaneous":
        moments = statistics[0], statistics[1]
        found = _critical_values(ensemble, pieces, by, order, moments, alpha, domain, rng, progress)
        factors = dict(zip(QUANTITIES, found.tolist(), strict=False))
    length = pieces.length
    if by == "curve":
        length = np.bincount(pieces.curve, weights=length)
    columns: dict[str, FloatArray | str] = {"length": length}
    for i, name in enumerate(QUANTITIES[:order]):
        columns |= _columns(name, statistics[:, i], length, rule, alpha, factors.get(name))
    over = f"over all {by}s" if factors else f"per {by}"
    columns["rule"] = f"{rule}, alpha = {alpha:g}, {over}"
    table = pd.DataFrame(columns)
    table.attrs = {"critical_value": factors} if factors else {}
    return table


def _laws(
    ensemble: Ensemble,
    functionals: list[Functional],
    order: int,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    """Means and sds of each draw's measures, each of shape (S, quantities, rows)."""

    def one(f: Conditional) -> tuple[FloatArray, FloatArray]:
        laws = [f.marginal(functional) for functional in functionals]
        means, variances = (
            [part.reshape(order, -1) for part in parts] for parts in zip(*laws, strict=True)
        )
        return np.concatenate(means, 1), np.sqrt(np.maximum(np.concatenate(variances, 1), 0.0))

    results = ensemble.laws(one, "wombling", progress)
    means, sds = (np.stack(part) for part in zip(*results, strict=True))
    return means, sds


def _drawn(
    ensemble: Ensemble,
    functionals: list[Functional],
    order: int,
    rng: np.random.Generator,
    progress: bool,
) -> FloatArray:
    """Draws of the measures from one path each, shape (S, quantities, rows)."""
    parts = []
    for functional in functionals:
        nodes = functional.nodes[:, None]
        jets = ensemble.draw_groups(nodes, order, rng, "wombling", progress)
        measured = [functional.apply(draw[:, 0]).reshape(order, -1) for draw in jets]
        parts.append(np.stack(measured))
    return np.concatenate(parts, axis=-1)


def _of_mixture(means: FloatArray, sds: FloatArray) -> FloatArray:
    """Mean, sd, quantiles and P(> 0) of mixtures over the first axis, shape (6, ...)."""
    shape, flat = means.shape[1:], (means.reshape(len(means), -1), sds.reshape(len(sds), -1))
    parts = [
        *mixture.moments(*flat),
        *mixture.quantiles(*flat, list(LEVELS.values())),
        mixture.probability_positive(*flat),
    ]
    return np.stack(parts).reshape(-1, *shape)


def _of_draws(draws: FloatArray) -> FloatArray:
    """The same of draws."""
    quantiles = np.quantile(draws, list(LEVELS.values()), axis=0, method=QUANTILE_METHOD)
    parts = [draws.mean(axis=0), draws.std(axis=0), *quantiles, (draws > 0).mean(axis=0)]
    return np.stack(parts)


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
    numbers: FloatArray,
    length: FloatArray,
    rule: str,
    alpha: float,
    factor: float | None,
) -> Mapping[str, FloatArray]:
    """Columns of one measure from its mean, sd, quantiles and P(> 0), shape (6, rows).

    With a `factor` also the band mean -+ factor sd, which then decides the signs.
    """
    statistics = dict(zip(("mean", "sd", *LEVELS), numbers, strict=False))
    mean, sd, positive = numbers[0], numbers[1], numbers[-1]
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
