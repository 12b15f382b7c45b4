"""Engines: how the field is conditioned on the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    plausible: Callable[[Engine], Sequence[Theta]] | None = None,
) -> tuple[Engine, str]:
    """The engine asked for and a sentence that says which and why.

    Parameters
    ----------
    name : {"auto", "dense", "spectral"}
        `auto` takes the dense engine for up to 2,000 observations and the spectral one for more.
    plausible : function, optional
        From an engine with a likelihood of part of the data, to hyperparameters, in scaled units,
        that span those that are plausible: the spectral engine, which needs it, fits its band to
        them.

    Raises
    ------
    ValueError
        If the name is unknown, or the spectral engine cannot have these data.
    """
    n = len(data.values)
    if name not in NAMES:
        raise ValueError(f"`engine` must be one of {', '.join(map(repr, NAMES))}; got {name!r}.")
    scaling = data.scaling
    coords, values = scaling.coords_in(data.coords), scaling.values_in(data.values)
    if name == "dense" or (name == "auto" and n <= DENSE_LIMIT):
        reason = "as asked" if name == "dense" else f"n = {n} is at most {DENSE_LIMIT}"
        engine = DenseEngine(kernel, trend, coords, values)
        return engine, f"dense (exact Cholesky factors): {reason}"
    from womble.engines.spectral_choice import spectral_engine

    reason = "as asked" if name == "spectral" else f"n = {n} is more than {DENSE_LIMIT}"
    engine, described = spectral_engine(kernel, trend, coords, values, plausible)
    return engine, f"spectral ({described}): {reason}"
