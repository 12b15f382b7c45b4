"""What is known of all rows of data of which only a sample is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import FloatArray
from womble.scaling import Scaling

if TYPE_CHECKING:
    from womble.points import Points
    from womble.survey import Rows


@dataclass(frozen=True, eq=False)
class Unread:
    """Where the rows are, until they have been summed.

    Attributes
    ----------
    points : Points
    rows : Rows
        How they are read.
    starts : sequence of int
        Number of the first row of each part.
    """

    points: Points
    rows: Rows
    starts: Sequence[int]


@dataclass(frozen=True, eq=False)
class Whole:
    """All rows that were kept.

    Attributes
    ----------
    count : int
    box : array, shape (2, d)
        Lowest and highest corner of their locations.
    origin : array, shape (d,)
        Centroid of the locations, of the first data set where several have been added up.
    length : float
        Root mean square distance from it.
    mean, sd : float
        Of the values, on the link scale; of the first data set.
    deliveries : int
        How many data sets have been added up.
    unread : Unread or None
        None once they have been summed.
    """

    count: int
    box: FloatArray
    origin: FloatArray
    length: float
    mean: float
    sd: float
    deliveries: int = 1
    unread: Unread | None = None

    def scaling(self, centred: bool) -> Scaling:
        """See `SpatialData.scaling`."""
        if centred:
            return Scaling(self.origin, self.length, self.mean, self.sd)
        return Scaling(self.origin, self.length, 0.0, float(np.hypot(self.mean, self.sd)))

    def to_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it."""
        plain = {name: getattr(self, name) for name in NUMBERS}
        return plain | {"box": self.box.tolist(), "origin": self.origin.tolist()}

    @classmethod
    def from_dict(cls, stated: dict[str, Any]) -> Whole:
        """From what `to_dict` wrote."""
        arrays = {name: np.array(stated[name]) for name in ("box", "origin")}
        return cls(**{name: stated[name] for name in NUMBERS}, **arrays)


NUMBERS = ("count", "length", "mean", "sd", "deliveries")
