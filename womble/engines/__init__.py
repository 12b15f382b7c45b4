"""Engines: how the field is conditioned on the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.base import Engine
from womble.engines.dense import DenseEngine
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.spatial_data import SpatialData
from womble.trend import Trend

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

    Raises
    ------
    ValueError
        If the name is unknown, an anisotropic field has no plane, or the spectral engine cannot
        have these data or an anisotropic field.
    """
    n = len(data.values)
    if name not in NAMES:
        raise ValueError(f"`engine` must be one of {', '.join(map(repr, NAMES))}; got {name!r}.")
    scaling = data.scaling
    coords, values = scaling.coords_in(data.coords), scaling.values_in(data.values)
    if anisotropic and coords.shape[1] != 2:
        raise ValueError(
            "`anisotropic=True` needs data in the plane, with 2 coordinates; these have "
            f"{coords.shape[1]}. Use anisotropic=False."
        )
    if name == "dense" or (name == "auto" and n <= DENSE_LIMIT):
        reason = "as asked" if name == "dense" else f"n = {n} is at most {DENSE_LIMIT}"
        make = AnisotropicEngine if anisotropic else DenseEngine
        return make(kernel, trend, coords, values), f"dense (exact Cholesky factors): {reason}"
    if anisotropic:
        raise ValueError(
            f"the spectral engine, for {n} observations, takes isotropic fields; got "
            "anisotropic=True. Use anisotropic=False, in coordinates stretched by a ratio that is "
            f"known, or engine='dense' on at most some {DENSE_LIMIT} data."
        )
    from womble.engines.spectral_choice import spectral_engine

    reason = "as asked" if name == "spectral" else f"n = {n} is more than {DENSE_LIMIT}"
    engine, described = spectral_engine(kernel, trend, coords, values, plausible)
    return engine, f"spectral ({described}): {reason}"
