"""Covariates: columns known at the data, standardised inside, and fields known everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import FloatArray
from womble.covariate import Covariate, joint_design, require_known

if TYPE_CHECKING:
    import pandas as pd

    from womble.covariate_field import CovariateField


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
            require_known(column, table[column.name])
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


def require_independent(design: FloatArray, labels: Sequence[str]) -> None:
    """Refuse columns that are sums of others: their coefficients would be prior alone."""
    centred = design - design.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    if values[-1] <= 1e-10 * values[0] or len(centred) <= centred.shape[1]:
        raise ValueError(
            f"covariates must not repeat one another; {', '.join(labels)} are linearly dependent "
            f"over {len(design)} observations. Leave out those that follow from the others."
        )
