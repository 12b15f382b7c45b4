"""Points of candidate lines: found on a grid, moved onto the line exactly, cut into runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.feature import Feature
from womble.field import Field
from womble.profile import Probes, find_probes


@dataclass(frozen=True, eq=False)
class Vertices:
    """Points of candidate lines, in order along each line; in one dimension, points on their own.

    Attributes
    ----------
    points, directions : array, shape (v, d)
        Where, and the unit vector across the line.
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
    def of(cls, lines: Sequence[FloatArray], dimension: int = 2) -> Vertices:
        """All points of `lines`, directions not yet known."""
        points = np.concatenate([*lines, np.empty((0, dimension))])
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

    @property
    def right(self) -> FloatArray:
        """Unit vectors to the right of travel, from each vertex' neighbours; shape (v, 2).

        In one dimension they point onwards, shape (v, 1).
        """
        if self.points.shape[1] == 1:
            return np.ones_like(self.points)
        same = np.diff(self.line) == 0
        index = np.arange(len(self.line))
        ahead, behind = index + np.append(same, False), index - np.append(False, same)
        along = self.points[ahead] - self.points[behind]
        length = np.linalg.norm(along, axis=1, keepdims=True)
        unit = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        return np.column_stack([unit[:, 1], -unit[:, 0]])


def directed(field: Field, feature: Feature, vertices: Vertices) -> Vertices:
    """The same vertices with their directions across the line."""
    directions = feature.directions(field.exact, vertices.points, vertices.right, field.step)
    return replace(vertices, directions=directions)


def candidate_vertices(field: Field, feature: Feature) -> Vertices:
    """Vertices of all candidate lines, each moved along its direction onto the line.

    The grid's lines run through its cells linearly; what falls through zero at the line is all but
    a parabola within half a cell, whose root is taken. Where it does not fall an extremum is of
    the wrong kind, and the vertex dropped; a crossing stays where the grid has it.
    """
    found = Vertices.of(feature.candidates(field), len(field.grid.shape))
    if not len(found.points):
        return found
    found = directed(field, feature, found)
    reach = field.step * np.array([-1.0, 0.0, 1.0])
    across = found.directions[:, None, :]
    around = found.points[:, None, :] + reach[:, None] * across
    jets = field.exact(around.reshape(-1, around.shape[-1]), feature.search_order)
    w = feature.falling(jets.reshape(*around.shape[:2], -1), across)
    falls = (w[:, 0] > 0) & (w[:, 2] < 0)
    shift = np.zeros(len(falls))
    shift[falls] = field.step * _parabola_root(w[falls])
    moved = replace(found, points=found.points + shift[:, None] * found.directions)
    return moved if feature.every_zero else moved.at(falls)


def _parabola_root(w: FloatArray) -> FloatArray:
    """Root in (-1, 1) of the parabola through (-1, w0), (0, w1), (1, w2), w0 > 0 > w2."""
    slope, bend = 0.5 * (w[:, 2] - w[:, 0]), 0.5 * (w[:, 0] + w[:, 2]) - w[:, 1]
    # The falling root, in the form that does not cancel.
    return 2 * w[:, 1] / (-slope + np.sqrt(slope**2 - 4 * bend * w[:, 1]))


def probes_of(field: Field, feature: Feature, vertices: Vertices) -> Probes:
    """Where the profile across each vertex ends, on the field as its grid has it."""
    score = field.interpolated(feature.score(field.jets[..., list(feature.components)]))
    return find_probes(
        vertices.points,
        vertices.directions,
        field.step,
        field.steps,
        score,
        field.grid.contains,
        feature.ends,
    )
