"""Change points: where a field on a line is steepest, with the probability and position of each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.boundary import chosen
from womble.feature import Extremum, Jets
from womble.mean_field import MeanField
from womble.profile import Probes, rays
from womble.summaries import QUANTILE_METHOD
from womble.vertices import Vertices, candidate_vertices, probes_of

if TYPE_CHECKING:
    from womble.field import Field
    from womble.paths import Paths

# Points of a profile: a step of a tenth of its length then has six in it.
PROFILE = 61
TAILS = (0.025, 0.975)


class Steepest(Extremum):
    r"""Maxima of |f'| on a line: f' f'' falls through 0.

    .. math:: \tfrac12 \frac{d}{dx} f'(x)^2 = f'(x) f''(x)
    """

    kind, components, smoothness = "change", (1,), 2.0

    def candidates(self, field: Field) -> list[FloatArray]:
        """Zeros of f' f'' between neighbouring positions, each a line of one point (1, 1)."""
        (x,), inside = field.grid.axes.values(), field.grid.inside
        rate = self.falling(field.jets, np.ones(1))
        falls = (rate[:-1] > 0) & (rate[1:] <= 0) & inside[:-1] & inside[1:]
        i = np.flatnonzero(falls)
        zeros = x[i] + rate[i] / (rate[i] - rate[i + 1]) * (x[i + 1] - x[i])
        return list(zeros[:, None, None])

    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """Onwards."""
        return right

    def falling(self, jets: FloatArray, directions: FloatArray) -> FloatArray:
        """f' f'': half the derivative of the squared slope."""
        return jets[..., 1] * jets[..., 2]

    def score(self, components: FloatArray) -> FloatArray:
        """|f'|."""
        return np.abs(components[..., 0])


@dataclass(frozen=True, eq=False)
class Changes:
    """Change points in order of position, each array of shape (v,).

    Attributes
    ----------
    position : array
        Where the mean is steepest.
    position_sd, position_q025, position_q975 : array
        Of the place where a path is steepest between the change's probes.
    steepness_mean, steepness_q025, steepness_q975 : array
        |f'| at the position.
    sign : array
        1 where the field rises, -1 where it falls.
    probability : array
        That the field is steeper here than at the probes on both sides.
    level_before, level_after : array
        The mean field at these probes.
    """

    position: FloatArray
    position_sd: FloatArray
    position_q025: FloatArray
    position_q975: FloatArray
    steepness_mean: FloatArray
    steepness_q025: FloatArray
    steepness_q975: FloatArray
    sign: FloatArray
    probability: FloatArray
    level_before: FloatArray
    level_after: FloatArray

    def at(self, keep: BoolArray) -> Changes:
        """The change points where `keep`."""
        return Changes(*(getattr(self, each.name)[keep] for each in fields(self)))


def changes(
    field: MeanField, paths: Paths, *, least: float, min_steepness: float, rule: str, alpha: float
) -> Changes:
    """The prominent maxima of the mean's |f'|.

    Parameters
    ----------
    field : MeanField
        Of order 2, on a transect.
    paths : Paths
        Posterior draws, good on the whole transect.
    least : float
        Probability that a change point must have.
    min_steepness : float
        Least mean |f'|.
    rule, alpha
        Which are kept; see `womble.decision`. "simultaneous" keeps the most probable ones of which
        all stand in a share 1 - alpha of the paths.
    """
    feature = Steepest()
    vertices, probes = _candidates(field, feature)
    ends = probes.points(vertices.points, vertices.directions)
    trios = np.concatenate([ends, vertices.points[:, None, :]], axis=1)
    slopes = _slopes(paths, trios)
    stands = feature.stands(np.abs(slopes))
    keep = stands.mean(axis=0) >= least
    if not keep.any():
        return Changes(*np.empty((len(fields(Changes)), 0)))
    vertices, slopes, stands = vertices.at(keep), slopes[:, keep, 2], stands[:, keep]
    probes = apart(field, feature, vertices, Probes(probes.reach[keep]))
    offsets = probes.offsets(PROFILE)
    profiles = np.abs(_slopes(paths, rays(vertices.points, vertices.directions, offsets)))
    position = vertices.points[:, 0] + feature.position(profiles, offsets)
    steepness = np.abs(slopes)
    levels = field.exact(probes.points(vertices.points, vertices.directions).reshape(-1, 1), 0)
    found = Changes(
        vertices.points[:, 0],
        position.std(axis=0),
        *np.quantile(position, TAILS, axis=0, method=QUANTILE_METHOD),
        steepness.mean(axis=0),
        *np.quantile(steepness, TAILS, axis=0, method=QUANTILE_METHOD),
        np.sign(field.exact(vertices.points, 1)[:, 1]),
        stands.mean(axis=0),
        *levels.reshape(-1, 2).T,
    )
    steep = found.steepness_mean >= min_steepness
    return found.at(chosen(found.probability, steep, rule, alpha, lambda: stands))


def apart(field: Field, feature: Steepest, vertices: Vertices, probes: Probes) -> Probes:
    """Probes no farther than the flattest point between a change and the next.

    The flattest point may lie beyond a lower change point. Where a path is steepest would then be
    at either of the two, and the position of neither.
    """
    score = field.interpolated(feature.score(field.jets[..., list(feature.components)]))
    x, reach = vertices.points[:, 0], probes.reach.copy()
    between = x[:-1, None] + np.linspace(0.0, 1.0, PROFILE) * np.diff(x)[:, None]
    flattest = score(between.reshape(-1, 1)).reshape(between.shape).argmin(axis=1)
    cut = np.take_along_axis(between, flattest[:, None], axis=1)[:, 0]
    reach[:-1, 1] = np.minimum(reach[:-1, 1], cut - x[:-1])
    reach[1:, 0] = np.minimum(reach[1:, 0], x[1:] - cut)
    return Probes(reach)


def _candidates(field: Field, feature: Steepest) -> tuple[Vertices, Probes]:
    """Maxima of the mean's |f'| with a probe on both sides, in order of position."""
    vertices = candidate_vertices(field, feature)
    if not len(vertices.points):
        return vertices, Probes(np.empty((0, 2)))
    probes = probes_of(field, feature, vertices)
    return vertices.at(probes.both), Probes(probes.reach[probes.both])


def _slopes(paths: Paths, points: FloatArray) -> FloatArray:
    """f' of each path at `points` (v, k, 1), shape (S, v, k)."""
    jets = paths.jets(points.reshape(-1, 1), 1)
    return jets[..., 1].reshape(len(paths), *points.shape[:2])
