"""Where draws have a boundary, across lines that are given: intervals and bands of position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from womble.arrays import FloatArray
from womble.engines.base import Path
from womble.feature import Feature
from womble.mean_field import MeanField
from womble.paths import each_path
from womble.profile import Probes, rays
from womble.vertices import Vertices, directed, probes_of

# Points of a profile at which a path is asked: profiles may span several lengthscales.
NODES = 41


@dataclass(frozen=True, eq=False)
class Across:
    """Lines of one feature, at those of their vertices that have a probe on both sides.

    Attributes
    ----------
    feature : Feature
    vertices : Vertices
        `vertices.line` counts the lines that were given.
    probes : Probes
    """

    feature: Feature
    vertices: Vertices
    probes: Probes

    @classmethod
    def of(cls, mean: MeanField, feature: Feature, lines: Sequence[FloatArray]) -> Across:
        """Directions and probes from the mean, at the points (m, 2) of each line.

        Raises
        ------
        ValueError
            If a line has fewer than two vertices with a probe on both sides.
        """
        vertices = directed(mean, feature, Vertices.of(lines))
        probes = probes_of(mean, feature, vertices)
        both = probes.both
        counts = np.bincount(vertices.line[both], minlength=len(lines))
        if (counts < 2).any():
            raise ValueError(
                f"`lines` must be boundaries of this posterior, of kind {feature.kind!r}; row "
                f"{counts.argmin()} of them has {counts.min()} vertices where the mean surface has "
                "one. Pass the rows that `boundaries()` of the same posterior returned."
            )
        return cls(feature, vertices.at(both), Probes(probes.reach[both]))


def drawn_positions(
    mean: MeanField, across: Sequence[Across], domain: FloatArray, rng: np.random.Generator
) -> list[FloatArray]:
    """Where each path has the feature, as a distance across from each vertex.

    Returns
    -------
    list of array, shape (S, v)
        One per item of `across`; NaN where a path does not pass between the probes (crossings).
    """
    offsets = [item.probes.offsets(NODES) for item in across]
    points = [
        rays(item.vertices.points, item.vertices.directions, offset)
        for item, offset in zip(across, offsets, strict=True)
    ]

    def positions(path: Path) -> list[FloatArray]:
        return [
            item.feature.position(item.feature.score_of(path.jets, at), offset)
            for item, at, offset in zip(across, points, offsets, strict=True)
        ]

    drawn = each_path(positions, mean.ensemble, domain, rng, "positions", mean.progress)
    return [np.stack(part) for part in zip(*drawn, strict=True)]


def band_polygons(across: Across, interval: FloatArray) -> list[shapely.Geometry]:
    """The area between the ends of an interval across, for each line.

    Parameters
    ----------
    across : Across
    interval : array, shape (v, 2)
        Lower and upper end, signed distances from the vertices.

    Returns
    -------
    list of Polygon or MultiPolygon
        Union of the quadrilaterals between consecutive vertices; where neighbouring profiles cross,
        of the two triangles that they make.
    """
    vertices = across.vertices
    ends = rays(vertices.points, vertices.directions, interval)
    joined = (np.diff(vertices.line) == 0) & (np.diff(vertices.position) == 1)
    first = np.flatnonzero(joined)
    corners = np.stack(
        [ends[first, 0], ends[first + 1, 0], ends[first + 1, 1], ends[first, 1]], axis=1
    )
    pieces = shapely.make_valid(shapely.polygons(corners))
    lines = range(vertices.line.max() + 1)
    return [_union(pieces[vertices.line[first] == line]) for line in lines]


def _union(pieces: np.ndarray) -> shapely.Geometry:
    """Union of the areas among `pieces`: an interval of no width leaves lines and points too."""
    parts = shapely.get_parts(shapely.get_parts(pieces))
    areas = parts[shapely.get_dimensions(parts) == 2]
    return shapely.union_all(areas) if len(areas) else shapely.Polygon()
