"""The pass over points that are not in memory: one, for all that the spectral engine asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from womble.arrays import FloatArray
from womble.covariate import Covariate, joint_design
from womble.engines.base import Engine
from womble.engines.disc import Disc
from womble.engines.noise_streams import NoiseStreams
from womble.engines.spectral import SpectralEngine, in_one_factor
from womble.engines.statistics import Statistics
from womble.point_sources import Chunk
from womble.scaling import Scaling
from womble.spatial_data import SpatialData
from womble.survey import Rows
from womble.trend import Trend


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
    starts: Sequence[int]

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
    progress : bool
    """

    data: SpatialData
    trend: Trend
    scaling: Scaling
    paths: int
    delivery: int = 0
    progress: bool = False

    @classmethod
    def over(cls, data: SpatialData, trend: Trend, progress: bool = False) -> Pass | None:
        """Of data that are not in memory; None of others."""
        if data.whole is None or data.whole.unread is None:
            return None
        paths = data.whole.unread.points.paths
        return cls(data, trend, data.scaling, paths, progress=progress)

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
        unread, known = self.data.whole.unread, self.data.covariates
        columns = () if known is None else known.columns
        trend_size = self.trend.size(len(disc.period)) + (0 if known is None else known.size)
        paths = 0 if in_one_factor(trend_size + disc.size) else self.paths
        noise, starts = NoiseStreams(paths, self.delivery), unread.starts
        part = SumPart(unread.rows, columns, self.scaling, disc, self.trend, noise, starts)
        label = "sums over the data" if self.progress else ""
        return unread.points.source.fold(part, Statistics.merged, unread.rows.columns, label)


def summed(data: SpatialData, engine: Engine) -> SpatialData:
    """The data as a posterior keeps them: without what was needed for the pass over them.

    Data of which the dense engine holds all are in memory like any others.
    """
    if data.whole is None:
        return data
    kept = replace(data.whole, unread=None) if isinstance(engine, SpectralEngine) else None
    return replace(data, whole=kept)
