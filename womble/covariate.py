"""One covariate: how a column of the data becomes columns of the design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arrays import FloatArray, float_array

if TYPE_CHECKING:
    import pandas as pd


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


def joint_design(columns: Sequence[Covariate], table: pd.DataFrame) -> FloatArray:
    """All columns of the design side by side, shape (n, k)."""
    parts = [column.design(table[column.name]) for column in columns]
    return np.concatenate(parts, axis=1)


def require_known(column: Covariate, values: pd.Series) -> None:
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
