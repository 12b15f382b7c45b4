"""Boundaries: lines where the surface changes fast, or passes a level, with their probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from womble import decision, jet
from womble.arrays import BoolArray, FloatArray
from womble.mean_field import MeanField
from womble.profile import Probes, argmax_along, extreme_before_turn, lowest_before_rise

if TYPE_CHECKING:
    import pandas as pd

# Points of each line at which its steepness and position are drawn, and of each profile across.
STATIONS = 24
PROFILE = 15


@dataclass(frozen=True, eq=False)
class Vertices:
    """Points of candidate lines, in order along each line.

    Attributes
    ----------
    points, directions : array, shape (v, 2)
        Where, and the unit vector uphill.
    line : int array, shape (v,)
        The candidate line that each belongs to.
    position : int array, shape (v,)
        Its place along that line; a gap in the numbers is a gap in the line.
    """

    points: FloatArray
    directions: FloatArray
    line: np.ndarray
    position: np.ndarray

    @classmethod
    def of(cls, lines: Sequence[FloatArray]) -> Vertices:
        """All points of `lines`, directions not yet known."""
        points = np.concatenate([*lines, np.empty((0, 2))])
        counts = [len(line) for line in lines]
        number = np.repeat(np.arange(len(lines)), counts)
        position = np.concatenate([*map(np.arange, counts), np.empty(0, dtype=int)])
        return cls(points, np.full_like(points, np.nan), number, position)

    def at(self, keep: BoolArray) -> Vertices:
        """The vertices where `keep`."""
        return Vertices(
            self.points[keep], self.directions[keep], self.line[keep], self.position[keep]
        )

    def runs(self) -> list[np.ndarray]:
        """Indices of unbroken runs of at least two vertices."""
        breaks = (np.diff(self.line) != 0) | (np.diff(self.position) != 1)
        parts = np.split(np.arange(len(self.line)), np.flatnonzero(breaks) + 1)
        return [part for part in parts if len(part) > 1]


def crest_vertices(field: MeanField) -> Vertices:
    """Exact crests of the mean slope: zeros of q = g' H g where q falls along the gradient."""
    found = Vertices.of(field.contours(jet.crest_indicator(field.jets), 0.0))
    if not len(found.points):
        return found
    gradient = jet.gradient(field.exact(found.points, 1))
    directions = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    # The contour runs through the cells linearly; q along the gradient is all but a parabola.
    reach = field.step * np.array([-1.0, 0.0, 1.0])
    around = found.points[:, None, :] + reach[:, None] * directions[:, None, :]
    q = jet.crest_indicator(field.exact(around.reshape(-1, 2), 2)).reshape(-1, 3)
    falls = (q[:, 0] > 0) & (q[:, 2] < 0)
    shift = field.step * _parabola_root(q[falls])
    directions = directions[falls]
    found = found.at(falls)
    return Vertices(
        found.points + shift[:, None] * directions, directions, found.line, found.position
    )


def _parabola_root(q: FloatArray) -> FloatArray:
    """Root in (-1, 1) of the parabola through (-1, q0), (0, q1), (1, q2), q0 > 0 > q2."""
    slope, bend = 0.5 * (q[:, 2] - q[:, 0]), 0.5 * (q[:, 0] + q[:, 2]) - q[:, 1]
    # The falling root, in the form that does not cancel.
    return 2 * q[:, 1] / (-slope + np.sqrt(slope**2 - 4 * bend * q[:, 1]))


def level_vertices(field: MeanField, level: float) -> Vertices:
    """Contour of the mean at `level`, each vertex moved onto it by one Newton step."""
    values = field.jets[..., 0][field.grid.inside]
    if not values.min() < level < values.max():
        raise ValueError(
            f"`levels` must lie within the mean surface, {values.min():.4g} to "
            f"{values.max():.4g} on the link scale; got {level:g}. Levels of log-transformed data "
            "are logarithms."
        )
    found = Vertices.of(field.contours(field.jets[..., 0], level))
    if not len(found.points):
        return found
    jets = field.exact(found.points, 1)
    gradient = jet.gradient(jets)
    steepness = np.linalg.norm(gradient, axis=1)
    directions = gradient / steepness[:, None]
    shift = np.clip((level - jets[:, 0]) / steepness, -field.step, field.step)
    points = found.points + shift[:, None] * directions
    return Vertices(points, directions, found.line, found.position)


def prominence(
    field: MeanField, vertices: Vertices, level: float | None, rng: np.random.Generator
) -> tuple[FloatArray, Probes]:
    """Probability of each vertex, NaN where undecidable at the edge, and its probes.

    For a crest: P(slope at the vertex > slope at both probes). For a level: P(the level lies
    between the values at the probes).
    """
    contains, along = field.grid.contains, (field.step, field.steps)
    where = (vertices.points, vertices.directions)
    if level is None:
        slope = field.interpolated(jet.gradient_magnitude(field.jets))
        probes = lowest_before_rise(*where, *along, slope, contains)
    else:
        value = field.interpolated(field.jets[..., 0])
        probes = extreme_before_turn(*where, *along, value, contains)
    probability = np.full(len(vertices.points), np.nan)
    both = probes.both
    if not both.any():
        return probability, probes
    ends = Probes(probes.reach[both]).points(vertices.points[both], vertices.directions[both])
    trios = np.concatenate([ends, vertices.points[both, None, :]], axis=1)
    draws = field.ensemble.draw_groups(trios, 1, rng, "prominence", field.progress)
    if level is None:
        slopes = jet.gradient_magnitude(draws)
        above = (slopes[..., 2:] > slopes[..., :2]).all(axis=-1)
    else:
        above = (draws[..., 0, 0] < level) & (level < draws[..., 1, 0])
    probability[both] = above.mean(axis=0)
    return probability, probes


