"""Engines: how the field is conditioned on the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.base import Engine
from womble.engines.dense import DenseEngine
from womble.engines.noise import Noise
from womble.engines.observations import CovariateTerms
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.spatial_data import SpatialData
from womble.trend import Trend

if TYPE_CHECKING:
    from womble.engines.spectral_choice import Elsewhere

# Beyond this a Cholesky factor per posterior draw takes minutes to hours in all.
DENSE_LIMIT = 2000

NAMES = ("auto", "dense", "spectral")


def choose_engine(
    name: str,
    kernel: Kernel,
    trend: Trend,
    data: SpatialData,
    anisotropic: bool = False,
    plausible: Callable[[Engine], Sequence[Theta]] | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[Engine, str]:
    """The engine asked for and a sentence that says which and why.

    Parameters
    ----------
    name : {"auto", "dense", "spectral"}
        `auto` takes the dense engine for up to 2,000 observations and the spectral one for more.
    anisotropic : bool
        Whether the hyperparameters have an anisotropy.
    plausible : function, optional
        From an engine with a likelihood of part of the data, to hyperparameters, in scaled units,
        that span those that are plausible: the spectral engine, which needs it, fits its band to
        them.
    elsewhere : Elsewhere, optional
        All of the data, where `data` holds a sample of them.

    Raises
    ------
    ValueError
        If the name is unknown, an anisotropic field has no plane, or the spectral engine cannot
        have these data or an anisotropic field, or the dense engine does not have all of them.
    """
    slopes = None if data.slopes is None else data.slopes.scaled(data.scaling)
    n = data.count + (0 if slopes is None else len(slopes.values))
    if name not in NAMES:
        raise ValueError(f"`engine` must be one of {', '.join(map(repr, NAMES))}; got {name!r}.")
    scaling = data.scaling
    coords, values = scaling.coords_in(data.coords), scaling.values_in(data.values)
    if anisotropic and coords.shape[1] != 2:
        raise ValueError(
            "`anisotropic=True` needs data in the plane, with 2 coordinates; these have "
            f"{coords.shape[1]}. Use anisotropic=False."
        )
    _require_known_likelihood(data, anisotropic)
    if name == "dense" or (name == "auto" and n <= DENSE_LIMIT):
        if len(data.values) < data.count:
            raise ValueError(
                f"the dense engine needs all data in memory; these are {data.count} rows that stay "
                "where they are. Use engine='spectral', or read a subset of at most some "
                f"{DENSE_LIMIT} rows."
            )
        reason = "as asked" if name == "dense" else f"n = {n} is at most {DENSE_LIMIT}"
        if slopes is not None:
            reason += f"; {len(slopes.values)} of them are slopes"
        make, sd = AnisotropicEngine if anisotropic else DenseEngine, data.measurement_sd
        engine = make(
            kernel,
            trend,
            coords,
            values if slopes is None else np.concatenate([values, slopes.values]),
            None if sd is None else sd / scaling.scale,
            slopes,
            covariate_terms(data),
            data.weights,
        )
        return engine, f"dense (exact Cholesky factors): {reason}"
    _require_plain(data, anisotropic, n)
    from womble.engines.spectral_choice import spectral_engine

    reason = "as asked" if name == "spectral" else f"n = {n} is more than {DENSE_LIMIT}"
    engine, described = spectral_engine(
        kernel, trend, coords, values, plausible, covariate_terms(data), data.weights, elsewhere
    )
    return engine, f"spectral ({described}): {reason}"


def _require_known_likelihood(data: SpatialData, anisotropic: bool) -> None:
    """Refuse combinations of slopes whose likelihood is not worked out."""
    if anisotropic and data.slopes is not None:
        raise ValueError(
            "`gradient_data` needs an isotropic field: the likelihood of slopes is not known under "
            "anisotropy. Use anisotropic=False."
        )
    if data.covariates is not None and data.slopes is not None:
        raise ValueError(
            "`gradient_data` cannot be combined with covariates, whose own slopes are part of what "
            "was measured. Leave one of the two out."
        )


def _require_plain(data: SpatialData, anisotropic: bool, n: int) -> None:
    """Refuse what the spectral engine does not have."""
    asked = {
        "anisotropic=True": anisotropic,
        "gradient_data": data.slopes is not None,
        "measurement_sd": data.measurement_sd is not None,
    }
    for what, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"the spectral engine, for {n} observations, does not take {what}. Leave it out, "
                f"or use engine='dense' on at most some {DENSE_LIMIT} data."
            )


def noise_of_values(data: SpatialData) -> Noise:
    """The noise of the data's values, scaled."""
    sd = data.measurement_sd
    scaled = None if sd is None else sd / data.scaling.scale
    return Noise.of(len(data.values), scaled, data.weights)


def covariate_terms(data: SpatialData) -> CovariateTerms | None:
    """The data's covariates, where they have any."""
    if data.covariates is None:
        return None
    from womble.covariate_field import standardised

    return CovariateTerms(data.covariates.design, standardised(data.covariates, data.scaling))
