"""Profiles across boundaries, averaged along them: how steep, how high, how wide is the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from womble import jet
from womble.across import Across
from womble.arrays import FloatArray
from womble.boundary import STATIONS, spread
from womble.engines.base import Path
from womble.mean_field import MeanField
from womble.paths import each_path
from womble.profile import Probes, half_width, highest

if TYPE_CHECKING:
    import pandas as pd

# Points of a profile: a front of a tenth of its length then has six in it.
NODES = 61
STATISTICS = ("mean", "sd", "q025", "q50", "q975")


@dataclass(frozen=True, eq=False)
class Fronts:
    """Draws of the profiles across L lines, each the mean over stations along its line.

    Attributes
    ----------
    offsets : array, shape (L, k)
        Distance across, uphill positive, 0 on the line.
    slope, value : array, shape (S, L, k)
        Derivative uphill across the line, and value, of each path.
    step : array, shape (S, L)
        Value at the probe uphill minus value at the probe downhill.
    """

    offsets: FloatArray
    slope: FloatArray
    value: FloatArray
    step: FloatArray

    def at(self, lines: np.ndarray) -> Fronts:
        """The lines of these numbers, in their order."""
        parts = self.slope[:, lines], self.value[:, lines], self.step[:, lines]
        return Fronts(self.offsets[lines], *parts)

    def table(self) -> pd.DataFrame:
        """Peak slope, step height and width of each line: mean, sd and quantiles over draws.

        Widths are half widths of the averaged slope; where it has not fallen to half its peak
        within the profile the width is longer than can be told (censored).
        """
        import pandas as pd

        ends = half_width(self.slope, self.offsets)
        width = ends[..., 1] - ends[..., 0]
        columns = {}
        drawn = {"peak_slope": highest(self.slope), "step_height": self.step, "width": width}
        for name, draws in drawn.items():
            rows = zip(STATISTICS, summaries(draws), strict=True)
            columns |= {f"{name}_{statistic}": row for statistic, row in rows}
        columns["share_censored"] = np.isinf(width).mean(axis=0)
        return pd.DataFrame(columns)


def summaries(draws: FloatArray) -> FloatArray:
    """Mean, sd and 2.5, 50 and 97.5 % quantiles of draws (S, ...), shape (5, ...).

    Infinite draws are known to exceed every other, and no more: the moments are then NaN, and so
    are the quantiles among them.
    """
    # Quantiles that are draws themselves: between a number and infinity there is nothing.
    quantiles = np.quantile(draws, [0.025, 0.5, 0.975], axis=0, method="inverted_cdf")
    known = np.where(np.isfinite(draws), draws, np.nan)
    out = np.concatenate([[known.mean(axis=0), known.std(axis=0)], quantiles])
    return np.where(np.isfinite(out), out, np.nan)


@dataclass(frozen=True, eq=False)
class _Stations:
    """Stations along lines, and the nodes of their profiles that lie between their own probes."""

    points: FloatArray  # (L, m, 2)
    directions: FloatArray  # (L, m, 2), uphill
    probes: FloatArray  # (L, m, 2, 2), downhill and uphill
    offsets: FloatArray  # (L, k)
    station: np.ndarray  # (q,) of each node, counted through all lines
    nodes: FloatArray  # (q, 2)
    mean_over_stations: csr_array  # (L * k, q)

    @classmethod
    def of(cls, mean: MeanField, across: Across) -> _Stations:
        """Stations spread along each line; profiles as long as those of at least half of them."""
        vertices, lines = across.vertices, across.vertices.line
        index = np.stack(
            [spread(np.flatnonzero(lines == line), STATIONS) for line in np.unique(lines)]
        )
        points, directions, reach = (
            array[index] for array in (vertices.points, vertices.directions, across.probes.reach)
        )
        gradient = jet.gradient(mean.exact(points.reshape(-1, 2), 1)).reshape(points.shape)
        downhill = np.sum(gradient * directions, axis=-1, keepdims=True) < 0
        directions = np.where(downhill, -directions, directions)
        reach = np.where(downhill, reach[..., ::-1], reach)
        offsets = Probes(np.median(reach, axis=1)).offsets(NODES)
        at = offsets[:, None, :]
        # The outermost nodes may miss their own probe by rounding.
        slack = 1e-9 * reach.max()
        within = (at >= -reach[..., :1] - slack) & (at <= reach[..., 1:] + slack)
        line, station, node = np.nonzero(within)
        distance = offsets[line, node][:, None]
        row = line * NODES + node
        weights = 1 / within.sum(axis=1).ravel()[row]
        shape = (offsets.size, len(row))
        return cls(
            points,
            directions,
            Probes(reach.reshape(-1, 2))
            .points(points.reshape(-1, 2), directions.reshape(-1, 2))
            .reshape(*points.shape[:2], 2, 2),
            offsets,
            line * STATIONS + station,
            points[line, station] + distance * directions[line, station],
            csr_array((weights, (row, np.arange(len(row)))), shape=shape),
        )

    def profile(self, path: Path) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Slope and value (L, k) and step (L,) of one path, means over stations.

        Stations that do not reach a node would shift the mean value there by their own level;
        only differences from the line are averaged over those that do.
        """
        jets = path.jets(self.nodes, 1)
        slopes = np.sum(jets[:, 1:] * self.directions.reshape(-1, 2)[self.station], axis=1)
        here = path.jets(self.points.reshape(-1, 2), 0)[:, 0]
        ends = path.jets(self.probes.reshape(-1, 2), 0)[:, 0].reshape(self.probes.shape[:3])
        rise = self.mean_over_stations @ (jets[:, 0] - here[self.station])
        on_line = here.reshape(self.points.shape[:2]).mean(axis=1)
        shape = self.offsets.shape
        slope = (self.mean_over_stations @ slopes).reshape(shape)
        value = rise.reshape(shape) + on_line[:, None]
        return slope, value, (ends[..., 1] - ends[..., 0]).mean(axis=1)


def fronts(
    mean: MeanField, across: Sequence[Across], domain: FloatArray, rng: np.random.Generator
) -> Fronts:
    """Draws of the profiles across lines, from paths that are coherent along them.

    Parameters
    ----------
    mean : MeanField
    across : sequence of Across
        Lines of one feature each; the fronts follow in that order.
    domain : array, shape (2, 2)
        Corners of a box that holds all profiles and the data.
    """
    if not across:
        size, nothing = mean.ensemble.size, np.empty((0, NODES))
        drawn = np.empty((size, *nothing.shape))
        return Fronts(nothing, drawn, drawn, drawn[..., 0])
    stations = [_Stations.of(mean, item) for item in across]

    def profiles(path: Path) -> list[FloatArray]:
        parts = zip(*(group.profile(path) for group in stations), strict=True)
        return [np.concatenate(part) for part in parts]

    drawn = each_path(profiles, mean.ensemble, domain, rng, "profiles across", mean.progress)
    slope, value, step = (np.stack(part) for part in zip(*drawn, strict=True))
    return Fronts(np.concatenate([group.offsets for group in stations]), slope, value, step)