def boundary_tables(
    field: MeanField,
    *,
    levels: Sequence[float] | None,
    min_length: float,
    min_steepness: float,
    least: float,
    rule: str,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[shapely.LineString]]:
    """Crests of the slope, or contours at `levels`, with their posterior; steepest first.

    Parameters
    ----------
    least : float
        Probability that a vertex must have to be part of a line.
    rule, alpha
        Which lines are kept, from their mean probability; see `womble.decision`.

    Raises
    ------
    ValueError
        If a level is outside the range of the mean surface.
    """
    import pandas as pd

    found = [
        _lines(field, level, min_length=min_length, least=least, rng=rng)
        for level in ([None] if levels is None else levels)
    ]
    table = pd.concat([part for part, _ in found], ignore_index=True)
    lines = [line for _, part in found for line in part]
    if not lines:
        return table, lines
    chosen = decision.significance(table["probability"].to_numpy(), rule, alpha) > 0
    chosen &= (table["steepness_mean"] >= min_steepness).to_numpy()
    table["rule"] = f"{rule}, alpha = {alpha:g}, per line; vertices >= {least:g}"
    order = np.argsort(-table["steepness_mean"].to_numpy(), kind="stable")
    order = order[chosen[order]]
    return table.iloc[order].reset_index(drop=True), [lines[i] for i in order]


def _lines(
    field: MeanField,
    level: float | None,
    *,
    min_length: float,
    least: float,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[shapely.LineString]]:
    """Lines of one kind and level, whose vertices have at least probability `least`."""
    import pandas as pd

    vertices = crest_vertices(field) if level is None else level_vertices(field, level)
    probability, probes = prominence(field, vertices, level, rng)
    keep = probability >= least  # NaN, the undecidable, is not kept
    kept, chance, reach = vertices.at(keep), probability[keep], probes.reach[keep]
    runs = [run for run in kept.runs() if _length(kept.points[run]) >= min_length]
    if not runs:
        nothing = {name: pd.Series(dtype=kind) for name, kind in _NOTHING.items()}
        return pd.DataFrame(nothing), []
    lines = [shapely.LineString(kept.points[run]) for run in runs]
    steepness, position_sd = _along_lines(field, kept, runs, reach, level, rng)
    low, high = np.quantile(steepness, [0.025, 0.975], axis=0)
    table = pd.DataFrame(
        {
            "kind": "gradient" if level is None else "level",
            "level": np.nan if level is None else level,
            "length": shapely.length(lines),
            "probability": [chance[run].mean() for run in runs],
            "steepness_mean": steepness.mean(axis=0),
            "steepness_q025": low,
            "steepness_q975": high,
            "position_sd": position_sd,
        }
    )
    return table, lines


# An empty table has the same columns and types.
_NOTHING = {"kind": "str", "level": float, "length": float, "probability": float} | dict.fromkeys(
    ["steepness_mean", "steepness_q025", "steepness_q975", "position_sd"], float
)


def _length(points: FloatArray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _along_lines(
    field: MeanField,
    vertices: Vertices,
    runs: list[np.ndarray],
    reach: FloatArray,
    level: float | None,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Draws of each line's mean slope (S, lines), and its position's standard deviation (lines,).

    The slope is averaged over stations along the line in each joint draw. The position of a draw
    is where its profile between the probes is steepest (or passes the level); the sd is the root
    mean square over stations.
    """
    stations = [run[np.linspace(0, len(run) - 1, STATIONS).round().astype(int)] for run in runs]
    draws = field.ensemble.draw_groups(
        vertices.points[stations], 1, rng, "steepness", field.progress
    )
    steepness = jet.gradient_magnitude(draws).mean(axis=-1)
    index = np.concatenate(stations)
    share = np.linspace(0.0, 1.0, PROFILE)
    below, above = reach[index].T[..., None]
    offsets = -below + share * (below + above)
    profile = vertices.points[index, None] + offsets[..., None] * vertices.directions[index, None]
    columns = [1, 2] if level is None else [0]
    across = field.ensemble.draw_groups(profile, 1, rng, "position", field.progress, columns)
    if level is None:
        position = argmax_along(np.hypot(across[..., 0], across[..., 1]), offsets)
    else:
        position = _crossing(across[..., 0] - level, offsets)
    variance = np.nanmean((position - np.nanmean(position, axis=0)) ** 2, axis=0)
    return steepness, np.sqrt(variance.reshape(len(runs), -1).mean(axis=1))


def _crossing(values: FloatArray, positions: FloatArray) -> FloatArray:
    """Where profiles (..., k) first rise through 0, by linear interpolation; NaN if they do not."""
    rises = (values[..., :-1] < 0) & (values[..., 1:] >= 0)
    first = rises.argmax(axis=-1)[..., None]
    positions = np.broadcast_to(positions, values.shape)
    low, high = (np.take_along_axis(values, first + i, axis=-1) for i in (0, 1))
    left, right = (np.take_along_axis(positions, first + i, axis=-1) for i in (0, 1))
    crossing = left - low * (right - left) / (high - low)
    return np.where(rises.any(axis=-1), crossing[..., 0], np.nan)
