"""What a map says of a quantity in a cell: statistics of the posterior, and its sign."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from womble import jet, mixture
from womble.arrays import FloatArray
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import WORKERS, correlated
from womble.lattice import Cut
from womble.quantity import LINEAR, linear_rows, names_up_to, quantities

STATISTICS = ("mean", "sd", "q025", "q50", "q975")
LEVELS = (0.025, 0.5, 0.975)
# Of draws: one more is below the k-th of S in order with probability k / (S + 1), so that intervals
# between such hold what they state. NumPy's default holds (S - 1) / (S + 1) of it: 94.1% at 200.
QUANTILE_METHOD = "weibull"
Link = Literal["log", "logit"]


class Part(NamedTuple):
    """Some draws' quantities in p cells.

    Attributes
    ----------
    values : array, shape (drawn quantities, draws, p)
    means, sds : array, shape (hyperparameter draws, linear quantities, p)
        Of the quantities that are normal given the hyperparameters.
    """

    values: FloatArray
    means: FloatArray
    sds: FloatArray


@dataclass(frozen=True)
class Recipe:
    """How the quantities of a map are made of the field.

    Parameters
    ----------
    dimension : {1, 2}
    order : {1, 2}
        Highest derivative that the kernel offers.
    link : {"log", "logit"} or None
        What is undone in each draw; all quantities then come from draws.
    closed_form : bool
        Whether each draw's moments have one; else all quantities come from paths.
    repeats : int
        Field draws of each draw of the hyperparameters.
    """

    dimension: int
    order: int
    link: Link | None
    closed_form: bool
    repeats: int

    @property
    def names(self) -> list[str]:
        """All quantities."""
        return names_up_to(self.order, self.dimension)

    @property
    def signed(self) -> list[str]:
        """Those whose sign means something."""
        return [name for name in self.names if quantities(self.dimension)[name].signed]

    @property
    def linear(self) -> list[str]:
        """Those that are mixtures of normals, in closed form."""
        known = LINEAR if self.closed_form and self.link is None else ()
        return [name for name in self.names if name in known]

    @property
    def drawn(self) -> list[str]:
        """The others."""
        return [name for name in self.names if name not in self.linear]

    def of_jets(self, jets: FloatArray) -> FloatArray:
        """Drawn quantities (q, ...) of jets (..., c) on the link scale."""
        if self.link is not None:
            jets = jet.unlink(jets, self.link, self.dimension)
        known = quantities(self.dimension)
        return np.stack([known[name].of(jets) for name in self.drawn])

    def of_conditional(
        self, f: Conditional, cells: Cut, streams: Sequence[np.random.Generator]
    ) -> list[Part]:
        """Quantities in some cells, of a draw for each stream, all of which have this field."""
        found = [f.groups(points[:, None], self.order) for points in cells.points]
        mean, covariance = (np.concatenate(moment) for moment in zip(*found, strict=True))
        means, sds = self._linear_moments(mean, covariance)
        parts = []
        for stream in streams:
            values = np.empty((0, self.repeats, len(mean)))
            if self.drawn:
                noise = cells.normals(stream, self.repeats, mean.shape[1])
                values = self.of_jets(correlated(mean, covariance, noise))
            parts.append(Part(values, means, sds))
        return parts

    def _linear_moments(
        self, mean: FloatArray, covariance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Means and sds (1, linear quantities, p) by those of jets, (p, c) and (p, c, c)."""
        if not self.linear:
            return np.empty((1, 0, len(mean))), np.empty((1, 0, len(mean)))
        rows = linear_rows(self.linear, self.order, self.dimension)
        variance = np.einsum("la,pab,lb->lp", rows, covariance, rows, optimize=True)
        return (rows @ mean.T)[None], np.sqrt(np.maximum(variance, 0.0))[None]

    def of_paths(self, paths: Sequence[Path], points: FloatArray) -> Part:
        """Quantities of some paths at points (p, d)."""
        return self.of_draws(np.stack([path.jets(points, self.order) for path in paths]))

    def of_draws(self, jets: FloatArray) -> Part:
        """Quantities of draws of jets (S, p, c)."""
        nothing = np.empty((len(jets), 0, jets.shape[1]))
        return Part(self.of_jets(jets), nothing, nothing)

    def statistics(self, parts: Sequence[Part]) -> tuple[FloatArray, FloatArray]:
        """Of all draws together, statistics (names, 5, p) and P(> 0) (names, p)."""
        values = np.concatenate([part.values for part in parts], axis=1)
        means = np.concatenate([part.means for part in parts])
        sds = np.concatenate([part.sds for part in parts])

        def of(name: str) -> tuple[FloatArray, FloatArray]:
            if name in self.drawn:
                return of_draws(name, values[self.drawn.index(name)], self.link)
            at = self.linear.index(name)
            return of_mixture(means[:, at], sds[:, at])

        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(of, self.names))
        return tuple(np.stack(each) for each in zip(*found, strict=True))


def of_mixture(means: FloatArray, sds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """As `of_draws`, of mixtures of normals with means and sds (S, p)."""
    moments, quantiles = mixture.moments(means, sds), mixture.quantiles(means, sds, LEVELS)
    return np.concatenate([moments, quantiles]), mixture.probability_positive(means, sds)


def of_draws(name: str, draws: FloatArray, link: Link | None) -> tuple[FloatArray, FloatArray]:
    """Statistics (5, p) and probability of being positive (p,) of draws (S, p)."""
    if name == "gradient_direction":
        resultant = np.exp(1j * draws).mean(axis=0)
        # Mardia and Jupp (2000), sec. 2.3: circular standard deviation.
        spread = np.sqrt(-2 * np.log(np.abs(resultant)))
        nothing = np.full((3, draws.shape[1]), np.nan)
        statistics = np.concatenate([[np.angle(resultant), spread], nothing])
        return np.degrees(statistics), np.full(draws.shape[1], np.nan)
    moments = np.stack([draws.mean(axis=0), draws.std(axis=0)])
    if link == "log":
        moments[:] = np.nan
    quantiles = np.quantile(draws, LEVELS, axis=0, method=QUANTILE_METHOD)
    return np.concatenate([moments, quantiles]), (draws > 0).mean(axis=0)
