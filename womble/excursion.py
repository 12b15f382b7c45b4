"""Joint excursion sets: regions where a field exceeds a level everywhere at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from womble import decision, mixture
from womble.arrays import FloatArray
from womble.attributes import georeference, label_and_units
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import Ensemble, draw_normal
from womble.grid import Grid
from womble.paths import each_path
from womble.quantity import LINEAR, QUANTITIES, linear_rows

# What can exceed a level, and the quantity of a map that it is. A direction cannot.
FIELDS = {"value": "value", "slope": "gradient_magnitude", "curvature": "laplacian"} | {
    name: name
    for name in QUANTITIES
    if name not in ("gradient_magnitude", "gradient_direction", "laplacian")
}

# Cells whose moments are held at a time: about 30 MB a draw of the hyperparameters in work.
TILE = 50_000


class Level(NamedTuple):
    """A field to one side of a level: side * (field - threshold) > 0.

    Attributes
    ----------
    quantity : str
        A name of `QUANTITIES`.
    threshold : float
    side : {1, -1}
        Above or below.
    """

    quantity: str
    threshold: float
    side: int

    @property
    def order(self) -> int:
        """Derivatives that the field takes."""
        return QUANTITIES[self.quantity].order

    def excess(self, jets: FloatArray) -> FloatArray:
        """By how much jets (..., c) lie beyond the level, shape (...)."""
        return self.side * (QUANTITIES[self.quantity].of(jets) - self.threshold)


def excursions(
    ensemble: Ensemble,
    grid: Grid,
    level: Level,
    *,
    alpha: float,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """The largest set of likeliest cells that lie beyond a level together.

    Cells are ordered by marginal probability, in closed form or from exact draws of their own;
    paths, independent of the order, then say how probable each set of leading cells is. Of a path
    only the rank of the first cell that fails is kept.

    Parameters
    ----------
    ensemble, grid, domain, attributes
        See `womble.surface.surface`.
    level : Level
    alpha : float

    Returns
    -------
    xarray.Dataset
        See `womble.Posterior.excursions`.

    Raises
    ------
    ValueError
        If there are too few draws for `alpha`.
    """
    decision.require_draws(ensemble.size, alpha)
    points = grid.points
    marginal, mean = marginals(ensemble, points, level, rng, progress)
    order = decision.likeliest_first(marginal, mean)
    ordered = points[order]

    def failure(path: Path) -> int:
        beyond = level.excess(path.jets(ordered, level.order)) > 0
        return int(decision.first_failure(beyond))

    failures = np.array(
        list(each_path(failure, ensemble, domain, rng, "joint excursion", progress))
    )
    function = np.empty(len(points))
    function[order] = decision.joint_probability(failures, len(points))
    variables = {
        "set": decision.within(function, alpha).astype(float),
        "excursion_function": function,
        "marginal": marginal,
    }
    cells = {name: (("y", "x"), grid.fill(values)) for name, values in variables.items()}
    ds = xr.Dataset(cells, {"y": grid.y, "x": grid.x})
    return _described(ds, grid, level, alpha, ensemble.size, attributes)


def marginals(
    ensemble: Ensemble,
    points: FloatArray,
    level: Level,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    """Probability that each point lies beyond the level, and the mean excess, shape (p,) each."""
    tiles = [points[start : start + TILE] for start in range(0, len(points), TILE)]
    if not ensemble.closed_form:
        one = _from_paths
    else:
        one = _closed_form if level.quantity in LINEAR else _drawn
    parts = [one(ensemble, tile, level, rng, progress) for tile in tiles]
    probability, mean = (np.concatenate(part) for part in zip(*parts, strict=True))
    return probability, mean


def _closed_form(
    ensemble: Ensemble,
    points: FloatArray,
    level: Level,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    row = linear_rows([level.quantity], level.order)[0]

    def one(f: Conditional, _: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        mean, covariance = f.groups(points[:, None, :], level.order)
        excess = level.side * (mean @ row - level.threshold)
        variance = np.einsum("a,pab,b->p", row, covariance, row)
        sd = np.sqrt(np.maximum(variance, 0.0))
        return mixture.probability_positive(excess[None], sd[None]), excess

    return _average(ensemble.map(one, rng, "marginal", progress), len(ensemble.thetas))


def _drawn(
    ensemble: Ensemble,
    points: FloatArray,
    level: Level,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    # A few draws of all points at a time: the same memory whether draws share hyperparameters.
    batch = max(1, 10 * TILE // len(points))

    def one(f: Conditional, stream: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        mean, covariance = f.groups(points[:, None, :], level.order)
        counts, totals = np.zeros(len(points)), np.zeros(len(points))
        for start in range(0, ensemble.repeats, batch):
            count = min(batch, ensemble.repeats - start)
            excess = level.excess(draw_normal(mean, covariance, count, stream))
            counts += (excess > 0).sum(axis=0)
            totals += excess.sum(axis=0)
        return counts / ensemble.repeats, totals / ensemble.repeats

    return _average(ensemble.map(one, rng, "marginal", progress), len(ensemble.thetas))


def _from_paths(
    ensemble: Ensemble,
    points: FloatArray,
    level: Level,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    jets = ensemble.draw_groups(points[:, None], level.order, rng, "marginal", progress)
    excess = level.excess(jets[:, :, 0])
    return (excess > 0).mean(axis=0), excess.mean(axis=0)


def _average(
    parts: Iterable[tuple[FloatArray, FloatArray]], count: int
) -> tuple[FloatArray, FloatArray]:
    """Mean over draws of the hyperparameters of a pair of arrays."""
    first, second = (np.zeros(1) for _ in range(2))
    for a, b in parts:
        first, second = first + a / count, second + b / count
    return first, second


def _described(
    ds: xr.Dataset,
    grid: Grid,
    level: Level,
    alpha: float,
    samples: int,
    attributes: Mapping[str, str | None],
) -> xr.Dataset:
    label, units = label_and_units(level.quantity, attributes)
    sense = ">" if level.side > 0 else "<"
    beyond = f"{label} {sense} {level.threshold:g}{f' {units}' if units else ''}"
    ds["set"].attrs = {
        "long_name": f"{beyond} everywhere at once",
        "units": "1",
        "flag_values": [0.0, 1.0],
        "flag_meanings": "outside inside",
        "rule": f"joint excursion, alpha = {alpha:g}, over all cells",
    }
    ds["excursion_function"].attrs = {
        "long_name": f"P({beyond} here and in all likelier cells)",
        "units": "1",
        "comment": f"share of {samples} joint draws; standard error of a share p is "
        f"(p (1 - p) / {samples})^(1/2)",
    }
    ds["marginal"].attrs = {"long_name": f"P({beyond})", "units": "1"}
    ds.attrs = {"threshold": level.threshold, "alpha": alpha}
    return georeference(ds, grid, attributes)
