r"""The kinds of boundary: by what score, along which direction, a line stands out.

==================  =========  ============================  ==================
kind                family     score                         direction across
==================  =========  ============================  ==================
``gradient``        extremum   slope :math:`|\nabla f|`      uphill
``ridge``           extremum   value f                       strongest curvature
``valley``          extremum   minus the value               strongest curvature
``level``           crossing   f - level                     uphill
``zero_curvature``  crossing   Laplacian                     rising Laplacian
==================  =========  ============================  ==================

References
----------
Marr and Hildreth (1980), Theory of edge detection; Eberly et al. (1994), Ridges for image analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.contour import axis_lines
from womble.feature import Crossing, Extremum, Feature, Jets

if TYPE_CHECKING:
    from womble.field import Field


def _uphill(jets: Jets, points: FloatArray) -> FloatArray:
    gradient = jet.gradient(jets(points, 1))
    return gradient / np.linalg.norm(gradient, axis=-1, keepdims=True)


class Gradient(Extremum):
    """Crests of the slope: q = g' H g falls through 0 uphill."""

    kind, components, smoothness = "gradient", (1, 2), 2.0

    def candidates(self, field: Field) -> list[FloatArray]:
        """Zeros of q."""
        return field.contours(jet.crest_indicator(field.jets), 0.0)

    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """Uphill."""
        return _uphill(jets, points)

    def falling(self, jets: FloatArray, directions: FloatArray) -> FloatArray:
        """q: half the derivative of the squared slope."""
        return jet.crest_indicator(jets)

    def score(self, components: FloatArray) -> FloatArray:
        """The slope."""
        return np.hypot(components[..., 0], components[..., 1])


@dataclass(frozen=True)
class Level(Crossing):
    """Contour of the value at `level`, in link units."""

    level: float = 0.0
    kind, search_order, smoothness = "level", 0, 1.0

    def candidates(self, field: Field) -> list[FloatArray]:
        """Contour lines."""
        return field.contours(field.jets[..., 0], self.level)

    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """Uphill."""
        return _uphill(jets, points)

    def score(self, components: FloatArray) -> FloatArray:
        """Value above the level."""
        return components[..., 0] - self.level


class Ridge(Extremum):
    r"""Ridge lines: g . v = 0 with v the axis of the strongest curvature, which is downwards.

    The curvature of largest size is the smallest eigenvalue of the Hessian exactly where the
    Laplacian, the sum of both, is negative.
    """

    kind, side = "ridge", 1.0  # side: 1 ridges, -1 valleys, the ridges of -f

    def candidates(self, field: Field) -> list[FloatArray]:
        """Zeros of g . v where the curvature is of the right sign."""
        jets, grid = self.side * field.jets, field.grid
        inside = grid.inside & (jet.laplacian(jets) < 0)
        return axis_lines(grid.x, grid.y, jet.gradient(jets), downward_axis(jets), inside)

    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """The axis of the strongest curvature, to the right of travel."""
        axes = downward_axis(self.side * jets(points, 2))
        return _turned(axes, right)

    def falling(self, jets: FloatArray, directions: FloatArray) -> FloatArray:
        """g . v, v turned the way of `directions`."""
        axes = _turned(downward_axis(self.side * jets), directions)
        return self.side * np.sum(jet.gradient(jets) * axes, axis=-1)

    def score(self, components: FloatArray) -> FloatArray:
        """The value, or minus the value."""
        return self.side * components[..., 0]


class Valley(Ridge):
    """Valley lines: the ridges of -f."""

    kind, side = "valley", -1.0


class ZeroCurvature(Crossing):
    """Zeros of the Laplacian, in the direction in which it rises (downhill at a front)."""

    kind, components = "zero_curvature", (3, 5)

    def candidates(self, field: Field) -> list[FloatArray]:
        """Contours of the Laplacian."""
        return field.contours(jet.laplacian(field.jets), 0.0)

    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """Gradient of the Laplacian, by central differences (an error of step^2)."""
        e = step * np.eye(2)
        rise = [
            jet.laplacian(jets(points + move, 2)) - jet.laplacian(jets(points - move, 2))
            for move in e
        ]
        rise = np.stack(rise, axis=-1)
        return rise / np.linalg.norm(rise, axis=-1, keepdims=True)

    def score(self, components: FloatArray) -> FloatArray:
        """The Laplacian."""
        return components[..., 0] + components[..., 1]


def downward_axis(jets: FloatArray) -> FloatArray:
    r"""Unit eigenvector of the Hessian's smallest eigenvalue, of either sign, shape (..., 2).

    With :math:`H = m I + R\,(\cos 2\phi, \sin 2\phi)` the largest eigenvalue lies along phi, the
    smallest along phi + pi / 2.
    """
    double = np.arctan2(-2 * jets[..., 4], jets[..., 5] - jets[..., 3])
    return np.stack([np.cos(0.5 * double), np.sin(0.5 * double)], axis=-1)


def _turned(axes: FloatArray, towards: FloatArray) -> FloatArray:
    """Axes (..., 2) with the sign that makes their product with `towards` positive."""
    return np.where(np.sum(axes * towards, axis=-1, keepdims=True) < 0, -axes, axes)


SINGLE = {each.kind: each for each in (Gradient, Ridge, Valley, ZeroCurvature)}
KINDS = ("gradient", "level", "ridge", "valley", "zero_curvature")


def features(kind: str, levels: Sequence[float] | None) -> list[Feature]:
    """The features of a kind: one per level, or a single one.

    Raises
    ------
    ValueError
        If the kind is unknown, or `levels` do not go with it or are no finite numbers.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(map(repr, KINDS))}; got {kind!r}.")
    if (kind == "level") != (levels is not None):
        raise ValueError(
            f"`levels` goes with kind='level', and only with it; got kind={kind!r} and "
            f"levels={levels!r}."
        )
    if levels is None:
        return [SINGLE[kind]()]
    numbers = np.asarray(levels, dtype=float)
    if (
        numbers.ndim != 1
        or not numbers.size
        or not np.isfinite(numbers).all()
        or len(np.unique(numbers)) < len(numbers)
    ):
        raise ValueError(
            f"`levels` must be a sequence of finite numbers, all different; got {levels!r}. "
            "For one level write levels=[5.0]."
        )
    return [Level(float(level)) for level in numbers]
