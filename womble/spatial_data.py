"""What any input becomes, checked once: locations, values, their units and their CRS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble.arrays import FloatArray
from womble.axis import Axis
from womble.covariate_table import read_table
from womble.covariates import Covariates
from womble.data_checks import (
    require_finite,
    require_positive,
    require_resolution,
    require_spread,
    require_transform,
    require_varying,
    warn_degrees,
    warn_of_dropped,
)
from womble.input_kinds import read_input
from womble.observation_laws import GaussianLaw, ObservationLaw
from womble.points import as_points
from womble.readers import Table, require_planar
from womble.response import Response
from womble.scaling import Scaling
from womble.slopes import Slopes
from womble.whole import Whole

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyproj

    from womble.covariate_field import CovariateField


@dataclass(frozen=True, eq=False)
class SpatialData:
    """Point data that passed every check. Made by `spatial_data`.

    Attributes
    ----------
    coords : array, shape (n, d)
        Locations in user units; repeats are allowed.
    values : array, shape (n,)
        The response on the link scale, that is, after `transform`.
    name : str
        What the response is called.
    units : str or None
        Units of the response before `transform`.
    coordinate_units : str or None
        "m", "ft", ...: from the CRS where there is one.
    crs : pyproj.CRS or None
        None means planar.
    transform : "log" or None
    rows : array of int, shape (n,), or None
        Position in the input of each row kept, so that covariates can follow it; of a raster, the
        position in its values flattened in (y, x) order.
    centred : bool
        Whether the mean is taken off inside: not where a model has no trend, and so mean 0.
    measurement_sd : array, shape (n,), or None
        Known part of the noise of each value, on the link scale.
    weights : array, shape (n,), or None
        Number of measurements that each value is the mean of; None: one each.
    slopes : Slopes or None
        Observed slopes of the field.
    covariates : Covariates or None
    axis : Axis
        What positions on a line (d = 1) are called, and the date that is 0 where they are dates.
    response : Response or None
        How the values are observed given the field; None for Gaussian noise.
    whole : Whole or None
        Where these rows are a sample of data that are not in memory: what is known of all of them.
    """

    coords: FloatArray
    values: FloatArray
    name: str
    units: str | None
    coordinate_units: str | None
    crs: pyproj.CRS | None
    transform: Literal["log"] | None
    rows: npt.NDArray[np.intp] | None = None
    centred: bool = True
    measurement_sd: FloatArray | None = None
    weights: FloatArray | None = None
    slopes: Slopes | None = None
    covariates: Covariates | None = None
    axis: Axis = field(default_factory=Axis)
    response: Response | None = None
    whole: Whole | None = None

    @property
    def count(self) -> int:
        """Number of observed values, be they here or elsewhere."""
        return len(self.values) if self.whole is None else self.whole.count

    @property
    def box(self) -> FloatArray:
        """Lowest and highest corner of all locations, shape (2, d)."""
        if self.whole is not None:
            return self.whole.box
        return np.stack([self.sites.min(axis=0), self.sites.max(axis=0)])

    @property
    def sites(self) -> FloatArray:
        """Locations of values and slopes, shape (n, d) or (n + m, d)."""
        if self.slopes is None:
            return self.coords
        return np.concatenate([self.coords, self.slopes.coords])

    @property
    def _likelihood_has_link(self) -> bool:
        """Whether the likelihood maps the field itself, and no transform of the values."""
        return self.response is not None and self.response.link != "identity"

    @property
    def link(self) -> str:
        """From the response's mean to the field: "identity", "log" or "logit"."""
        if self._likelihood_has_link:
            return self.response.link
        return "identity" if self.transform is None else "log"

    @property
    def scaling(self) -> Scaling:
        """Centring and scaling of the coordinates and values, wherever they are."""
        if self.whole is not None:
            return self.whole.scaling(self.centred)
        origin = self.coords.mean(axis=0)
        length = np.sqrt(np.mean(np.sum((self.coords - origin) ** 2, axis=1)))
        if self._likelihood_has_link:
            offset = self.response.centre(self.values) if self.centred else 0.0
            return Scaling(origin, float(length), offset, 1.0)
        offset = float(self.values.mean()) if self.centred else 0.0
        scale = np.sqrt(np.mean((self.values - offset) ** 2))
        return Scaling(origin, float(length), offset, float(scale))

    @property
    def link_units(self) -> str | None:
        """Units of the field; of logarithms UDUNITS' "ln(re 1 units)"; None if unknown."""
        if self.link == "logit":
            return "1"
        return f"ln(re 1 {self.units})" if self.link == "log" and self.units else self.units

    @property
    def difference_units(self) -> str | None:
        """Units of differences of the field, and so of its derivatives: 1 for logarithms."""
        return self.units if self.link == "identity" else "1"

    @property
    def response_units(self) -> str | None:
        """Units of the field on the response scale: 1 for probabilities."""
        return "1" if self.link == "logit" else self.units

    @property
    def law(self) -> ObservationLaw:
        """How the values are observed given the field, in user units."""
        if self.response is not None and self.response.censored is None:
            return self.response.law
        share = 1.0 if self.weights is None else 1 / self.weights
        known = 0.0 if self.measurement_sd is None else self.measurement_sd**2
        censored = 0.0 if self.response is None else self.response.censored
        return GaussianLaw(share=share, known=known, censored=censored)

    @property
    def censored(self) -> npt.NDArray[np.bool_]:
        """Whether each value is a limit, shape (n,)."""
        if self.response is None or self.response.censored is None:
            return np.zeros(len(self.values), dtype=bool)
        return self.response.censored != 0

    @property
    def value_name(self) -> str:
        """What `values` are called: the response, or its logarithm after `transform`."""
        return self.name if self._likelihood_has_link else self.field_name()

    @property
    def value_units(self) -> str | None:
        """Units of `values`."""
        return self.units if self._likelihood_has_link else self.link_units

    def field_name(self, response: bool = False) -> str:
        """What the field is called on the link or the response scale."""
        if self._likelihood_has_link:
            named = self.response.mean_name if response else self.response.field_name
            return named(self.name)
        return f"log {self.name}" if self.transform == "log" and not response else self.name


