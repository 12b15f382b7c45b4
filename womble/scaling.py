"""Coordinates and values are centred and scaled inside, and restored outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Scaling:
    """Centring and scaling of coordinates and values: applied inside, undone outside.

    Attributes
    ----------
    origin : array, shape (d,)
        Centroid of the coordinates, in their units.
    length : float
        Root mean square distance from the centroid, in coordinate units: one length for all axes,
        the same after any rotation.
    offset, scale : float
        Mean and standard deviation of the values, on the link scale; 0 and their root mean square
        where they are not centred.
    """

    origin: FloatArray
    length: float
    offset: float
    scale: float

    def coords_in(self, points: FloatArray) -> FloatArray:
        """Scaled coordinates of `points`, shape (..., d), given in user units."""
        return (points - self.origin) / self.length

    def values_in(self, values: FloatArray) -> FloatArray:
        """Scaled `values`, any shape, given on the link scale."""
        return (values - self.offset) / self.scale

    def jet_units(self, d: int, order: int) -> FloatArray:
        """Factors that turn a scaled jet into user units; shape (c,), c = 1, 1 + d, ... by order.

        A derivative of order k has the factor scale / length**k. Components are ordered f; f_i;
        row-major upper triangle of the Hessian. The offset is not a factor: add it to f.
        """
        counts = (1, d, d * (d + 1) // 2)[: order + 1]
        return self.scale / self.length ** np.repeat(np.arange(order + 1.0), counts)
