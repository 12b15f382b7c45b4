"""Covariates as the user gives them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import describe

if TYPE_CHECKING:
    import pandas as pd


def read_table(
    data: Any, covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] | str, count: int
) -> pd.DataFrame:
    """The covariates' columns, a row for each row of the input, gaps and all.

    Parameters
    ----------
    data : GeoDataFrame or other
        Where names of columns are looked up.
    covariates : sequence of str, DataFrame or mapping of str to arrays
        Columns of the GeoDataFrame; or the columns themselves, in the data's order.
    count : int
        Rows of the input.

    Raises
    ------
    TypeError
        If names are given for data without columns.
    ValueError
        If a column is not there, or has another length.
    """
    import pandas as pd

    if isinstance(covariates, str):
        covariates = [covariates]
    if isinstance(covariates, pd.DataFrame | Mapping):
        table = pd.DataFrame({str(k): np.asarray(covariates[k]).ravel() for k in covariates})
        if len(table) != count:
            raise ValueError(
                f"`covariates` must have a row for each of the {count} rows of the data; got "
                f"{len(table)}. Take both from the same table."
            )
        return table
    if not len(covariates):
        return pd.DataFrame(index=range(count))
    if not hasattr(data, "columns"):
        raise TypeError(
            f"`covariates` may name columns of a GeoDataFrame only; the data are a "
            f"{type(data).__name__}. Give a DataFrame or a dict of arrays."
        )
    if not all(isinstance(name, Hashable) for name in covariates):
        raise TypeError(
            f"`covariates` must be names of columns, a DataFrame or a mapping; got "
            f"{describe(covariates)}. Give an array as a dict: {{'name': array}}."
        )
    require_columns(covariates, data.columns)
    return pd.DataFrame(data[list(covariates)]).reset_index(drop=True)


def require_columns(covariates: Sequence[Hashable], columns: Collection[Hashable]) -> None:
    """Refuse names that are not among the data's columns."""
    missing = [name for name in covariates if name not in columns]
    if missing:
        raise ValueError(
            f"`covariates` must name columns of the data; {', '.join(map(repr, missing))} are "
            f"not there. Its columns are {', '.join(map(str, columns))}."
        )
