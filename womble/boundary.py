"""Boundaries: lines where the mean surface has a feature, with their probability and position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely

from womble import decision, jet
from womble.arrays import BoolArray, FloatArray
from womble.feature import Feature, Kind
from womble.kinds import Level, features
from womble.mean_field import MeanField
from womble.profile import Probes, rays
from womble.summaries import QUANTILE_METHOD
from womble.vertices import Vertices, candidate_vertices, probes_of

if TYPE_CHECKING:
    import pandas as pd

# Points of each line at which its steepness and position are drawn, and of each profile across.
STATIONS = 24
PROFILE = 15


def prominence(
    field: MeanField, vertices: Vertices, feature: Feature, rng: np.random.Generator
) -> tuple[FloatArray, Probes]:
    """Probability of each vertex, NaN where undecidable at the edge, and its probes.

    For an extremum: P(score at the vertex > score at both probes). For a crossing: P(the score is
    negative at the probe behind and positive at the one ahead).
    """
    probes = probes_of(field, feature, vertices)
    probability = np.full(len(vertices.points), np.nan)
    both = probes.both
    if not both.any():
        return probability, probes
    ends = Probes(probes.reach[both]).points(vertices.points[both], vertices.directions[both])
    trios = np.concatenate([ends, vertices.points[both, None, :]], axis=1)
    scores = _drawn_scores(field, feature, trios, rng, "prominence")
    probability[both] = feature.stands(scores).mean(axis=0)
    return probability, probes


def _drawn_scores(
    field: MeanField, feature: Feature, groups: FloatArray, rng: np.random.Generator, label: str
) -> FloatArray:
    """Joint draws of the score within each group of points (g, k, 2), shape (S, g, k)."""
    components = field.ensemble.draw_groups(
        groups, feature.score_order, rng, label, field.progress, feature.components
    )
    return feature.score(components)


def boundary_tables(
    field: MeanField,
    *,
    kind: Kind,
    levels: Sequence[float] | None,
    min_length: float,
    min_steepness: float,
    least: float,
    rule: str,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[shapely.LineString]]:
    """Lines of one kind with their posterior; steepest first.

    Parameters
    ----------
    field : MeanField
        Of the order that the kind's features are searched with.
    kind : Kind
        See `womble.kinds`.
    levels : sequence of float, optional
        Contours to draw, on the link scale.
    least : float
        Probability that a vertex must have to be part of a line.
    rule, alpha
        Which lines are kept; see `womble.decision`. "simultaneous" keeps the most probable ones
        of which all stand, each at its middle vertex, in a share 1 - alpha of joint draws; the
        others judge each line's mean probability.

    Raises
    ------
    ValueError
        If a level is outside the range of the mean surface.
    """
    import pandas as pd

    kinds = features(kind, levels)
    found = [_lines(field, each, min_length=min_length, least=least, rng=rng) for each in kinds]
    table = pd.concat([part for part, _, _ in found], ignore_index=True)
    lines = [line for _, part, _ in found for line in part]
    if not lines:
        return table, lines
    probability = table["probability"].to_numpy()
    steep = (table["steepness_mean"] >= min_steepness).to_numpy()
    trios = [part for _, _, part in found]
    keep = chosen(probability, steep, rule, alpha, lambda: _stand_at_once(field, kinds, trios, rng))
    over = "all lines at once, each at its middle" if rule == "simultaneous" else "per line"
    table["rule"] = f"{rule}, alpha = {alpha:g}, {over}; vertices >= {least:g}"
    order = np.argsort(-table["steepness_mean"].to_numpy(), kind="stable")
    order = order[keep[order]]
    return table.iloc[order].reset_index(drop=True), [lines[i] for i in order]


def chosen(
    probability: FloatArray,
    eligible: BoolArray,
    rule: str,
    alpha: float,
    stands: Callable[[], BoolArray],
) -> BoolArray:
    """Which boundaries a rule keeps, of those that are eligible; shape (lines,).

    `stands()` says whether each stands in each of S joint draws, shape (S, lines); it is asked for
    under "simultaneous" only.
    """
    if rule != "simultaneous":
        return eligible & (decision.significance(probability, rule, alpha) > 0)
    order = np.argsort(-probability[eligible], kind="stable")
    keep = eligible.copy()
    keep[eligible] = decision.simultaneous_set(stands()[:, eligible], order, alpha)[0]
    return keep


def _lines(
    field: MeanField,
    feature: Feature,
    *,
    min_length: float,
    least: float,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[shapely.LineString], FloatArray]:
    """Lines of one feature, whose vertices have at least probability `least`.

    Also the middle vertex of each with its probes, behind, ahead and itself: shape (lines, 3, 2).
    """
    import pandas as pd

    if isinstance(feature, Level):
        _require_level(field, feature.level)
    vertices = candidate_vertices(field, feature)
    probability, probes = prominence(field, vertices, feature, rng)
    keep = probability >= least  # NaN, the undecidable, is not kept
    kept, chance, probes = vertices.at(keep), probability[keep], Probes(probes.reach[keep])
    runs = [run for run in kept.runs() if length(kept.points[run]) >= min_length]
    if not runs:
        nothing = {name: pd.Series(dtype=kind) for name, kind in _NOTHING.items()}
        return pd.DataFrame(nothing), [], np.empty((0, 3, 2))
    lines = [shapely.LineString(kept.points[run]) for run in runs]
    stations = np.stack([spread(run, STATIONS) for run in runs])
    steepness = _steepness(field, kept.points[stations], rng)
    low, high = np.quantile(steepness, [0.025, 0.975], axis=0, method=QUANTILE_METHOD)
    table = pd.DataFrame(
        {
            "kind": feature.kind,
            "level": feature.level,
            "length": shapely.length(lines),
            "probability": [chance[run].mean() for run in runs],
            "steepness_mean": steepness.mean(axis=0),
            "steepness_q025": low,
            "steepness_q975": high,
            "position_sd": _position_sd(field, feature, kept, probes, stations, rng),
        }
    )
    middle = np.array([run[len(run) // 2] for run in runs])
    ends = Probes(probes.reach[middle]).points(kept.points[middle], kept.directions[middle])
    return table, lines, np.concatenate([ends, kept.points[middle, None, :]], axis=1)


def _stand_at_once(
    field: MeanField, kinds: Sequence[Feature], trios: list[FloatArray], rng: np.random.Generator
) -> BoolArray:
    """Whether each line stands at its middle, in joint draws over all lines, shape (S, lines).

    The features are of one kind: they differ in their level only.
    """
    first, points = kinds[0], np.concatenate(trios)
    drawn = field.ensemble.draw_groups(
        points.reshape(1, -1, 2),
        first.score_order,
        rng,
        "all lines",
        field.progress,
        first.components,
    )
    drawn = drawn.reshape(len(drawn), len(points), 3, -1)
    parts = np.split(drawn, np.cumsum([len(part) for part in trios])[:-1], axis=1)
    standing = [
        feature.stands(feature.score(part)) for feature, part in zip(kinds, parts, strict=True)
    ]
    return np.concatenate(standing, axis=1)


# An empty table has the same columns and types.
_NOTHING = {"kind": "str", "level": float, "length": float, "probability": float} | dict.fromkeys(
    ["steepness_mean", "steepness_q025", "steepness_q975", "position_sd"], float
)


def _require_level(field: MeanField, level: float) -> None:
    values = field.jets[..., 0][field.grid.inside]
    if not values.min() < level < values.max():
        raise ValueError(
            f"`levels` must lie within the mean surface, {values.min():.4g} to "
            f"{values.max():.4g} on the link scale; got {level:g}. Levels of log-transformed data "
            "are logarithms."
        )


def length(points: FloatArray) -> float:
    """Length of a line (m, 2)."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def spread(run: np.ndarray, count: int) -> np.ndarray:
    """`count` of a line's vertices, evenly spaced in their order; some twice if it has fewer."""
    return run[np.linspace(0, len(run) - 1, count).round().astype(int)]


def _steepness(field: MeanField, stations: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Joint draws of the slope averaged over stations (lines, k, 2), shape (S, lines)."""
    draws = field.ensemble.draw_groups(stations, 1, rng, "steepness", field.progress)
    return jet.gradient_magnitude(draws).mean(axis=-1)


def _position_sd(
    field: MeanField,
    feature: Feature,
    vertices: Vertices,
    probes: Probes,
    stations: np.ndarray,
    rng: np.random.Generator,
) -> FloatArray:
    """Standard deviation of each line's position across, root mean square over stations (lines,).

    A draw's position is where its own profile between the probes has the feature.
    """
    index = stations.ravel()
    offsets = Probes(probes.reach[index]).offsets(PROFILE)
    across = rays(vertices.points[index], vertices.directions[index], offsets)
    position = feature.position(_drawn_scores(field, feature, across, rng, "position"), offsets)
    variance = np.nanmean((position - np.nanmean(position, axis=0)) ** 2, axis=0)
    return np.sqrt(variance.reshape(stations.shape).mean(axis=1))
