"""Names for the arrays that travel between modules, and how any data become one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def float_array(data: Any, name: str) -> FloatArray:
    """A float64 copy of `data`, masked entries as NaN.

    Raises
    ------
    TypeError
        `data` does not hold real numbers.
    """
    if np.ma.isMaskedArray(data):
        return data.astype(float).filled(np.nan)
    try:
        array = np.asarray(data)
        if array.dtype.kind not in "buifO":
            raise TypeError(f"dtype {array.dtype}")
        return np.array(array, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}` must be an array of real numbers; got {error}. Convert it to floats, with "
            "NaN for what is missing."
        ) from error
