"""Boundaries of posterior draws: the lines that each path has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from womble.arrays import FloatArray
from womble.boundary import PROFILE, length
from womble.engines.base import Path
from womble.feature import Feature
from womble.field import FunctionField
from womble.grid import Grid
from womble.kinds import Gradient
from womble.mean_field import MeanField
from womble.paths import each_path
from womble.profile import Probes, rays
from womble.rasterize import cells_crossed
from womble.vertices import candidate_vertices, probes_of

Line = tuple[Feature, FloatArray]  # with its points (m, 2)


def crest_tracer(mean: MeanField, feature: Gradient) -> Callable[[Path], list[FloatArray]]:
    """Function that gives a path's crests of the slope: those of the mean, moved.

    A path's slope has many more crests than matter, and in rough fields no end of them. The mean's
    candidates say where to look: every vertex with a probe on both sides moves to where the path is
    steepest between them, and belongs to the path's line unless that is a probe itself.
    """
    vertices = candidate_vertices(mean, feature)
    probes = (
        probes_of(mean, feature, vertices) if len(vertices.points) else Probes(np.empty((0, 2)))
    )
    both = probes.both
    vertices, offsets = vertices.at(both), Probes(probes.reach[both]).offsets(PROFILE)
    across = rays(vertices.points, vertices.directions, offsets)

    def trace(path: Path) -> list[FloatArray]:
        if not len(across):
            return []
        slopes = feature.score_of(path.jets, across)
        steepest = slopes.argmax(axis=1)
        inside = (steepest > 0) & (steepest < PROFILE - 1)
        moved = feature.position(slopes, offsets)[:, None] * vertices.directions
        moved = (vertices.points + moved)[inside]
        return [moved[run] for run in vertices.at(inside).runs()]

    return trace


def contour_tracer(grid: Grid, kinds: Sequence[Feature]) -> Callable[[Path], list[Line]]:
    """Function that gives a path's lines by searching the path itself on the grid."""
    order = max(feature.search_order for feature in kinds)

    def trace(path: Path) -> list[Line]:
        field = FunctionField(path.jets, grid, order)
        return [(feature, line) for feature in kinds for line in feature.candidates(field)]

    return trace


def tracer(
    mean: MeanField, kinds: Sequence[Feature], min_length: float
) -> Callable[[Path], list[Line]]:
    """Function that gives a path's lines of at least `min_length`.

    Parameters
    ----------
    mean : MeanField
        Its grid is searched; the mean itself for crests of the slope only.
    kinds : sequence of Feature
        All of one kind.
    min_length : float
        In coordinate units.
    """
    if isinstance(kinds[0], Gradient):
        crests = crest_tracer(mean, kinds[0])

        def all_lines(path: Path) -> list[Line]:
            return [(kinds[0], line) for line in crests(path)]
    else:
        all_lines = contour_tracer(mean.grid, kinds)

    def trace(path: Path) -> list[Line]:
        return [(kind, line) for kind, line in all_lines(path) if length(line) >= min_length]

    return trace


def lines_of_draws(
    mean: MeanField,
    kinds: Sequence[Feature],
    domain: FloatArray,
    *,
    min_length: float,
    rng: np.random.Generator,
) -> Iterator[list[Line]]:
    """Lines of each posterior path in turn, one path at a time on each core.

    Parameters
    ----------
    domain : array, shape (2, 2)
        Corners of a box that holds the grid's cells and the data.
    """
    trace = tracer(mean, kinds, min_length)
    return each_path(trace, mean.ensemble, domain, rng, "boundaries of draws", mean.progress)


def crossing_share(
    mean: MeanField,
    kinds: Sequence[Feature],
    domain: FloatArray,
    *,
    min_length: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Share of paths with a line through each cell, shape (ny, nx); parameters as before."""
    trace, grid = tracer(mean, kinds, min_length), mean.grid

    def crossed(path: Path) -> np.ndarray:
        return cells_crossed([line for _, line in trace(path)], grid)

    counts = np.zeros(grid.shape)
    for cells in each_path(
        crossed, mean.ensemble, domain, rng, "boundary probability", mean.progress
    ):
        counts += cells
    return counts / mean.ensemble.size
