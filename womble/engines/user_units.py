"""Conditionals and paths in scaled coordinates and values, seen in the user's units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.engines.base import Blocks, Conditional, Path
from womble.functional import Functional
from womble.primitive import OnLine
from womble.scaling import Scaling

# In units of the data's rms radius: powers of distances beyond could leave the range of doubles.
FARTHEST = 1e12


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

    @property
    def domain(self) -> FloatArray | None:
        """See `Conditional.domain`."""
        scaled, scaling = self.scaled.domain, self.scaling
        return None if scaled is None else scaling.origin + scaling.length * scaled

    def _inside(self, points: FloatArray) -> FloatArray:
        """Scaled coordinates of points (..., d), refused outside the domain or far beyond."""
        domain = self.domain
        if domain is not None:
            require_inside(points.reshape(-1, points.shape[-1]), domain, ENGINE_REMEDY)
        scaled = self.scaling.coords_in(points)
        if np.abs(scaled).max(initial=0.0) > FARTHEST:
            raise ValueError(
                f"points must be within {FARTHEST:g} times the data's radius of the data, about "
                f"{self.scaling.length:.3g}; the farthest is {np.abs(scaled).max():.1e} times it "
                "away. Are they in the data's units?"
            )
        return scaled

    def _units(self, points: FloatArray, order: int) -> FloatArray:
        return self.scaling.jet_units(points.shape[-1], order)

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        out = self.scaled.mean(self._inside(points), order) * self._units(points, order)
        out[:, 0] += self.offset
        return out

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        mean, covariance = self.scaled.groups(self._inside(points), order)
        units = np.tile(self._units(points, order), points.shape[1])
        mean = mean * units
        mean[:, :: jet.size(points.shape[-1], order)] += self.offset
        return mean, covariance * np.multiply.outer(units, units)

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        self._inside(functional.nodes)
        mean, covariance = self.scaled.joint(_rescaled(functional, self.scaling))
        return mean + self.offset * functional.value_weights, covariance

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        self._inside(functional.nodes)
        mean, variance = self.scaled.marginal(_rescaled(functional, self.scaling))
        return mean + self.offset * functional.value_weights, variance

    def on_line(self, rows: OnLine, *, joint: bool) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.on_line`."""
        mean, spread = self.scaled.on_line(rows.rescaled(self.scaling), joint=joint)
        units = rows.units(self.scaling)
        mean = mean * units + self.offset * rows.of_one
        return mean, spread * (np.multiply.outer(units, units) if joint else units**2)

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.at_sites`."""
        if design is None:
            mean, covariance = self.groups(points[:, None, :], 0)
            return mean[:, 0], covariance[:, 0, 0]
        mean, variance = self.scaled.at_sites(self._inside(points), design)
        return mean * self.scaling.scale + self.offset, variance * self.scaling.scale**2

    def left_out(self, blocks: Blocks = None) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.left_out`."""
        mean, variance = self.scaled.left_out(blocks)
        scale = self.scaling.scale
        return mean * scale + self.offset, variance * scale**2

    def path(self, rng: np.random.Generator, domain: FloatArray) -> PathInUserUnits:
        """See `Conditional.path`."""
        scaled = self.scaled.path(rng, self._inside(domain))
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

    def at_sites(self, points: FloatArray, design: FloatArray | None) -> FloatArray:
        """See `Path.at_sites`; a model without covariates has no design.

        Raises
        ------
        ValueError
            If a point is outside the domain.
        """
        if design is None:
            return self.jets(points, 0)[:, 0]
        require_inside(points, self.domain)
        values = self.scaled.at_sites(self.scaling.coords_in(points), design)
        return values * self.scaling.scale + self.offset


PATH_REMEDY = "these paths were drawn for", "Draw the paths with a larger `domain`"
ENGINE_REMEDY = (
    "this fit's series of waves is made for, the data's and a fifth of its side around it",
    "Ask nearer to the data; with Gaussian noise engine='dense' has no such box",
)


def require_inside(
    points: FloatArray, domain: FloatArray, remedy: tuple[str, str] = PATH_REMEDY
) -> None:
    """Refuse points outside the box that a series was made for: it repeats beyond it."""
    outside = ((points < domain[0]) | (points > domain[1])).any(axis=1)
    if outside.any():
        low, high = (", ".join(f"{x:.10g}" for x in corner) for corner in domain)
        first = ", ".join(f"{x:.10g}" for x in points[outside.argmax()])
        raise ValueError(
            f"points must lie in the box from ({low}) to ({high}) that {remedy[0]}; "
            f"{outside.sum()} of {len(points)} do not, the first at ({first}). {remedy[1]}."
        )
