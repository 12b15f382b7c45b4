"""Covariates that are known everywhere: a raster or a function, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.covariate import Covariate
from womble.covariates import Covariates
from womble.crs import require_same_crs
from womble.readers import raster_axes, raster_crs
from womble.scaling import Scaling

if TYPE_CHECKING:
    import pandas as pd
    import pyproj
    import xarray as xr
    from scipy.interpolate import RectBivariateSpline

# A spline of this degree has continuous second derivatives, which Hessians are made of.
DEGREE = 3


class CovariateField(Protocol):
    """A covariate as a function of location, in the user's units."""

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Value and derivatives at `points` (p, 2), shape (p, c)."""
        ...


@dataclass(frozen=True, eq=False)
class RasterField:
    """The cubic spline through the centres of a raster's cells.

    Attributes
    ----------
    name : str
    x, y : array, shape (p,) and (q,)
        Cell centres, ascending: the spline is not continued beyond the outermost.
    cells : array, shape (p, q)
    """

    name: str
    x: FloatArray
    y: FloatArray
    cells: FloatArray

    @cached_property
    def spline(self) -> RectBivariateSpline:
        """Through every centre."""
        from scipy.interpolate import RectBivariateSpline

        return RectBivariateSpline(self.x, self.y, self.cells, kx=DEGREE, ky=DEGREE)

    @classmethod
    def of(cls, name: str, raster: xr.DataArray, crs: pyproj.CRS | None) -> RasterField:
        """A raster with dimensions x and y, or easting and northing.

        Raises
        ------
        ValueError
            If it is in another CRS than the data, has missing cells or fewer than 4 rows.
        """
        across, up = raster_axes(raster, f"covariate_fields[{name!r}]")
        require_same_crs(raster_crs(raster), crs, f"covariate_fields[{name!r}]")
        cells = raster.squeeze(drop=True).transpose(across, up).sortby([across, up])
        x, y, z = (np.asarray(a, dtype=float) for a in (cells[across], cells[up], cells))
        if min(z.shape) <= DEGREE:
            raise ValueError(
                f"covariate_fields[{name!r}] must have at least {DEGREE + 1} rows and columns; "
                f"got {z.shape[::-1]}. A cubic spline goes through its cells."
            )
        if not np.isfinite(z).all():
            raise ValueError(
                f"covariate_fields[{name!r}] must have no missing cells; "
                f"{(~np.isfinite(z)).sum()} of {z.size} are missing. Crop it to where it is known, "
                "or fill it with raster.rio.interpolate_na()."
            )
        return cls(name, x, y, z)

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `CovariateField.jets`.

        Raises
        ------
        ValueError
            If a point lies beyond the outermost cell centres.
        """
        low, high = (np.array([self.x[i], self.y[i]]) for i in (0, -1))
        outside = ((points < low) | (points > high)).any(axis=1)
        if outside.any():
            raise ValueError(
                f"covariate_fields[{self.name!r}] must cover every location; {outside.sum()} of "
                f"{len(points)} lie beyond its outermost cell centres. Give a larger raster, or a "
                "grid within it."
            )
        x, y = points.T
        parts = [
            self.spline.ev(x, y, dx=indices.count(0), dy=indices.count(1))
            for indices in jet.components(2, order)
        ]
        return np.stack(parts, axis=1)


@dataclass(frozen=True, eq=False)
class FunctionField:
    """A function of locations (p, 2) that returns value, gradient and Hessian, (p, 6)."""

    name: str
    function: Callable[[FloatArray], FloatArray]

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `CovariateField.jets`.

        Raises
        ------
        ValueError
            If the function returns another shape.
        """
        found = np.asarray(self.function(points), dtype=float)
        whole = jet.size(points.shape[1], 2)
        if found.shape != (len(points), whole):
            raise ValueError(
                f"covariate_fields[{self.name!r}] must return value, gradient and Hessian at each "
                f"point, shape ({len(points)}, {whole}); got {found.shape}. Its derivatives are "
                "never guessed: stack (x, x_1, x_2, x_11, x_12, x_22)."
            )
        return found[:, : jet.size(points.shape[1], order)]


@dataclass(frozen=True, eq=False)
class Standardised:
    """A covariate field in scaled coordinates, centred and scaled like the data's column."""

    field: CovariateField
    covariate: Covariate
    scaling: Scaling

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at scaled `points` (p, d), shape (p, c)."""
        users = self.scaling.origin + self.scaling.length * points
        out = self.field.jets(users, order) / self.covariate.sd
        out[:, 0] -= self.covariate.mean / self.covariate.sd
        lengths = [self.scaling.length ** len(i) for i in jet.components(points.shape[1], order)]
        return out * np.array(lengths)


def standardised(covariates: Covariates, scaling: Scaling) -> tuple[Standardised | None, ...]:
    """The field of each column of the design, None where there is none."""
    return tuple(
        Standardised(covariates.fields[c.name], c, scaling) if c.name in covariates.fields else None
        for c in covariates.columns
        for _ in c.labels
    )


def add_fields(
    columns: pd.DataFrame, fields: Mapping[str, CovariateField], coords: FloatArray
) -> pd.DataFrame:
    """Columns with those that only a field gives, at the locations (n, 2) without a gap."""
    out, located = columns.copy(), ~np.isnan(coords).any(axis=1)
    for name, field in fields.items():
        if name not in out:
            out[name] = np.nan
            out.loc[located, name] = field.jets(coords[located], 0)[:, 0]
    return out


def covariate_field(name: str, given: Any, crs: pyproj.CRS | None) -> CovariateField:
    """A raster or a function as a field.

    Raises
    ------
    TypeError
        If it is neither.
    """
    import xarray as xr

    if isinstance(given, xr.DataArray):
        return RasterField.of(name, given, crs)
    if callable(given):
        return FunctionField(name, given)
    raise TypeError(
        f"covariate_fields[{name!r}] must be a DataArray with dimensions x and y, or a function of "
        f"points (p, 2) that returns their jets (p, 6); got {type(given).__name__}."
    )
