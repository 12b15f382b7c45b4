"""Engines: how the field is conditioned on the data."""

from __future__ import annotations

from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.base import Engine
from womble.engines.dense import DenseEngine
from womble.kernels import Kernel
from womble.spatial_data import SpatialData
from womble.trend import Trend

# Beyond this a Cholesky factor per posterior draw takes minutes to hours in all.
DENSE_LIMIT = 2000


def choose_engine(
    name: str, kernel: Kernel, trend: Trend, data: SpatialData, anisotropic: bool = False
) -> tuple[Engine, str]:
    """The engine asked for and a sentence that says which and why.

    Parameters
    ----------
    name : {"auto", "dense"}
        `auto` takes the dense engine for up to 2,000 observations and refuses more.
    anisotropic : bool
        Whether the hyperparameters have an anisotropy.

    Raises
    ------
    ValueError
        If the name is unknown, `auto` meets more data than the dense engine is meant for, or an
        anisotropic field has no plane.
    """
    n = len(data.values)
    if name not in ("auto", "dense"):
        raise ValueError(f"`engine` must be 'auto' or 'dense'; got {name!r}.")
    if name == "auto" and n > DENSE_LIMIT:
        raise ValueError(
            f"{n} observations; the dense engine is meant for up to {DENSE_LIMIT}, as every "
            f"posterior draw costs n^3 / 3 operations and {8e-9 * n * n:.1f} GB. Thin or average "
            "the data, or insist with engine='dense'."
        )
    reason = "as asked" if name == "dense" else f"n = {n} is at most {DENSE_LIMIT}"
    scaling = data.scaling
    if anisotropic and data.coords.shape[1] != 2:
        raise ValueError(
            "`anisotropic=True` needs data in the plane, with 2 coordinates; these have "
            f"{data.coords.shape[1]}. Use anisotropic=False."
        )
    make = AnisotropicEngine if anisotropic else DenseEngine
    engine = make(kernel, trend, scaling.coords_in(data.coords), scaling.values_in(data.values))
    return engine, f"dense (exact Cholesky factors): {reason}"
