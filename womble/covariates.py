"""Covariates: columns known at the data, standardised inside, and fields known everywhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import describe
from womble.arrays import FloatArray, float_array

if TYPE_CHECKING:
    import pandas as pd

    from womble.covariate_field import CovariateField


@dataclass(frozen=True)
class Covariate:
    """One column: how its values become columns of the design.

    A number is centred and divided by its standard deviation, so that 0 is its mean. A category
    has an indicator a level but for the first, so that zeros are the first.

    Attributes
    ----------
    name : str
    levels : tuple of str, or None
        Categories in their order; None for a number.
    mean, sd : float
        Of a number, over the data; 0 and 1 for categories.
    """

    name: str
    levels: tuple[str, ...] | None = None
    mean: float = 0.0
    sd: float = 1.0

    @property
    def labels(self) -> list[str]:
        """Names of its columns of the design."""
        if self.levels is None:
            return [self.name]
        return [f"{self.name}[{level}]" for level in self.levels[1:]]

    def design(self, values: Any) -> FloatArray:
        """Columns of the design, shape (n, k), of values as the user has them, (n,)."""
        if self.levels is None:
            return (np.asarray(values, dtype=float)[:, None] - self.mean) / self.sd
        found = np.asarray(values).astype(str)
        return (found[:, None] == np.array(self.levels[1:])).astype(float)

    @classmethod
    def of(cls, name: str, values: pd.Series) -> Covariate:
        """What a column of the data is, by its type.

        Raises
        ------
        ValueError
            If it is constant, or infinite somewhere.
        """
        if is_number(values):
            x = values.to_numpy(dtype=float)
            infinite = int((~np.isfinite(x)).sum())
            moments = (0.0, 0.0) if infinite else (float(x.mean()), float(x.std()))
            return cls.number(name, len(x), infinite, *moments, (float(x.min()), float(x.max())))
        return cls.category(name, Levels.of(values).names)

    @classmethod
    def number(
        cls,
        name: str,
        count: int,
        infinite: int,
        mean: float,
        sd: float,
        extent: tuple[float, float],
    ) -> Covariate:
        """A number with these moments, and this lowest and highest value.

        Raises
        ------
        ValueError
            If it is constant, or infinite somewhere.
        """
        if infinite:
            raise ValueError(
                f"covariate {name!r} must be finite; {infinite} values are infinite. Remove those "
                "rows."
            )
        if extent[0] == extent[1]:
            raise ValueError(
                f"covariate {name!r} must vary; all {count} values are {extent[0]:g}. "
                "Leave it out: the trend's constant stands for it."
            )
        return cls(name, None, mean, sd)

    @classmethod
    def category(cls, name: str, levels: Sequence[str]) -> Covariate:
        """A category with these levels.

        Raises
        ------
        ValueError
            If there is only one.
        """
        if len(levels) < 2:
            raise ValueError(
                f"covariate {name!r} must have at least two categories; got {list(levels)}. "
                "Leave it out: the trend's constant stands for it."
            )
        return cls(name, tuple(levels))


def is_number(values: pd.Series) -> bool:
    """Whether a column enters linearly, and not by its categories."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values)


@dataclass(frozen=True)
class Levels:
    """The categories of some rows, which add up.

    Attributes
    ----------
    categories : tuple
        In their order.
    present : frozenset
        Those that occur.
    """

    categories: tuple[Any, ...]
    present: frozenset[Any]

    @classmethod
    def of(cls, values: pd.Series) -> Levels:
        """Of a column without gaps."""
        return cls(tuple(values.astype("category").cat.categories), frozenset(values.unique()))

    def merged(self, other: Levels) -> Levels:
        """Of both: in the order of one that has them all, or else sorted."""
        ours, theirs = set(self.categories), set(other.categories)
        if theirs <= ours:
            both = self.categories
        else:
            both = other.categories if ours <= theirs else tuple(sorted(ours | theirs))
        return Levels(both, self.present | other.present)

    @property
    def names(self) -> list[str]:
        """Of those that occur."""
        return [str(level) for level in self.categories if level in self.present]


