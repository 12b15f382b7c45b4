"""Readers of what else was measured: noise of each value, and slopes of the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from womble.arrays import FloatArray
from womble.crs import require_same_crs
from womble.readers import float_array, query_points, raster_axes
from womble.response import require_worked_out, response
from womble.slopes import Slopes
from womble.spatial_data import SpatialData, spatial_data


def observed_data(
    likelihood: str,
    data: Any,
    value: str | None,
    *,
    centred: bool,
    covariates: Any = (),
    covariate_fields: Mapping[str, Any] | None = None,
    transform: Literal["log"] | None = None,
    units: str | None = None,
    measurement_sd: Any = None,
    weights: Any = None,
    left_censored: Any = None,
    right_censored: Any = None,
    gradient_data: tuple | None = None,
    exposure: Any = None,
    trials: Any = None,
) -> SpatialData:
    """The data with all that a model is told of their observation, checked.

    Parameters
    ----------
    centred : bool
        Whether the field has a mean.

    The others are those of `FieldModel.fit`.

    Raises
    ------
    ValueError, TypeError
        If the data or an argument cannot be used, or not with this likelihood.
    """
    asked = {
        "measurement_sd": measurement_sd is not None,
        "weights": weights is not None,
        "gradient_data": gradient_data is not None,
    }
    require_worked_out(likelihood, transform, asked)
    checked = spatial_data(
        data,
        value,
        transform=transform,
        units=units,
        covariates=covariates,
        covariate_fields=covariate_fields,
    )
    given = {
        "measurement_sd": measurement_sd,
        "weights": weights,
        "left_censored": left_censored,
        "right_censored": right_censored,
        "exposure": exposure,
        "trials": trials,
    }
    if checked.whole is not None:
        require_in_memory(likelihood, given | {"gradient_data": gradient_data})
        return replace(checked, centred=centred)
    rows = {k: None if x is None else per_row(x, data, checked, k) for k, x in given.items()}
    sd, weights = rows["measurement_sd"], rows["weights"]
    require_noise(sd, weights)
    censored = _censored(rows["left_censored"], rows["right_censored"])
    observed = response(
        likelihood, checked.values, checked.name, rows["exposure"], rows["trials"], censored
    )
    slopes = None if gradient_data is None else read_slopes(gradient_data, checked)
    if slopes is not None and observed is not None:
        raise ValueError(
            "`gradient_data` cannot be combined with censored values: their likelihood together "
            "is not worked out. Leave one of the two out."
        )
    return replace(
        checked,
        centred=centred,
        measurement_sd=sd,
        weights=weights,
        slopes=slopes,
        response=observed,
    )


def require_in_memory(likelihood: str, asked: Mapping[str, Any]) -> None:
    """Refuse what data that stay where they are cannot have.

    Raises
    ------
    ValueError
        If there is an argument of `asked`, or the likelihood is not Gaussian.
    """
    given = [f"`{name}`" for name, argument in asked.items() if argument is not None]
    if likelihood != "gaussian":
        given.append(f"likelihood={likelihood!r}")
    if given:
        raise ValueError(
            f"points that are not in memory cannot have {', '.join(given)}. Leave it out, or read "
            "a subset of the rows as a GeoDataFrame."
        )


def per_row(given: Any, source: Any, data: SpatialData, name: str) -> FloatArray:
    """A number for each of the rows that were kept, shape (n,).

    Parameters
    ----------
    given : str, number or array
        A column of `source`, one number for all, or one for each row.
    source : GeoDataFrame, tuple, DataArray or Series
        What `data` were read from.
    data : SpatialData
    name : str
        Of the argument, for messages.

    Raises
    ------
    ValueError
        If there is no such column, or it does not have an entry for each row.
    """
    import xarray as xr

    if isinstance(given, str):
        if given not in getattr(source, "columns", ()):
            raise ValueError(
                f"`{name}` must name a column of the GeoDataFrame; got {given!r}. Give an array "
                "otherwise."
            )
        given = source[given].to_numpy(dtype=float, na_value=np.nan)
    if isinstance(given, xr.DataArray) and given.ndim == 2:
        given = given.transpose(*reversed(raster_axes(given, name))).to_numpy()
    array = float_array(given, name)
    rows = source.size if isinstance(source, xr.DataArray) else _length(source)
    if array.ndim > 0 and array.size != rows:
        raise ValueError(
            f"`{name}` must be a number or have one entry for each of the {rows} rows of the data; "
            f"got shape {array.shape}."
        )
    return np.full(len(data.values), array) if array.ndim == 0 else array.ravel()[data.rows]


def require_noise(sd: FloatArray | None, weights: FloatArray | None) -> None:
    """Refuse measurement errors and weights that are none."""
    if sd is not None and (bad := ~(np.isfinite(sd) & (sd >= 0))).any():
        raise ValueError(
            f"`measurement_sd` must be finite and at least 0; {bad.sum()} of {len(sd)} are not. "
            "Drop those rows, or give 0 where all of the noise is unknown."
        )
    if weights is not None and (bad := ~(np.isfinite(weights) & (weights > 0))).any():
        raise ValueError(
            f"`weights` must be positive and finite; {bad.sum()} of {len(weights)} are not. Give "
            "the number of measurements that each value is the mean of, 1 for a single one."
        )


def _censored(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    """-1 below a limit, 1 above, 0 where the value is known, shape (n,); None if not given.

    Raises
    ------
    ValueError
        If a flag is neither false nor true, a value is flagged on both sides, or none is known.
    """
    given = {"left_censored": left, "right_censored": right}
    for name, flags in given.items():
        if flags is not None and (bad := ~np.isin(flags, (0.0, 1.0))).any():
            raise ValueError(
                f"`{name}` must be true or false (1 or 0) in each row; {bad.sum()} of "
                f"{len(flags)} are neither. The limit itself goes into the values."
            )
    stated = [sign * flags for sign, flags in ((-1, left), (1, right)) if flags is not None]
    if not stated:
        return None
    if len(stated) == 2 and (both := (stated[0] != 0) & (stated[1] != 0)).any():
        raise ValueError(
            f"a value can be below or above its limit, not both; {both.sum()} rows have "
            "`left_censored` and `right_censored`. Drop those: they say nothing."
        )
    censored = sum(stated)
    if (censored != 0).all():
        raise ValueError(
            f"at least some values must be known; all {len(censored)} are censored. Model presence "
            "above the limit with likelihood='bernoulli'."
        )
    return censored


def _length(source: Any) -> int:
    return len(source[1]) if isinstance(source, tuple) else len(source)


def read_slopes(gradient_data: Any, data: SpatialData) -> Slopes:
    """Slopes from either form that `FieldModel.fit` takes.

    Parameters
    ----------
    gradient_data : (coords, gradients, noise_sd) or (coords, directions, slopes, noise_sd)
        See `FieldModel.fit`.
    data : SpatialData
        Their dimension and CRS.

    Raises
    ------
    TypeError
        If it is no tuple.
    ValueError
        If a shape, number or direction cannot be used, the locations are in another CRS, or
        nothing was measured.
    """
    if not isinstance(gradient_data, tuple) or len(gradient_data) not in (3, 4):
        what = type(gradient_data).__name__
        if isinstance(gradient_data, tuple):
            what = f"a tuple of {len(gradient_data)}"
        raise TypeError(
            "`gradient_data` must be a tuple (coords, gradients, noise_sd), or (coords, "
            f"directions, slopes, noise_sd) for slopes along directions; got {what}."
        )
    where, d = gradient_data[0], data.coords.shape[1]
    if hasattr(where, "crs"):
        require_same_crs(where, data.crs, "gradient_data")
    coords = query_points(where, d, "gradient_data coords")
    m = len(coords)
    if len(gradient_data) == 3:
        values = _shaped(gradient_data[1], (m, d), "gradients")
        axes = np.broadcast_to(np.eye(d), (m, d, d))
        places = np.broadcast_to(coords[:, None], (m, d, d))
    else:
        values = _shaped(gradient_data[2], (m,), "slopes")
        axes = _unit(_shaped(gradient_data[1], (m, d), "directions"))
        places = coords
    noise = _noise(gradient_data[-1], values)
    measured = ~np.isnan(values)
    if not measured.any():
        raise ValueError("`gradient_data` must hold at least one slope that is not NaN; got none.")
    if np.isinf(values).any():
        raise ValueError(
            "the slopes of `gradient_data` must be finite, or NaN where not measured; got infinity."
        )
    return Slopes(places[measured], axes[measured], values[measured], noise[measured])


def _shaped(given: Any, shape: tuple[int, ...], name: str) -> FloatArray:
    array = float_array(given, name)
    if array.shape != shape and array.size == np.prod(shape) and shape[-1] == 1:
        array = array.reshape(shape)  # on a line, one number a location
    if array.shape != shape:
        raise ValueError(
            f"the {name} of `gradient_data` must have shape {shape}, a row per location; got "
            f"{array.shape}."
        )
    return array


def _unit(directions: FloatArray) -> FloatArray:
    length = np.linalg.norm(directions, axis=1)
    if not (np.isfinite(length) & (length > 0)).all():
        raise ValueError(
            "the directions of `gradient_data` must be finite vectors other than 0; the slope is "
            "per unit of length along them, whatever their own."
        )
    return directions / length[:, None]


def _noise(given: Any, values: FloatArray) -> FloatArray:
    """Standard deviations in the shape of the values."""
    noise = float_array(given, "noise_sd")
    if noise.shape == values.shape[:1] and values.ndim == 2 and noise.shape != values.shape:
        noise = noise[:, None]
    if noise.shape not in ((), values.shape, (len(values), 1)):
        raise ValueError(
            "the noise_sd of `gradient_data` must be a number, one a location, or of the shape of "
            f"the slopes, {values.shape}; got shape {noise.shape}."
        )
    noise = np.broadcast_to(noise, values.shape)
    known = noise[~np.isnan(values)]
    if not (np.isfinite(known) & (known >= 0)).all():
        raise ValueError(
            "the noise_sd of `gradient_data` must be finite and at least 0 wherever a slope was "
            "measured, in link units per coordinate unit."
        )
    return noise
