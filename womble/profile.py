"""Profiles across a boundary: straight rays from its vertices along the gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from womble.arrays import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Probes:
    """Where a profile ends on either side of a vertex.

    Attributes
    ----------
    reach : array, shape (v, 2)
        Distance from the vertex to the probe downhill and uphill; NaN where there is none.
    """

    reach: FloatArray

    @property
    def both(self) -> BoolArray:
        """Vertices with a probe on both sides, shape (v,)."""
        return np.isfinite(self.reach).all(axis=1)

    def points(self, vertices: FloatArray, directions: FloatArray) -> FloatArray:
        """The downhill and uphill probes of vertices (v, 2), shape (v, 2, 2)."""
        signed = self.reach * np.array([-1.0, 1.0])
        return vertices[:, None, :] + signed[..., None] * directions[:, None, :]


def lowest_before_rise(
    vertices: FloatArray,
    directions: FloatArray,
    step: float,
    steps: int,
    slope: Callable[[FloatArray], FloatArray],
    contains: Callable[[FloatArray], BoolArray],
) -> Probes:
    """Probes of crests: the lowest slope on each side, before the slope exceeds the vertex's own.

    Parameters
    ----------
    vertices : array, shape (v, 2)
    directions : array, shape (v, 2)
        Unit vectors uphill.
    step : float
        Distance between the points looked at, in coordinate units.
    steps : int
        How many are looked at on each side.
    slope, contains : function of points (m, 2)
        The mean slope, and whether a point lies in the region.
    """
    here = slope(vertices)[:, None]
    return _probes(
        vertices, directions, step, steps, lambda side, s: s, lambda s: s <= here, slope, contains
    )


def extreme_before_turn(
    vertices: FloatArray,
    directions: FloatArray,
    step: float,
    steps: int,
    value: Callable[[FloatArray], FloatArray],
    contains: Callable[[FloatArray], BoolArray],
) -> Probes:
    """Probes of level lines: the lowest value downhill and the highest uphill of each vertex,
    before the value passes back over the vertex's own; parameters as `lowest_before_rise`.
    """
    here = value(vertices)[:, None]

    def beyond(side: int, values: FloatArray) -> FloatArray:
        """Minus the rise away from the vertex's value, so that the lowest is the farthest."""
        return -side * (values - here)

    return _probes(vertices, directions, step, steps, beyond, None, value, contains)


def _probes(
    vertices: FloatArray,
    directions: FloatArray,
    step: float,
    steps: int,
    score: Callable[[int, FloatArray], FloatArray],
    going: Callable[[FloatArray], BoolArray] | None,
    field: Callable[[FloatArray], FloatArray],
    contains: Callable[[FloatArray], BoolArray],
) -> Probes:
    """The point of lowest score on each side, while `going` holds and the region lasts."""
    distance = step * np.arange(1, steps + 1)
    reach = np.full((len(vertices), 2), np.nan)
    for column, side in enumerate((-1, 1)):
        ray = vertices[:, None, :] + side * distance[:, None] * directions[:, None, :]
        flat = ray.reshape(-1, 2)
        values = field(flat).reshape(ray.shape[:2])
        scores = score(side, values)
        on = going(values) if going is not None else scores <= 0
        on = np.logical_and.accumulate(on & contains(flat).reshape(on.shape), axis=1)
        best = np.where(on, scores, np.inf).argmin(axis=1)
        reach[:, column] = np.where(on[:, 0], distance[best], np.nan)
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
    best = heights.argmax(axis=-1)
    inner = np.clip(best, 1, heights.shape[-1] - 2)

    def at(array: FloatArray, index: np.ndarray) -> FloatArray:
        return np.take_along_axis(array, index[..., None], axis=-1)[..., 0]

    low, middle, high = (at(heights, inner + shift) for shift in (-1, 0, 1))
    bend = low - 2 * middle + high
    # The parabola's vertex is within half a step of its highest node; at an end the node stands.
    shift = np.divide(0.5 * (low - high), bend, out=np.zeros_like(bend), where=bend < 0)
    positions = np.broadcast_to(positions, heights.shape)
    step = positions[..., 1] - positions[..., 0]
    return at(positions, best) + np.where(best == inner, shift * step, 0.0)
