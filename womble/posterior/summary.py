"""The table of hyperparameters of a Posterior."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from womble.anisotropy import ratio_and_angle
from womble.hyperparameters import Layout

LEVELS = {"q025": 0.025, "q50": 0.5, "q975": 0.975}


def hyperparameter_table(
    draws: xr.Dataset,
    sample_stats: xr.Dataset | None,
    layout: Layout,
    units: Mapping[str, str | None],
    given: bool,
) -> pd.DataFrame:
    """Mean, sd, quantiles, units, ESS and R-hat of each hyperparameter.

    An anisotropic model also has rows of what its two numbers stand for: `anisotropy_ratio`, the
    longest over the shortest lengthscale, and `anisotropy_angle`, the direction of the longest in
    degrees. Angles 180 degrees apart are the same: their mean and sd are circular, and quantiles
    are of the deviations from the mean, so that they may pass 90 degrees.

    Parameters
    ----------
    draws, sample_stats : xarray.Dataset
    layout : Layout
    units : mapping of str to str
        Of each kind of hyperparameter; the others are numbers.
    given : bool
        Whether there is a single draw, without ESS and R-hat.
    """
    from womble.diagnostics import diagnostics

    kinds = dict(zip(layout.names, layout.kinds, strict=True))
    centre = 0.0
    if layout.anisotropic:
        shape, centre = _shape(draws)
        draws = draws.merge(shape, join="exact", compat="override")
        kinds |= {"anisotropy_ratio": "ratio", "anisotropy_angle": "angle"}
    units = {**units, "angle": "degree"}
    found = {} if given else diagnostics(draws, sample_stats)
    rows = {}
    for name, kind in kinds.items():
        x = draws[name].to_numpy().ravel()
        offset, spread = (centre, _axial_sd(x)) if kind == "angle" else (0.0, x.std())
        mean = offset + (0.0 if kind == "angle" else x.mean())
        quantiles = offset + np.quantile(x, list(LEVELS.values()))
        rows[name] = {"mean": mean, "sd": spread, **dict(zip(LEVELS, quantiles, strict=True))}
        rows[name]["units"] = units.get(kind, "1") or ""
        for key in ("ess_bulk", "ess_tail", "r_hat"):
            rows[name][key] = float(found[key][name]) if found else np.nan
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("hyperparameter")


def _shape(draws: xr.Dataset) -> tuple[xr.Dataset, float]:
    """Ratios, angles as deviations from their circular mean, and that mean, in degrees."""
    pairs = np.stack([draws[f"anisotropy_{i}"].to_numpy() for i in (1, 2)], axis=-1)
    ratio, angle = ratio_and_angle(pairs)
    centre = 0.5 * np.rad2deg(np.angle(np.exp(2j * np.deg2rad(angle)).mean()))
    deviation = 90.0 - (90.0 - (angle - centre)) % 180.0  # in (-90, 90]
    dims = draws["anisotropy_1"].dims
    shape = xr.Dataset({"anisotropy_ratio": (dims, ratio), "anisotropy_angle": (dims, deviation)})
    return shape, float(centre)


def _axial_sd(degrees: np.ndarray) -> float:
    """Circular standard deviation of angles that 180 degrees leave the same, in degrees.

    References
    ----------
    Mardia and Jupp (2000), Directional Statistics, eq. (2.3.14) and sec. 9.1.
    """
    length = min(1.0, np.abs(np.exp(2j * np.deg2rad(degrees)).mean()))
    return float(0.5 * np.rad2deg(np.sqrt(-2 * np.log(length))))
