"""The posterior mean surface as a field to be searched."""

from __future__ import annotations

from dataclasses import dataclass

from womble.arrays import FloatArray
from womble.engines.ensemble import Ensemble
from womble.field import Field
from womble.grid import Grid
from womble.transect import Transect


@dataclass(frozen=True, eq=False)
class MeanField(Field):
    """The posterior mean, averaged over hyperparameters.

    Parameters
    ----------
    ensemble : Ensemble
    grid : Grid or Transect
    order : {0, 1, 2}
        Of the jets on the grid.
    progress : bool
    """

    ensemble: Ensemble
    grid: Grid | Transect
    order: int
    progress: bool

    def exact(self, points: FloatArray, order: int) -> FloatArray:
        """See `Field.exact`."""
        return self.ensemble.mean(points, order, "mean field", self.progress)
