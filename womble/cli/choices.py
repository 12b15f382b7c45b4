"""What words on the command line mean to the library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from womble.kernels import Kernel
    from womble.model import FieldModel

KERNELS = ("matern", "squared-exponential")


def kernel(name: str, nu: float | None) -> Kernel:
    """The kernel of a name, with Matern's smoothness.

    Raises
    ------
    ValueError
        If the name is unknown, or `nu` does not go with it.
    """
    from womble.kernels import Matern, SquaredExponential

    if name not in KERNELS:
        raise ValueError(f"--kernel must be {' or '.join(KERNELS)}; got {name!r}.")
    if name == "matern":
        return Matern() if nu is None else Matern(nu=nu)
    if nu is not None:
        raise ValueError(
            f"--nu is the smoothness of matern; {name} is smooth without end. Leave one out."
        )
    return SquaredExponential()


def require_response(data: Any, value: str | None, file: Path) -> None:
    """Refuse a table without a response named that it has; a raster has its own.

    Raises
    ------
    ValueError
        With the columns of numbers.
    """
    if not hasattr(data, "geometry") or value in data.columns:
        return
    numeric = ", ".join(map(str, data.select_dtypes("number").columns)) or "none"
    raise ValueError(
        f"--value must name the column of the response; got {value!r}. The columns of numbers are "
        f"{numeric}. `womble info {file}` says more."
    )


def table_ending(name: str) -> str:
    """The ending of files of lines.

    Raises
    ------
    ValueError
        If the format is unknown.
    """
    from womble.file_formats import require_pyarrow
    from womble.files import WRITTEN

    if f".{name}" not in WRITTEN:
        known = ", ".join(ending.removeprefix(".") for ending in WRITTEN)
        raise ValueError(f"--format must be one of {known}; got {name!r}.")
    if name == "parquet":
        require_pyarrow()
    return f".{name}"


def link_levels(levels: Sequence[float], likelihood: str, transform: str | None) -> list[float]:
    """Values of the response on the link scale, where boundaries are sought.

    Raises
    ------
    ValueError
        If the response cannot have a value.
    """
    from womble.likelihoods import LIKELIHOODS

    link = "log" if transform == "log" else "identity"
    if likelihood in LIKELIHOODS and LIKELIHOODS[likelihood].link != "identity":
        link = LIKELIHOODS[likelihood].link
    low, high = {"identity": (-np.inf, np.inf), "log": (0, np.inf), "logit": (0, 1)}[link]
    for level in levels:
        if not low < level < high:
            raise ValueError(
                f"--level must be a value of the response between {low:g} and {high:g}; got "
                f"{level:g}."
            )
    array = np.array(levels, dtype=float)
    if link == "logit":
        return (np.log(array) - np.log1p(-array)).tolist()
    return (np.log(array) if link == "log" else array).tolist()


def searches(
    model: FieldModel, kind: str, levels: Sequence[float], settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Arguments of `Posterior.boundaries`, one search each, refused if the kernel is too rough.

    Raises
    ------
    ValueError
        If the kind is unknown, or the kernel has no such lines.
    """
    from womble.kinds import features

    if not 0.5 <= settings["prominence"] < 1:
        raise ValueError(f"--prominence must lie in [0.5, 1); got {settings['prominence']:g}.")
    found = [] if kind == "none" else [{"kind": kind}]
    if levels:
        found.append({"kind": "level", "levels": list(levels)})
    for search in found:
        for feature in features(search["kind"], search.get("levels")):
            feature.require(model.kernel)
    return [search | settings for search in found]