def spatial_data(
    data: Any,
    value: str | None = None,
    *,
    transform: Literal["log"] | None = None,
    units: str | None = None,
    covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
    covariate_fields: Mapping[str, Any] | None = None,
) -> SpatialData:
    """Check `data` and turn it into `SpatialData`.

    Parameters
    ----------
    data : GeoDataFrame, tuple, DataArray, Series, Points or dask DataFrame
        Points with a column `value`; `(coords (n, d), values (n,))`, where a 1-D `coords` is n
        points on a line; a 2-D raster with dims x, y or easting, northing in either order, whose
        missing cells are left out; a Series or a 1-D DataArray, whose index or coordinate is the
        position on a line. Positions on a line may be dates: they become days since the first.
    value : str, optional
        Column of a GeoDataFrame (required there); elsewhere a name for the response.
    transform : "log", optional
        Applied to the values; they must then be positive.
    units : str, optional
        Units of the response; by default `data.attrs["units"]` (of the column, for a GeoDataFrame).
        Those of positions are `attrs["coordinate_units"]` of a Series, "units" of a coordinate.
    covariates : sequence of str, DataFrame or mapping of str to arrays
        Columns of the GeoDataFrame, or the columns themselves with a row for each of the data;
        numbers or categories.
    covariate_fields : mapping of str to DataArray or function, optional
        Covariates that are known everywhere, see `womble.covariate_field`; those that are no
        column are read off at the data.

    Warns
    -----
    UserWarning
        Rows without value, location or covariate are dropped, and counted; or there is no CRS and
        the coordinates look like degrees (see `looks_like_degrees`).

    Raises
    ------
    TypeError
        `data` is none of the above, or not numeric.
    ValueError
        Geographic CRS, infinite numbers, fewer than 10 distinct locations, locations on one line,
        constant values, log of a value that is not positive, unknown transform; covariates that
        are constant, repeat one another or are not there.
    """
    require_transform(transform)
    points = as_points(data)
    if points is not None:
        from womble.survey import surveyed

        return surveyed(
            points,
            value,
            transform=transform,
            units=units,
            covariates=covariates,
            covariate_fields=covariate_fields,
        )
    table = read_input(data, value)
    require_planar(table.crs, "data")
    located = ~np.isnan(table.coords).any(axis=1)
    known = ~np.isnan(table.values)
    warn_dropped(located, "no location")
    warn_dropped(known | ~located, f"a missing value in {table.name!r}")
    columns, fields = _covariates(data, covariates, covariate_fields or {}, table)
    complete = columns.notna().all(axis=1).to_numpy()
    warn_dropped(complete | ~(located & known), "a missing covariate")
    known &= complete
    keep = np.flatnonzero(located & known)
    coords, values = table.coords[keep], table.values[keep]
    _require_finite(coords, values, table.name)
    require_spread(coords)
    require_resolution(np.stack([coords.min(axis=0), coords.max(axis=0)]))
    warn_degrees(table.crs is not None, table.coordinate_units, coords)
    return SpatialData(
        coords=coords,
        values=_link(values, transform, table.name),
        name=table.name,
        units=table.units if units is None else units,
        coordinate_units=table.coordinate_units,
        crs=table.crs,
        transform=transform,
        rows=table.rows[keep],
        covariates=Covariates.of(columns.iloc[keep], fields) if len(columns.columns) else None,
        axis=table.axis,
    )


def _covariates(
    data: Any, covariates: Any, given: Mapping[str, Any], table: Table
) -> tuple[pd.DataFrame, dict[str, CovariateField]]:
    """The covariates of the table's rows, and those that are known everywhere."""
    from womble.covariate_field import add_fields, covariate_field

    # A raster's rows are those of its cells that are not missing.
    count = data.size if hasattr(data, "dims") else len(table.values)
    columns = read_table(data, covariates, count).iloc[table.rows].reset_index(drop=True)
    fields = {name: covariate_field(name, x, table.crs) for name, x in given.items()}
    return add_fields(columns, fields, table.coords), fields


def warn_dropped(kept: npt.NDArray[np.bool_], reason: str) -> None:
    """Say how many rows (n,) were not kept, and why."""
    warn_of_dropped(int((~kept).sum()), len(kept), reason)


def _require_finite(coords: FloatArray, values: FloatArray, name: str) -> None:
    for array, what in ((coords, "coordinates"), (values[:, None], f"values of {name!r}")):
        require_finite(int(np.isinf(array).any(axis=1).sum()), len(array), what)


def _link(values: FloatArray, transform: Literal["log"] | None, name: str) -> FloatArray:
    """Values on the link scale, refused where the log does not exist or nothing varies."""
    if transform == "log":
        require_positive(int((values <= 0).sum()), len(values), name)
        values = np.log(values)
    require_varying(float(values.min()), float(values.max()), len(values), name)
    return values
