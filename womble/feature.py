"""What a boundary is: a line across which a score is highest, or passes zero.

Candidates, probes, prominence and position are the same for every kind of a family; what is
particular to a kind is in `womble.kinds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.kernels import Kernel
from womble.profile import argmax_along, rise_along

if TYPE_CHECKING:
    from womble.field import Field

Kind = Literal["gradient", "level", "ridge", "valley", "zero_curvature"]
Jets = Callable[[FloatArray, int], FloatArray]  # of points (m, 2) and order: shape (m, c)


@dataclass(frozen=True)
class Feature(ABC):
    """A kind of boundary.

    Attributes
    ----------
    kind : str
    search_order : int
        Of the jets that find its lines.
    components : tuple of int
        Of a jet, those that the score is made of.
    smoothness : float
        What the kernel's differentiability must exceed: below it a path's lines have no finite
        length.
    ends : (int, int)
        Which way the score goes from the line, behind and ahead: -1 down, 1 up.
    every_zero : bool
        Whether all candidates count, or those only where `falling` falls.
    level : float
        NaN unless the kind has one.
    """

    kind: ClassVar[str]
    search_order: ClassVar[int] = 2
    components: ClassVar[tuple[int, ...]] = (0,)
    smoothness: ClassVar[float] = 3.0
    ends: ClassVar[tuple[int, int]]
    every_zero: ClassVar[bool]
    level: ClassVar[float] = np.nan

    @property
    def score_order(self) -> int:
        """Of the jets that the score is made of."""
        return (0, 1, 1, 2, 2, 2)[max(self.components)]

    @abstractmethod
    def candidates(self, field: Field) -> list[FloatArray]:
        """Lines (m, 2) on which the feature may lie, as precise as the field's grid."""

    @abstractmethod
    def directions(
        self, jets: Jets, points: FloatArray, right: FloatArray, step: float
    ) -> FloatArray:
        """Unit vectors across the line at `points`, shape (m, 2).

        `right` are unit vectors to the right of travel, shape (m, 2): an axis without a direction
        of its own points that way. `step` is a short distance.
        """

    @abstractmethod
    def falling(self, jets: FloatArray, directions: FloatArray) -> FloatArray:
        """What falls through zero at the line, in its direction; jets (..., c), shape (...)."""

    def score(self, components: FloatArray) -> FloatArray:
        """Score from the `components` of jets, shape (..., len(components)) to (...)."""
        return components[..., 0]

    @abstractmethod
    def stands(self, scores: FloatArray) -> BoolArray:
        """Whether the line stands out; scores (..., 3) at the probes behind and ahead and on it."""

    @abstractmethod
    def position(self, scores: FloatArray, offsets: FloatArray) -> FloatArray:
        """Where profiles (..., k) of the score have the line, shape (...); NaN if nowhere."""

    def require(self, kernel: Kernel) -> None:
        """Refuse kernels whose paths have no such lines.

        Raises
        ------
        ValueError
            If the kernel is too rough.
        """
        if self.smoothness < 3:
            kernel.require_derivatives(int(self.smoothness))
        elif not kernel.differentiability > self.smoothness:
            raise ValueError(
                f"kind={self.kind!r} needs paths whose Hessian is differentiable "
                f"(differentiability above 3), or its lines have no finite length; got {kernel!r}. "
                "Use Matern(nu=3.5) or larger, or SquaredExponential()."
            )

    def score_of(self, path_jets: Jets, points: FloatArray) -> FloatArray:
        """Score at `points` (..., 2), shape (...)."""
        jets = path_jets(points.reshape(-1, 2), self.score_order)
        return self.score(jets[:, list(self.components)]).reshape(points.shape[:-1])


class Extremum(Feature):
    """A line on which the score is highest across it; `falling` is the score's derivative."""

    ends = (-1, -1)
    every_zero = False  # where the derivative rises the score is lowest

    def stands(self, scores: FloatArray) -> BoolArray:
        """The score on the line is above that at both probes."""
        return (scores[..., 2:] > scores[..., :2]).all(axis=-1)

    def position(self, scores: FloatArray, offsets: FloatArray) -> FloatArray:
        """The highest point, which may be an end."""
        return argmax_along(scores, offsets)


class Crossing(Feature):
    """A line on which the score passes zero; it rises in the direction across."""

    ends = (-1, 1)
    every_zero = True

    def falling(self, jets: FloatArray, directions: FloatArray) -> FloatArray:
        """Minus the score."""
        return -self.score(jets[..., list(self.components)])

    def stands(self, scores: FloatArray) -> BoolArray:
        """The score is negative behind and positive ahead."""
        return (scores[..., 0] < 0) & (scores[..., 1] > 0)

    def position(self, scores: FloatArray, offsets: FloatArray) -> FloatArray:
        """Where the score first rises through 0."""
        return rise_along(scores, offsets)
