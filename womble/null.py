r"""Lines by chance: what a smooth stationary field, observed with the same noise, would show.

The null keeps everything that was fitted except the boundary: sites, noise, trend, lengthscale and
amplitude. With hyperparameters theta from the posterior, coefficients b of the trend from theirs, a
path Z and noise e from the model,

.. math:: y^*_i = H(s_i) b + Z(s_i) + e_i

is conditioned on at the same theta, and lines are sought in its mean as they were in that of the
data. A line is measured by its gradient measure :math:`|\int \nabla m \cdot n \, dl|`, m the
posterior mean, and compared with the largest of each replicate: with chance alpha at most any line
of a field without boundaries has a p-value of alpha or less.

References
----------
Safner, Miller, McRae, Fortin and Manel (2011), Int. J. Mol. Sci. 12, 865-889, on boundaries found
in smooth trends; Westfall and Young (1993), ch. 2, on the largest of several statistics; Davison
and Hinkley (1997), sec. 4.2.3, on the p-value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.boundary import boundary_tables
from womble.covariance import Scale
from womble.curve import measures, segments
from womble.engines.base import Target
from womble.engines.ensemble import WORKERS, Ensemble
from womble.feature import Kind
from womble.grid import Grid
from womble.kernels import Correlation
from womble.kinds import features
from womble.mean_field import MeanField
from womble.replicate import Simulator, recondition

if TYPE_CHECKING:
    import geopandas as gpd

# The kinds of boundary that are a step, so that the slope across measures them.
STEPS = ("gradient", "level")


@dataclass(frozen=True, eq=False)
class Search:
    """How lines are sought on a mean surface: what `Posterior.boundaries` was told.

    Attributes
    ----------
    grid : Grid
    kind : {"gradient", "level"}
    levels : sequence of float, or None
    target : {"surface", "process"}
    samples : int
        Field draws that decide on prominence.
    rules : mapping
        The other arguments of `boundary_tables`.
    """

    grid: Grid
    kind: Kind
    levels: Sequence[float] | None
    target: Target
    samples: int
    rules: Mapping[str, Any]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Search:
        """From the settings that `Posterior.boundaries` leaves with its lines.

        Raises
        ------
        ValueError
            If the kind of boundary is not one of `STEPS`.
        """
        kind = settings["kind"]
        if kind not in STEPS:
            raise ValueError(
                "the null test measures the slope across a line, so `lines` must be of kind "
                f"'gradient' or 'level'; got {kind!r}."
            )
        kept = ("min_length", "min_steepness", "rule", "alpha")
        rules = {name: settings[name] for name in kept}
        rules["least"] = settings["prominence"]
        names = ("levels", "target", "samples")
        return cls(
            Grid.from_dict(settings["grid"]),
            kind,
            *(settings[name] for name in names),
            rules,
        )

    def lines(self, ensemble: Ensemble, rng: np.random.Generator) -> list[shapely.LineString]:
        """The lines on the mean of `ensemble`; a level outside of its range has none."""
        order = features(self.kind, self.levels)[0].search_order
        field = MeanField(ensemble, self.grid, order, False)
        levels = self.levels
        if levels is not None:
            values = field.jets[..., 0][self.grid.inside]
            levels = [level for level in levels if values.min() < level < values.max()]
            if not levels:
                return []
        return boundary_tables(field, kind=self.kind, levels=levels, rng=rng, **self.rules)[1]


def gradient_measures(
    lines: Sequence[shapely.LineString],
    jets: Callable[[FloatArray], FloatArray],
    resolution: float,
) -> FloatArray:
    """Total slope across each line, |int grad f . n dl|, shape (number of lines,).

    Parameters
    ----------
    lines : sequence of LineString or MultiLineString
        The parts of a MultiLineString count separately and are added.
    jets : function of points (m, 2)
        Jets of f of order 1, shape (m, 3).
    resolution : float
        Shortest lengthscale of f, in coordinate units: sets the quadrature.
    """
    if not len(lines):
        return np.empty(0)
    pieces = segments(lines)
    across = measures(pieces, pieces.curve, resolution, 1)
    totals = np.abs(across.apply(jets(across.nodes)))
    return np.bincount(pieces.source, weights=totals, minlength=len(lines))


def line_statistics(
    ensemble: Ensemble, lines: Sequence[shapely.LineString], progress: bool = False
) -> FloatArray:
    """`gradient_measures` of the posterior mean, in link units."""

    def mean(points: FloatArray) -> FloatArray:
        return ensemble.mean(points, 1, "line statistics", progress)

    return gradient_measures(lines, mean, ensemble.shortest_lengthscale)


def null_maxima(
    ensemble: Ensemble,
    search: Search,
    *,
    replicates: int,
    rng: np.random.Generator,
    progress: bool,
) -> FloatArray:
    """Largest line statistic of each replicate of the null, 0 where it shows no line.

    Parameters
    ----------
    ensemble : Ensemble
        The hyperparameters that replicates take in turn, and the data's engine.
    search : Search
    replicates : int

    Returns
    -------
    array, shape (replicates,)
        In link units. Every replicate has a stream of random numbers of its own, so that results
        do not depend on the number of cores.
    """
    # Given hyperparameters are the same for all replicates; posterior draws come one by one.
    simulator = lru_cache(maxsize=WORKERS)(lambda theta: Simulator.at(ensemble.engine, theta))
    order = np.resize(rng.permutation(len(ensemble.thetas)), replicates)

    def one(index: int, stream: np.random.Generator) -> float:
        theta = ensemble.thetas[index]
        values = simulator(theta).values(stream)
        replicate = recondition(ensemble, theta, values, search.samples)
        found = search.lines(replicate, stream)
        return float(line_statistics(replicate, found).max(initial=0.0))

    # One BLAS thread a replicate: several per replicate fight over the same cores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(one, order, rng.spawn(replicates))
        bar = {"description": "null test", "disable": not progress, "transient": True}
        return np.array(list(track(results, total=replicates, **bar)))


def p_values(statistics: FloatArray, maxima: FloatArray) -> FloatArray:
    """Share of replicates, the data counted as one, whose largest statistic is as large.

    Parameters
    ----------
    statistics : array, shape (q,)
    maxima : array, shape (replicates,)

    Returns
    -------
    array, shape (q,)
        (1 + number of maxima >= statistic) / (replicates + 1).
    """
    reached = (maxima >= np.asarray(statistics)[:, None]).sum(axis=1)
    return (1 + reached) / (len(maxima) + 1)


def null_frame(
    lines: gpd.GeoDataFrame, statistics: FloatArray, maxima: FloatArray, units: str | None
) -> gpd.GeoDataFrame:
    """A copy of `lines` with their statistics, in `units`, and p-values."""
    out = lines.assign(statistic=statistics, p_null=p_values(statistics, maxima))
    # A dictionary of its own: the one that `assign` copies may be shared with `lines`.
    out.attrs["units"] = dict(out.attrs["units"]) | ({"statistic": units} if units else {})
    return out


def expected_contour_length(kernel: Correlation, scale: Scale, level: float, area: float) -> float:
    r"""Expected length of the contour of a stationary field of mean 0, by Rice's formula.

    .. math:: E[L] = |A| \, p_f(u) \, E|\nabla f|
                   = |A| \, \frac{\sqrt{\lambda_2}}{2} \, e^{-u^2 / 2 \sigma^2},
              \qquad \lambda_2 = -\frac{D \rho(0)}{\ell^2}

    as f and its gradient at a point are independent, and the gradient, normal with variance
    :math:`\sigma^2 \lambda_2` in each direction, has mean length
    :math:`\sigma \sqrt{\lambda_2 \pi / 2}`.

    Parameters
    ----------
    kernel : Correlation
    scale : Scale
    level : float
        u, the height above the mean, in the amplitude's units.
    area : float
        \|A\|, in squared coordinate units.

    Returns
    -------
    float
        In coordinate units.

    References
    ----------
    Longuet-Higgins (1957), Phil. Trans. A 249, 321-387; Adler and Taylor (2007), sec. 11.2.
    """
    root = np.sqrt(-float(kernel.radial(np.zeros(1), 1)[0])) / scale.lengthscale
    return float(0.5 * area * root * np.exp(-0.5 * (level / scale.amplitude) ** 2))
