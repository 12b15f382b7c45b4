"""Observed slopes: derivatives of the field along given directions, measured with noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from womble.arrays import FloatArray
from womble.scaling import Scaling


@dataclass(frozen=True, eq=False)
class Slopes:
    r"""Observations :math:`g_j = u_j \cdot \nabla f(x_j) + \epsilon_j`, f = H b + Z.

    Attributes
    ----------
    coords : array, shape (m, d)
    directions : array, shape (m, d)
        Unit vectors u.
    values : array, shape (m,)
        On the link scale, in link units per coordinate unit.
    noise_sd : array, shape (m,)
        In the units of the values; known.
    """

    coords: FloatArray
    directions: FloatArray
    values: FloatArray
    noise_sd: FloatArray

    def scaled(self, scaling: Scaling) -> Slopes:
        """The same observations of the field in scaled coordinates and values."""
        unit = scaling.length / scaling.scale
        return replace(
            self,
            coords=scaling.coords_in(self.coords),
            values=self.values * unit,
            noise_sd=self.noise_sd * unit,
        )

    def of(self, gradients: FloatArray) -> FloatArray:
        """Slopes along the directions, of gradients at the locations (m, d, ...) -> (m, ...)."""
        return np.einsum("md...,md->m...", gradients, self.directions)
