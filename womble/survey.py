"""A first look at points in parts: extent, moments, what is missing or wrong, and a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble.arrays import FloatArray
from womble.covariate import Covariate, Levels, is_number, joint_design
from womble.covariate_table import require_columns
from womble.covariates import Covariates, require_independent
from womble.data_checks import (
    require_finite,
    require_positive,
    require_resolution,
    require_spread,
    require_varying,
    warn_degrees,
    warn_of_dropped,
)
from womble.moments import Moments
from womble.point_sources import Chunk, numbers
from womble.points import Points
from womble.row_sample import Sample
from womble.spatial_data import SpatialData
from womble.whole import Unread, Whole

if TYPE_CHECKING:
    from womble.covariate_field import CovariateField


@dataclass(frozen=True)
class Rows:
    """How rows are read: the values, what becomes of them, and the covariates.

    Parameters
    ----------
    value : str
    transform : "log" or None
    covariates : tuple of str
        Columns.
    fields : mapping of str to CovariateField
    """

    value: str
    transform: Literal["log"] | None
    covariates: tuple[str, ...]
    fields: Mapping[str, CovariateField]

    @property
    def columns(self) -> list[str]:
        """What to read besides the locations."""
        return [self.value, *self.covariates]

    def read(self, chunk: Chunk) -> Read:
        """The rows of a chunk that are complete, and how many are not."""
        from womble.covariate_field import add_fields

        values = numbers(chunk.table[self.value], self.value)
        located = ~np.isnan(chunk.coords).any(axis=1)
        known = located & ~np.isnan(values)
        table = add_fields(chunk.table[list(self.covariates)], self.fields, chunk.coords)
        complete = known & table.notna().all(axis=1).to_numpy()
        kept = np.flatnonzero(complete)
        missing = [(~located).sum(), (located & ~known).sum(), (known & ~complete).sum()]
        return Read(chunk.coords[kept], values[kept], table.iloc[kept], kept, np.array(missing))

    def on_link_scale(self, values: FloatArray) -> FloatArray:
        """After `transform`."""
        return np.log(values) if self.transform == "log" else values


@dataclass(frozen=True, eq=False)
class Read:
    """The complete rows of a chunk.

    Attributes
    ----------
    coords : array, shape (n, 2)
    values : array, shape (n,)
        As they are, before `transform`.
    table : DataFrame
        Covariates.
    kept : int array, shape (n,)
        Their place in the chunk.
    missing : int array, shape (3,)
        Rows without location; of the others without value; of the others without a covariate.
    """

    coords: FloatArray
    values: FloatArray
    table: Any
    kept: np.ndarray
    missing: np.ndarray


@dataclass(frozen=True, eq=False)
class Survey:
    """What a first look finds in some rows; surveys of neighbouring parts add up.

    Attributes
    ----------
    rows : tuple of int
        Rows of each part, incomplete ones too.
    missing : int array, shape (3,)
        See `Read`.
    wrong : int array, shape (3 + q,)
        Of the complete rows: infinite coordinates, infinite values, values without a logarithm;
        infinite covariates.
    moments : Moments
        Of coordinates, values on the link scale and numbers among the covariates.
    levels : mapping of str to Levels
        Of the categories.
    sample : Sample
    """

    rows: tuple[int, ...]
    missing: np.ndarray
    wrong: np.ndarray
    moments: Moments
    levels: Mapping[str, Levels] = field(default_factory=dict)
    sample: Sample = field(default_factory=Sample)

    @classmethod
    def of(cls, rows: Rows, chunk: Chunk, start: int) -> Survey:
        """Of a chunk whose first row has the order `start`."""
        read = rows.read(chunk)
        table = read.table
        numeric = [str(name) for name in table if is_number(table[name])]
        columns = np.column_stack([read.coords, read.values, *(table[name] for name in numeric)])
        columns = columns.astype(float)
        infinite = np.isinf(columns)
        low = read.values <= 0 if rows.transform == "log" else np.zeros(len(columns), dtype=bool)
        at_sites, of_columns = infinite[:, :2].any(axis=1), infinite[:, 2:].sum(axis=0)
        wrong = np.array([at_sites.sum(), of_columns[0], low.sum(), *of_columns[1:]])
        good = np.flatnonzero(~infinite.any(axis=1) & ~low)
        columns = columns[good]
        columns[:, 2] = rows.on_link_scale(columns[:, 2])
        levels = {str(n): Levels.of(table[n]) for n in table if str(n) not in numeric}
        sample = Sample.of(columns[:, :3], table.iloc[good], start + read.kept[good])
        count = (len(chunk.coords),)
        return cls(count, read.missing, wrong, Moments.of(columns), levels, sample)

    def merged(self, other: Survey) -> Survey:
        """Of both, which follow one another."""
        levels = {name: self.levels[name].merged(other.levels[name]) for name in self.levels}
        return Survey(
            self.rows + other.rows,
            self.missing + other.missing,
            self.wrong + other.wrong,
            self.moments.merged(other.moments),
            levels,
            self.sample.merged(other.sample),
        )


@dataclass(frozen=True)
class SurveyPart:
    """The survey of a part."""

    rows: Rows

    def __call__(self, part: int, chunks: Iterator[Chunk]) -> Survey:
        found, start = None, part << 40
        for chunk in chunks:
            here = Survey.of(self.rows, chunk, start)
            found = here if found is None else found.merged(here)
            start += len(chunk.coords)
        return Survey((sum(found.rows),), *(getattr(found, f.name) for f in fields(Survey)[1:]))


def surveyed(
    points: Points,
    value: str | None,
    *,
    transform: Literal["log"] | None = None,
    units: str | None = None,
    covariates: Sequence[str] = (),
    covariate_fields: Mapping[str, Any] | None = None,
) -> SpatialData:
    """A sample of the points as SpatialData, and what is known of all of them.

    Arguments, warnings and errors are those of `spatial_data`; covariates must be columns.
    """
    from womble.covariate_field import covariate_field

    names = _names(points, value, covariates)
    given = dict(covariate_fields or {})
    known = {name: covariate_field(name, x, points.crs) for name, x in given.items()}
    rows = Rows(value, transform, names, known)
    found = points.source.fold(SurveyPart(rows), Survey.merged, rows.columns)
    require_usable(found, value)
    whole, moments = whole_of(found, rows, points), found.moments
    require_varying(float(moments.low[2]), float(moments.high[2]), moments.count, value)
    sample = found.sample.in_order
    coords = sample.numbers[:, :2]
    require_spread(coords)
    require_resolution(whole.box)
    warn_degrees(points.crs is not None, points.coordinate_units, whole.box)
    return SpatialData(
        coords=coords,
        values=sample.numbers[:, 2],
        name=value,
        units=units,
        coordinate_units=points.coordinate_units,
        crs=points.crs,
        transform=transform,
        covariates=_covariates(found, sample, known),
        whole=whole,
    )


def require_usable(found: Survey, value: str) -> None:
    """Refuse rows that no model can use, and say how many were left out.

    Raises
    ------
    ValueError
        On infinite numbers, logarithms that do not exist or no complete row.
    """
    total, kept = sum(found.rows), sum(found.rows) - int(found.missing.sum())
    reasons = ("no location", f"a missing value in {value!r}", "a missing covariate")
    for dropped, reason in zip(found.missing.tolist(), reasons, strict=True):
        warn_of_dropped(dropped, total, reason)
    if kept == 0:
        raise ValueError(f"none of {total} rows is complete. Give data with locations and values.")
    for infinite, what in zip(found.wrong, ("coordinates", f"values of {value!r}"), strict=False):
        require_finite(int(infinite), kept, what)
    require_positive(int(found.wrong[2]), kept, value)


def whole_of(found: Survey, rows: Rows, points: Points) -> Whole:
    """What is known of all rows."""
    moments, starts = found.moments, np.concatenate([[0], np.cumsum(found.rows)[:-1]])
    return Whole(
        moments.count,
        np.stack([moments.low[:2], moments.high[:2]]),
        moments.mean[:2],
        float(np.sqrt(moments.variance[:2].sum())),
        float(moments.mean[2]),
        float(np.sqrt(moments.variance[2])),
        unread=Unread(points, rows, starts.tolist()),
    )


def _names(points: Points, value: str | None, covariates: Any) -> tuple[str, ...]:
    """The covariates' columns; all must be there."""
    if value is None or value not in points.columns:
        raise ValueError(
            f"`value` must name a column of the points; got {value!r}. Its columns are "
            f"{', '.join(points.columns)}."
        )
    names = [covariates] if isinstance(covariates, str) else list(covariates)
    if not isinstance(covariates, str | Sequence):
        raise TypeError(
            "`covariates` must name columns of data that are not in memory; got "
            f"{type(covariates).__name__}. Add them to the table."
        )
    require_columns(names, points.columns)
    return tuple(names)


def _covariates(
    found: Survey, sample: Sample, known: Mapping[str, CovariateField]
) -> Covariates | None:
    """The covariates, with the moments and levels of all rows and the design of the sample."""
    table, moments, columns, place = sample.table, found.moments, [], 3
    if not len(table.columns):
        return None
    for name in map(str, table):
        if name in found.levels:
            columns.append(Covariate.category(name, found.levels[name].names))
            continue
        extent = (float(moments.low[place]), float(moments.high[place]))
        mean, sd = float(moments.mean[place]), float(np.sqrt(moments.variance[place]))
        infinite = int(found.wrong[place])
        columns.append(Covariate.number(name, moments.count, infinite, mean, sd, extent))
        place += 1
    design = joint_design(columns, table)
    # A rare category may not be in the sample.
    seen = np.ptp(design, axis=0) > 0
    labels = np.array([label for c in columns for label in c.labels])
    require_independent(design[:, seen], labels[seen].tolist())
    return Covariates.checked(tuple(columns), design, known)
