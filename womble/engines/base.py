"""What an engine is: data, a likelihood, and the field given data and hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.functional import Functional
from womble.hyperparameters import Theta
from womble.scaling import Scaling

Target = Literal["surface", "process"]


class Path(Protocol):
    """One draw of the field, as a function of location."""

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c): the same at the same point, to rounding."""
        ...


class Conditional(Protocol):
    """The field given data and hyperparameters: f | y, theta."""

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """Mean of the jets at `points` (p, d), shape (p, c)."""
        ...

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """Joint moments of the k jets within each of g groups of points.

        Parameters
        ----------
        points : array, shape (g, k, d)
            k = 1 gives the moments point by point.

        Returns
        -------
        mean : array, shape (g, k * c)
            Point by point, each point's components together.
        covariance : array, shape (g, k * c, k * c)
        """
        ...

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Mean (q,) and covariance (q, q) of the rows of a Functional."""
        ...

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Mean and variance, shape (q,) each, of every row of a Functional by itself."""
        ...

    def path(self, rng: np.random.Generator, domain: FloatArray) -> Path:
        """One draw as a function, good inside a box that holds the data.

        Parameters
        ----------
        rng : Generator
        domain : array, shape (2, d)
            Lowest and highest corner of the box.
        """
        ...


class Engine(Protocol):
    """Holds the data, in scaled coordinates and values."""

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Log marginal likelihood and its gradient in the order of `Layout`."""
        ...

    def condition(self, theta: Theta, target: Target = "surface") -> Conditional:
        """The field given data and hyperparameters: one factorisation, dropped after use."""
        ...


@dataclass(frozen=True)
class InUserUnits:
    """A Conditional in scaled coordinates and values, seen in the user's.

    Parameters
    ----------
    scaled : Conditional
    scaling : Scaling
    offset : float
        Added to the value: the mean that was subtracted, 0 for the process alone.
    """

    scaled: Conditional
    scaling: Scaling
    offset: float

    def _units(self, points: FloatArray, order: int) -> FloatArray:
        return self.scaling.jet_units(points.shape[-1], order)

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        out = self.scaled.mean(self.scaling.coords_in(points), order) * self._units(points, order)
        out[:, 0] += self.offset
        return out

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        mean, covariance = self.scaled.groups(self.scaling.coords_in(points), order)
        units = np.tile(self._units(points, order), points.shape[1])
        mean = mean * units
        mean[:, :: jet.size(points.shape[-1], order)] += self.offset
        return mean, covariance * np.multiply.outer(units, units)

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        mean, covariance = self.scaled.joint(_rescaled(functional, self.scaling))
        return mean + self.offset * functional.value_weights, covariance

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        mean, variance = self.scaled.marginal(_rescaled(functional, self.scaling))
        return mean + self.offset * functional.value_weights, variance

    def path(self, rng: np.random.Generator, domain: FloatArray) -> PathInUserUnits:
        """See `Conditional.path`."""
        scaled = self.scaled.path(rng, self.scaling.coords_in(domain))
        return PathInUserUnits(scaled, self.scaling, self.offset, domain)


# Every posterior draw asks for the same few functionals: a curve's chunks.
@lru_cache(maxsize=1024)
def _rescaled(functional: Functional, scaling: Scaling) -> Functional:
    units = scaling.jet_units(functional.nodes.shape[1], functional.order)
    return functional.rescaled(scaling.origin, scaling.length, units)


@dataclass(frozen=True, eq=False)
class PathInUserUnits:
    """A Path in scaled coordinates and values, seen in the user's.

    Parameters
    ----------
    scaled : Path
    scaling : Scaling
    offset : float
        Added to the value.
    domain : array, shape (2, d)
        Lowest and highest corner of the box in which the path is good.
    """

    scaled: Path
    scaling: Scaling
    offset: float
    domain: FloatArray

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """See `Path.jets`.

        Raises
        ------
        ValueError
            If a point is outside the domain.
        """
        require_inside(points, self.domain)
        out = self.scaled.jets(self.scaling.coords_in(points), order)
        out *= self.scaling.jet_units(points.shape[1], order)
        out[:, 0] += self.offset
        return out


def require_inside(points: FloatArray, domain: FloatArray) -> None:
    """Refuse points outside the box that paths were drawn for: the field repeats beyond it."""
    outside = ((points < domain[0]) | (points > domain[1])).any(axis=1)
    if outside.any():
        low, high = (", ".join(f"{x:.10g}" for x in corner) for corner in domain)
        first = ", ".join(f"{x:.10g}" for x in points[outside.argmax()])
        raise ValueError(
            f"points must lie in the box from ({low}) to ({high}) that these paths were drawn "
            f"for; {outside.sum()} of {len(points)} do not, the first at ({first}). Draw the paths "
            "with a larger `domain`."
        )
