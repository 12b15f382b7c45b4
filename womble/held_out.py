"""Data held out: read like those of the fit, and described by what the fit knows of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import FloatArray
from womble.covariate_field import add_fields
from womble.covariate_table import read_table
from womble.covariates import Covariates
from womble.crs import require_same_crs
from womble.input_kinds import read_input
from womble.measured import per_row, require_noise
from womble.points import as_points
from womble.readers import Table, query_points, require_planar
from womble.response import require_worked_out, response
from womble.spatial_data import SpatialData, warn_dropped

if TYPE_CHECKING:
    import pandas as pd


def held_out_data(
    given: Any,
    fitted: SpatialData,
    *,
    covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
    measurement_sd: Any = None,
    weights: Any = None,
    exposure: Any = None,
    trials: Any = None,
    argument: str = "held_out",
) -> SpatialData:
    """Data that a fit has not seen, with the names, units and covariates of its own.

    Parameters
    ----------
    given : GeoDataFrame, (coords, values), DataArray or Series
        With the response under the fit's name.
    fitted : SpatialData
        The fit's own.
    argument : str
        What `given` is called, for messages.

    The others are those of `Posterior.check`.

    Raises
    ------
    ValueError, TypeError
        If they are in another CRS, are not of the model's kind, lack what the fit had, or have a
        covariate's level that it did not have.

    Warns
    -----
    UserWarning
        Rows without value, location or covariate are dropped, and counted.
    """
    if as_points(given) is not None:
        raise TypeError(
            f"`{argument}` must be in memory; got points that are read in parts. Give a random "
            "subset of them as a GeoDataFrame."
        )
    table = read_input(given, fitted.name)
    require_planar(table.crs, argument)
    require_same_crs(table.crs, fitted.crs, argument)
    coords = _coordinates(table, fitted, argument)
    columns = _columns(given, covariates, fitted.covariates, coords, table, argument)
    located, known = ~np.isnan(coords).any(axis=1), ~np.isnan(table.values)
    complete = np.ones(len(known), dtype=bool)
    if columns is not None:
        complete = columns.notna().all(axis=1).to_numpy()
    warn_dropped(located, "no location")
    warn_dropped(known | ~located, f"a missing value in {table.name!r}")
    warn_dropped(complete | ~(located & known), "a missing covariate")
    keep = np.flatnonzero(located & known & complete)
    values = _values(table.values[keep], fitted, argument)
    described = None
    if columns is not None:
        described = replace(fitted.covariates, design=fitted.covariates.of_rows(columns.iloc[keep]))
    data = replace(
        fitted,
        coords=coords[keep],
        values=values,
        rows=table.rows[keep],
        covariates=described,
        measurement_sd=None,
        weights=None,
        slopes=None,
        response=None,
        whole=None,
    )
    asked = {"measurement_sd": measurement_sd, "weights": weights}
    asked |= {"exposure": exposure, "trials": trials}
    return _observed(data, fitted, given, asked, argument)


def unseen_sites(sites: Any, fitted: SpatialData, **others: Any) -> SpatialData:
    """Sites without values, as `held_out_data` has those with; the values mean nothing.

    Parameters
    ----------
    sites : GeoDataFrame, GeoSeries or array
        Locations (p, d), or (p,) on a line; arrays are taken to be in the data's CRS.
    fitted : SpatialData

    Raises
    ------
    ValueError, TypeError
        As `held_out_data`.
    """
    import geopandas as gpd

    filler = 0.0 if fitted.law.discrete else 1.0  # in the support of every law
    if isinstance(sites, gpd.GeoDataFrame | gpd.GeoSeries):
        given = sites.geometry.to_frame() if isinstance(sites, gpd.GeoSeries) else sites
    elif fitted.coords.shape[1] == 2:
        points = gpd.points_from_xy(*query_points(sites, 2, "sites").T)
        given = gpd.GeoDataFrame(geometry=points, crs=fitted.crs)
    else:
        given = (sites, np.full(np.shape(sites)[:1], filler))
    if isinstance(given, gpd.GeoDataFrame):
        given = given.assign(**{fitted.name: filler})
    return held_out_data(given, fitted, argument="sites", **others)


def _coordinates(table: Table, fitted: SpatialData, argument: str) -> FloatArray:
    """In the numbers of the fit's own, which count dates from its first."""
    d = fitted.coords.shape[1]
    if table.coords.shape[1] != d:
        raise ValueError(
            f"`{argument}` must have {d} coordinate(s), as the data; got {table.coords.shape[1]}."
        )
    if d == 1:
        return fitted.axis.numbers(table.axis.positions(table.coords))
    return table.coords


def _columns(
    given: Any,
    asked: Any,
    covariates: Covariates | None,
    coords: FloatArray,
    table: Table,
    argument: str,
) -> pd.DataFrame | None:
    """The model's covariates at the table's rows, gaps and all; None where it has none."""
    if covariates is None:
        if len(asked):
            raise ValueError("`covariates` must be left out: the model has none.")
        return None
    names = [c.name for c in covariates.columns]
    here = set(getattr(given, "columns", ()))
    if not len(asked):
        asked = [name for name in names if name in here or name not in covariates.fields]
    count = given.size if hasattr(given, "dims") else len(table.values)
    found = read_table(given, asked, count).iloc[table.rows].reset_index(drop=True)
    found = add_fields(found, covariates.fields, coords)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"`covariates` of `{argument}` must hold all of the model's, {', '.join(names)}; "
            f"{', '.join(missing)} are not there."
        )
    return found[names]


def _values(values: FloatArray, fitted: SpatialData, argument: str) -> FloatArray:
    """On the link scale."""
    if not len(values):
        raise ValueError(f"`{argument}` must have at least one row that is complete; got none.")
    if np.isinf(values).any():
        raise ValueError(
            f"the values of `{argument}` must be finite; {np.isinf(values).sum()} of {len(values)} "
            "are infinite. Correct them, or set them to NaN to leave those rows out."
        )
    if fitted.transform is None:
        return values
    if (values <= 0).any():
        raise ValueError(
            f"the values of `{argument}` must be positive, as the model is of logarithms; "
            f"{(values <= 0).sum()} of {len(values)} are not."
        )
    return np.log(values)


def _observed(
    data: SpatialData, fitted: SpatialData, given: Any, asked: Mapping[str, Any], argument: str
) -> SpatialData:
    """With how the values were observed, as the fit's own were; none of them is censored."""
    likelihood = "gaussian" if fitted.response is None else fitted.response.likelihood
    of_gaussian = {name: asked[name] is not None for name in ("measurement_sd", "weights")}
    require_worked_out(likelihood, None, of_gaussian)
    had = {name: getattr(fitted, name) is not None for name in of_gaussian}
    had["exposure"] = fitted.response is not None and fitted.response.exposure is not None
    for name in had:
        if had[name] and asked[name] is None:
            raise ValueError(
                f"`{name}` must be given for `{argument}` too, as the fit had it: a column, a "
                "number or an array with an entry a row."
            )
    rows = {k: None if x is None else per_row(x, given, data, k) for k, x in asked.items()}
    require_noise(rows["measurement_sd"], rows["weights"])
    observed = response(likelihood, data.values, data.name, rows["exposure"], rows["trials"])
    if observed is None and fitted.response is not None:  # of a fit with censored values
        observed = replace(fitted.response, censored=np.zeros(len(data.values)))
    noise = {name: rows[name] for name in of_gaussian}
    return replace(data, response=observed, **noise)
