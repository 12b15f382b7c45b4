"""Profiles across a boundary: straight rays from its vertices, to a probe on either side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from womble.arrays import BoolArray, FloatArray

# Steps of a profile that are looked at together: most turn back within a few of these.
STRIDE = 32


@dataclass(frozen=True, eq=False)
class Probes:
    """Where a profile ends on either side of a vertex.

    Attributes
    ----------
    reach : array, shape (v, 2)
        Distance from the vertex to the probe behind and ahead; NaN where there is none.
    """

    reach: FloatArray

    @property
    def both(self) -> BoolArray:
        """Vertices with a probe on both sides, shape (v,)."""
        return np.isfinite(self.reach).all(axis=1)

    def points(self, vertices: FloatArray, directions: FloatArray) -> FloatArray:
        """The probes behind and ahead of vertices (v, d), shape (v, 2, d)."""
        signed = self.reach * np.array([-1.0, 1.0])
        return vertices[:, None, :] + signed[..., None] * directions[:, None, :]

    def offsets(self, count: int) -> FloatArray:
        """Evenly spaced signed distances from probe to probe, shape (v, count)."""
        behind, ahead = self.reach.T[..., None]
        return -behind + np.linspace(0.0, 1.0, count) * (behind + ahead)


def rays(vertices: FloatArray, directions: FloatArray, offsets: FloatArray) -> FloatArray:
    """Points of the profiles across vertices (v, d) at offsets (v, k), shape (v, k, d)."""
    return vertices[:, None, :] + offsets[..., None] * directions[:, None, :]


def find_probes(
    vertices: FloatArray,
    directions: FloatArray,
    step: float,
    steps: int,
    score: Callable[[FloatArray], FloatArray],
    contains: Callable[[FloatArray], BoolArray],
    ends: tuple[int, int],
) -> Probes:
    """The points farthest in score on each side, before the score turns back over the vertex's own.

    A crest's probes are the lowest slopes on both sides, a level's the lowest value behind and the
    highest ahead.

    Parameters
    ----------
    vertices : array, shape (v, d)
    directions : array, shape (v, d)
        Unit vectors across.
    step : float
        Distance between the points looked at, in coordinate units.
    steps : int
        How many are looked at on each side.
    score, contains : function of points (m, d)
        The mean score, and whether a point lies in the region.
    ends : (int, int)
        Which way the score goes behind and ahead: -1 down, 1 up.
    """
    here = score(vertices)
    reach = np.full((len(vertices), 2), np.nan)
    for column, (side, end) in enumerate(zip((-1, 1), ends, strict=True)):
        farthest = np.full(len(vertices), -np.inf)
        going = np.arange(len(vertices))  # those whose score has not turned back yet
        for start in range(0, steps, STRIDE):
            distance = step * np.arange(start + 1, min(start + STRIDE, steps) + 1)
            offsets = np.broadcast_to(side * distance, (len(going), len(distance)))
            ray = rays(vertices[going], directions[going], offsets)
            flat = ray.reshape(-1, ray.shape[-1])
            away = end * (score(flat).reshape(ray.shape[:2]) - here[going, None])
            on = (away >= 0) & contains(flat).reshape(away.shape)
            on = np.logical_and.accumulate(on, axis=1)
            away = np.where(on, away, -np.inf)
            best = away.argmax(axis=1)
            highest_here = _at(away, best)
            farther = highest_here > farthest[going]
            reach[going[farther], column] = distance[best[farther]]
            farthest[going[farther]] = highest_here[farther]
            going = going[on[:, -1]]
    return Probes(reach)


def argmax_along(heights: FloatArray, positions: FloatArray) -> FloatArray:
    """Position of the highest point of sampled profiles, refined by a parabola.

    Parameters
    ----------
    heights : array, shape (..., k)
    positions : array, shape (..., k)
        Evenly spaced along the last axis.

    Returns
    -------
    array, shape (...)
    """
    best, shift, _ = _parabola(heights)
    positions = np.broadcast_to(positions, heights.shape)
    return _at(positions, best) + shift * (positions[..., 1] - positions[..., 0])


def highest(heights: FloatArray) -> FloatArray:
    """Height of the highest point of sampled profiles (..., k), refined by a parabola."""
    best, _, rise = _parabola(heights)
    return _at(heights, best) + rise


def _parabola(heights: FloatArray) -> tuple[np.ndarray, FloatArray, FloatArray]:
    """Highest node, and how far beside (in steps) and above it the parabola through it peaks."""
    best = heights.argmax(axis=-1)
    inner = np.clip(best, 1, heights.shape[-1] - 2)
    low, middle, high = (_at(heights, inner + shift) for shift in (-1, 0, 1))
    bend = low - 2 * middle + high
    # The parabola's vertex is within half a step of its highest node; at an end the node stands.
    shift = np.divide(
        0.5 * (low - high), bend, out=np.zeros_like(bend), where=(bend < 0) & (best == inner)
    )
    return best, shift, -0.5 * bend * shift**2


def rise_along(values: FloatArray, positions: FloatArray) -> FloatArray:
    """Where profiles (..., k) first rise through 0, by linear interpolation; NaN if they do not."""
    rises = (values[..., :-1] < 0) & (values[..., 1:] >= 0)
    first = rises.argmax(axis=-1)
    positions = np.broadcast_to(positions, values.shape)
    low, high = (_at(values, first + i) for i in (0, 1))
    left, right = (_at(positions, first + i) for i in (0, 1))
    share = np.divide(-low, high - low, out=np.full_like(low, np.nan), where=rises.any(axis=-1))
    return left + share * (right - left)


def half_width(heights: FloatArray, positions: FloatArray) -> FloatArray:
    """Ends of the interval about the highest point where profiles exceed half its height.

    Parameters
    ----------
    heights : array, shape (..., k)
    positions : array, shape (..., k)
        Ascending.

    Returns
    -------
    array, shape (..., 2)
        By linear interpolation between nodes; -inf or inf where the profile ends first, and both
        where no height is positive.
    """
    top = highest(heights)[..., None]
    over = np.where(top > 0, heights - 0.5 * top, 1.0)
    peak = heights.argmax(axis=-1)[..., None]
    index = np.arange(heights.shape[-1])
    positions = np.broadcast_to(positions, heights.shape)
    # Everything on the far side of the peak counts as above: it is neither end.
    before = np.where(index < peak, over, np.inf)
    after = np.where(index > peak, over, np.inf)
    left = -_first_below(before[..., ::-1], over[..., ::-1], -positions[..., ::-1])
    return np.stack([left, _first_below(after, over, positions)], axis=-1)


def _first_below(side: FloatArray, over: FloatArray, positions: FloatArray) -> FloatArray:
    """Where `over` first passes to 0 or below on the nodes where `side` is finite; inf if not."""
    below = side <= 0
    found, last = below.any(axis=-1), below.argmax(axis=-1)
    first = np.maximum(last - 1, 0)
    high, low = _at(over, first), _at(over, last)
    share = np.divide(high, high - low, out=np.zeros_like(high), where=found & (high > low))
    crossing = _at(positions, first) + share * (_at(positions, last) - _at(positions, first))
    return np.where(found, crossing, np.inf)


def _at(array: FloatArray, index: np.ndarray) -> FloatArray:
    return np.take_along_axis(array, index[..., None], axis=-1)[..., 0]
