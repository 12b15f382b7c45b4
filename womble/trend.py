"""Polynomial trends in the coordinates and their jets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb, factorial, sqrt

import numpy as np

from womble import jet
from womble.arrays import FloatArray

DEGREES = {"none": -1, "constant": 0, "linear": 1, "quadratic": 2}

# Prior sd of every coefficient where coordinates have rms radius 1 and values sd 1: wide on the
# data's scale, narrow enough to keep the covariance well conditioned.
COEFFICIENT_SD = 10.0


@dataclass(frozen=True)
class Trend:
    """A polynomial H(s) b of the scaled coordinates, b ~ N(0, COEFFICIENT_SD^2) each.

    Mixed products carry sqrt(2), so that the prior of a quadratic does not change when the
    coordinates are rotated.

    Parameters
    ----------
    name : {"none", "constant", "linear", "quadratic"}

    Raises
    ------
    ValueError
        If the name is another.
    """

    name: str = "constant"

    def __post_init__(self) -> None:
        if self.name not in DEGREES:
            raise ValueError(f"`trend` must be one of {', '.join(DEGREES)}; got {self.name!r}.")

    def size(self, dimension: int) -> int:
        """Number of basis functions of that many coordinates."""
        return comb(dimension + DEGREES[self.name], dimension)

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of the basis functions at `points` (p, d), shape (p, c, k)."""
        dimension = points.shape[1]
        powers = [
            monomial
            for degree in range(DEGREES[self.name] + 1)
            for monomial in combinations_with_replacement(range(dimension), degree)
        ]
        columns = jet.components(dimension, order)
        out = np.zeros((len(points), len(columns), len(powers)))
        for k, monomial in enumerate(powers):
            factor = sqrt(2) if len(set(monomial)) == 2 else 1.0
            for a, by in enumerate(columns):
                if len(by) <= len(monomial):  # else it is 0: most of them, a thousand times a map
                    out[:, a, k] = factor * _derivative(points, monomial, by)
        return out

    def on_line(self, x: FloatArray, order: int, origin: float) -> FloatArray:
        r"""Derivatives of the basis functions of one coordinate, shape (p, k).

        Those of order -n are the n-fold antiderivatives from the origin o, which expanded about it
        lose nothing near it:

        .. math:: (x^d)^{(-n)} = \sum_{i=0}^{d} \frac{d!}{(d - i)!\, (i + n)!} o^{d-i} (x - o)^{i+n}

        Parameters
        ----------
        x : array, shape (p,)
        order : int
            At most 2.
        """
        if order >= 0:
            return self.jets(x[:, None], order)[:, order]
        out = np.zeros((len(x), DEGREES[self.name] + 1))
        for d in range(out.shape[1]):
            for i in range(d + 1):
                factor = factorial(d) / (factorial(d - i) * factorial(i - order))
                out[:, d] += factor * origin ** (d - i) * (x - origin) ** (i - order)
        return out


def _derivative(points: FloatArray, monomial: tuple[int, ...], by: tuple[int, ...]) -> FloatArray:
    """Derivative of prod_i points[:, monomial_i] by the coordinates in `by`, shape (p,)."""
    if not by:
        return np.prod(points[:, list(monomial)], axis=1)
    first, rest = by[0], by[1:]
    # Product rule: each factor equal to that coordinate is dropped once.
    total = np.zeros(len(points))
    for position, coordinate in enumerate(monomial):
        if coordinate == first:
            total += _derivative(points, monomial[:position] + monomial[position + 1 :], rest)
    return total
