"""Simultaneous bands of a map: how far paths stray from the mean, anywhere on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble import decision
from womble.arrays import FloatArray
from womble.decision import SignArray
from womble.engines.base import Path
from womble.engines.ensemble import Ensemble
from womble.paths import each_path
from womble.quantity import quantities

# Cells whose jets are held at a time, about 10 MB for each path in work.
TILE = 200_000


@dataclass(frozen=True, eq=False)
class Band:
    """mean -+ c sd of one quantity at the points of a map, which covers all of them at once.

    Attributes
    ----------
    mean, sd : array, shape (p,)
    critical_value : float
        c.
    """

    mean: FloatArray
    sd: FloatArray
    critical_value: float

    @property
    def bounds(self) -> FloatArray:
        """Lower and upper bound, shape (2, p)."""
        half = self.critical_value * self.sd
        return np.stack([self.mean - half, self.mean + half])

    @property
    def sign(self) -> SignArray:
        """-1, 0 or 1 as the band lies below, around or above 0, shape (p,)."""
        return decision.simultaneous_sign(self.mean, self.sd, self.critical_value)


def bands(
    ensemble: Ensemble,
    points: FloatArray,
    moments: dict[str, FloatArray],
    *,
    order: int,
    alpha: float,
    domain: FloatArray,
    rng: np.random.Generator,
    progress: bool,
) -> dict[str, Band]:
    """A band for each quantity, which covers it on all of `points` with probability 1 - alpha.

    Parameters
    ----------
    ensemble : Ensemble
    points : array, shape (p, d)
        d = 1 or 2.
    moments : dict of array, shape (2, p)
        Mean and sd of each quantity by its name. They may come from other draws: a band around
        any centre, on any scale, covers as often as its paths say.
    order : {1, 2}
        Of the jets that the quantities are made of.
    domain : array, shape (2, d)
        Corners of a box that holds data and points.

    Raises
    ------
    ValueError
        If there are too few draws for `alpha`.
    """
    known = quantities(points.shape[1])
    parts = [(known[name].of, mean, sd) for name, (mean, sd) in moments.items()]

    def deviations(path: Path) -> FloatArray:
        """Largest standardised deviation of each quantity, shape (quantities,)."""
        largest = np.zeros(len(parts))
        for start in range(0, len(points), TILE):
            tile = slice(start, start + TILE)
            jets = path.jets(points[tile], order)
            here = [decision.largest_deviation(of(jets), m[tile], sd[tile]) for of, m, sd in parts]
            largest = np.maximum(largest, here)
        return largest

    found = each_path(deviations, ensemble, domain, rng, "simultaneous band", progress)
    factors = decision.critical_value(np.array(list(found)), alpha)
    return {
        name: Band(mean, sd, float(factor))
        for (name, (mean, sd)), factor in zip(moments.items(), factors, strict=True)
    }
