"""The pass over points that are not in memory: one, for all that the spectral engine asks of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import FloatArray
from womble.covariates import Covariate, joint_design
from womble.engines.disc import Disc
from womble.engines.noise_streams import NoiseStreams
from womble.engines.statistics import Statistics
from womble.point_sources import Chunk
from womble.scaling import Scaling
from womble.spatial_data import SpatialData
from womble.survey import Rows
from womble.trend import Trend

if TYPE_CHECKING:
    from womble.whole import Unread


@dataclass(frozen=True, eq=False)
class SumPart:
    """The sums over a part: what each worker does.

    Parameters
    ----------
    rows : Rows
    columns : tuple of Covariate
    scaling : Scaling
    disc : Disc
    trend : Trend
    noise : NoiseStreams
    starts : sequence of int
        Number of the first row of each part.
    """

    rows: Rows
    columns: tuple[Covariate, ...]
    scaling: Scaling
    disc: Disc
    trend: Trend
    noise: NoiseStreams
    starts: list[int]

    def __call__(self, part: int, chunks: Iterator[Chunk]) -> Statistics:
        """Their sum over chunks."""
        count = sum(len(column.labels) for column in self.columns)
        total = Statistics.empty(self.disc, self.trend, count, self.noise.count)
        start = self.starts[part]
        for chunk in chunks:
            read = self.rows.read(chunk)
            values = self.rows.on_link_scale(read.values)
            total = total.plus(
                self.scaling.coords_in(read.coords),
                self.scaling.values_in(values),
                joint_design(self.columns, read.table) if self.columns else None,
                self.noise,
                start + read.kept,
            )
            start += len(chunk.coords)
        return total


@dataclass(frozen=True, eq=False)
class Pass:
    """All rows of data of which a sample is in memory; see `womble.engines.spectral_choice`.

    Parameters
    ----------
    data : SpatialData
        Unread.
    trend : Trend
    scaling : Scaling
        That of the data, or of those that they are added to.
    paths : int
        Vectors of noise.
    delivery : int
        See `NoiseStreams`.
    """

    data: SpatialData
    trend: Trend
    scaling: Scaling
    paths: int
    delivery: int = 0

    @classmethod
    def over(cls, data: SpatialData, trend: Trend) -> Pass | None:
        """Of data that are not in memory; None of others."""
        if data.whole is None or data.whole.unread is None:
            return None
        return cls(data, trend, data.scaling, data.whole.unread.points.paths)

    @property
    def count(self) -> int:
        """Number of complete rows."""
        return self.data.whole.count

    @property
    def box(self) -> FloatArray:
        """Corners of the box of all rows, scaled, shape (2, d)."""
        return self.scaling.coords_in(self.data.whole.box)

    def statistics(self, disc: Disc) -> Statistics:
        """The sums over all rows."""
        data, unread = self.data, self._unread
        known = data.covariates
        columns = () if known is None else known.columns
        fields = {} if known is None else known.fields
        names = tuple(c.name for c in columns if c.name in unread.points.columns)
        rows = Rows(data.name, data.transform, names, fields)
        noise = NoiseStreams(self.paths, self.delivery)
        part = SumPart(rows, columns, self.scaling, disc, self.trend, noise, list(unread.starts))
        return unread.points.source.fold(part, Statistics.merged, rows.columns)

    @property
    def _unread(self) -> Unread:
        return self.data.whole.unread


def summed(data: SpatialData) -> SpatialData:
    """The data without what was needed for the pass over them."""
    if data.whole is None:
        return data
    return replace(data, whole=replace(data.whole, unread=None))


def mixed_sample(first: SpatialData, second: SpatialData, most: int) -> SpatialData:
    """Samples of two data sets as one of both, of at most `most` rows.

    Of each as many rows as a sample of all of them would have, always the same.
    """
    rng = np.random.default_rng(0)
    kept = min(most, len(first.values) + len(second.values))
    of_first = rng.hypergeometric(first.count, second.count, kept)
    of_first = int(np.clip(of_first, kept - len(second.values), len(first.values)))
    chosen = [
        np.sort(rng.choice(len(data.values), size, replace=False))
        for data, size in ((first, of_first), (second, kept - of_first))
    ]
    pairs = list(zip((first, second), chosen, strict=True))
    covariates = first.covariates
    if covariates is not None:
        design = np.concatenate([data.covariates.design[i] for data, i in pairs])
        covariates = replace(covariates, design=design)
    return replace(
        first,
        coords=np.concatenate([data.coords[i] for data, i in pairs]),
        values=np.concatenate([data.values[i] for data, i in pairs]),
        covariates=covariates,
    )
