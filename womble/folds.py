"""Blocks of observations that are left out together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from womble.arrays import FloatArray


def spatial_folds(coords: FloatArray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Compact blocks of sites by k-means, labels (n,).

    Raises
    ------
    ValueError
        If there are more folds than the sites make.
    """
    _, labels = kmeans2(coords, folds, iter=50, minit="++", seed=rng, missing="raise")
    return labels


def given_folds(labels: Sequence[Any], rows: np.ndarray) -> np.ndarray:
    """Labels (n,) of the observations kept, from one for each row of the data as they were given.

    Raises
    ------
    ValueError
        If there is not a label for each row, one is missing, or all are the same.
    """
    import pandas as pd

    label = np.asarray(labels)
    if label.ndim != 1 or len(label) <= rows.max():
        raise ValueError(
            f"`blocks` must have a label for each of the at least {rows.max() + 1} rows of the "
            f"data; got shape {label.shape}. Rows that were dropped count too."
        )
    kept = label[rows]
    if (missing := pd.isna(kept)).any():
        raise ValueError(
            f"`blocks` must have a label for each row of the data; {missing.sum()} are missing. "
            "Give those rows a block of their own."
        )
    if len(np.unique(kept)) < 2:
        raise ValueError(
            f"`blocks` must have at least two labels; all rows have {kept[0]!r}. "
            "Nothing would be left to predict from."
        )
    return kept