@dataclass(frozen=True, eq=False)
class Covariates:
    """The covariates of a data set.

    Attributes
    ----------
    columns : tuple of Covariate
    design : array, shape (n, k)
        Standardised columns, an observation a row.
    fields : mapping of str to CovariateField
        The covariates that are known everywhere.
    """

    columns: tuple[Covariate, ...]
    design: FloatArray
    fields: Mapping[str, CovariateField] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Names of the columns of the design."""
        return [label for column in self.columns for label in column.labels]

    @property
    def size(self) -> int:
        """Number of columns of the design."""
        return len(self.labels)

    @property
    def units(self) -> FloatArray:
        """What a coefficient is divided by to be one of the user's column, shape (k,)."""
        return np.array([column.sd for column in self.columns for _ in column.labels])

    @property
    def without_field(self) -> list[str]:
        """Numbers that are not known everywhere."""
        return [c.name for c in self.columns if c.levels is None and c.name not in self.fields]

    def of_rows(self, table: pd.DataFrame) -> FloatArray:
        """The design of other rows (p,) with the same columns and without gaps, shape (p, k).

        Raises
        ------
        ValueError
            If a category has a level that the data had not, or a number is infinite.
        TypeError
            If a number's column holds no numbers.
        """
        for column in self.columns:
            _require_known(column, table[column.name])
        return np.concatenate([c.design(table[c.name]) for c in self.columns], axis=1)

    @classmethod
    def of(
        cls, table: pd.DataFrame, fields: Mapping[str, CovariateField] | None = None
    ) -> Covariates:
        """Every column of a table without gaps, one row an observation.

        Raises
        ------
        ValueError
            If a column is constant or infinite, columns repeat one another, or a category has a
            field.
        """
        columns = tuple(Covariate.of(str(name), table[name]) for name in table)
        design = joint_design(columns, table)
        require_independent(design, [label for c in columns for label in c.labels])
        return cls.checked(columns, design, fields)

    @classmethod
    def checked(
        cls,
        columns: tuple[Covariate, ...],
        design: FloatArray,
        fields: Mapping[str, CovariateField] | None = None,
    ) -> Covariates:
        """From columns that are known already.

        Raises
        ------
        ValueError
            If a category has a field.
        """
        fields = dict(fields or {})
        for column in columns:
            if column.levels is not None and column.name in fields:
                raise ValueError(
                    f"covariate_fields[{column.name!r}] must be a number; the covariate is a "
                    "category, which has no gradient. Leave its field out."
                )
        return cls(columns, design, fields)


def joint_design(columns: Sequence[Covariate], table: pd.DataFrame) -> FloatArray:
    """All columns of the design side by side, shape (n, k)."""
    parts = [column.design(table[column.name]) for column in columns]
    return np.concatenate(parts, axis=1)


def _require_known(column: Covariate, values: pd.Series) -> None:
    """Refuse values that the fit's coefficients say nothing of."""
    if column.levels is None:
        if not np.isfinite(float_array(values, column.name)).all():
            raise ValueError(
                f"covariate {column.name!r} must be finite; some values are infinite. Remove those "
                "rows."
            )
        return
    unknown = sorted(set(np.asarray(values).astype(str).tolist()) - set(column.levels))
    if unknown:
        raise ValueError(
            f"covariate {column.name!r} must have levels that the fit had, "
            f"{', '.join(map(repr, column.levels))}; got {', '.join(map(repr, unknown))}, whose "
            "coefficients nothing is known of. Leave those rows out."
        )


def require_independent(design: FloatArray, labels: Sequence[str]) -> None:
    """Refuse columns that are sums of others: their coefficients would be prior alone."""
    centred = design - design.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    if values[-1] <= 1e-10 * values[0] or len(centred) <= centred.shape[1]:
        raise ValueError(
            f"covariates must not repeat one another; {', '.join(labels)} are linearly dependent "
            f"over {len(design)} observations. Leave out those that follow from the others."
        )


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
    missing = [name for name in covariates if name not in data.columns]
    if missing:
        raise ValueError(
            f"`covariates` must name columns of the data; {', '.join(map(repr, missing))} are "
            f"not there. Its columns are {', '.join(map(str, data.columns))}."
        )
    return pd.DataFrame(data[list(covariates)]).reset_index(drop=True)
