"""Posterior draws as functions: their jets at any points, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble import jet
from womble.arguments import checked
from womble.arrays import FloatArray
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import WORKERS, DrawTogether, Ensemble
from womble.engines.precision import TOGETHER
from womble.engines.user_units import require_inside
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.readers import query_points

# Room around the data, as a share of the longest side of their box, unless a domain is given.
MARGIN = 0.1

Item, Result = TypeVar("Item"), TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Paths:
    """S draws of the field, each a function of location. Made by `Posterior.paths`.

    Attributes
    ----------
    paths : tuple of Path
        In user units.
    kernel : Kernel
    domain : array, shape (2, d)
        Lowest and highest corner of the box in which they can be asked, in coordinate units.
    """

    paths: tuple[Path, ...]
    kernel: Kernel
    domain: FloatArray

    def __len__(self) -> int:
        """Number of draws."""
        return len(self.paths)

    def __repr__(self) -> str:
        return f"Paths({len(self)} draws of {self.kernel!r})"

    @checked
    def jets(self, points: Any, order: int = 2) -> FloatArray:
        """Value, gradient and Hessian of every draw at the same points.

        Parameters
        ----------
        points : array, shape (p, d), or points as a GeoDataFrame or GeoSeries
            In coordinate units, inside the domain. Along dates, days since the first of the data:
            `post.data.axis.numbers(dates)`.
        order : {0, 1, 2}
            Highest derivative.

        Returns
        -------
        array, shape (S, p, c)
            Components f; f_x, f_y; f_xx, f_xy, f_yy on the link scale. The same at the same point,
            whatever the order or number of points, to 1e-9 of a component's prior sd.

        Raises
        ------
        ValueError
            If a point is outside the domain, the kernel is too rough for `order`, or points have
            the wrong shape.
        """
        if order not in (0, 1, 2):
            raise ValueError(f"`order` must be 0, 1 or 2; got {order!r}.")
        self.kernel.require_derivatives(order)
        points = query_points(points, self.domain.shape[1])
        require_inside(points, self.domain)
        out = np.empty((len(self), len(points), jet.size(points.shape[1], order)))

        def fill(index: int) -> None:
            out[index] = self.paths[index].jets(points, order)

        for _ in in_threads(fill, range(len(self))):
            pass
        return out


def draw_paths(
    ensemble: Ensemble,
    kernel: Kernel,
    domain: FloatArray,
    rng: np.random.Generator,
    progress: bool,
) -> Paths:
    """One path per draw of an Ensemble.

    Parameters
    ----------
    domain : array, shape (2, d)
        Corners of a box that holds the data, in coordinate units.
    """

    found = each_path(lambda path: path, ensemble, domain, rng, "paths", progress)
    return Paths(tuple(found), kernel, domain)


def each_path(
    function: Callable[[Path], Result],
    ensemble: Ensemble,
    domain: FloatArray,
    rng: np.random.Generator,
    label: str,
    progress: bool,
) -> Iterator[Result]:
    """`function` of one path per draw, in order, on all cores; a path is dropped once used.

    Draws with the same hyperparameters share a factorisation. Every draw has a stream of random
    numbers of its own, so that results do not depend on the number of cores.

    Parameters
    ----------
    domain : array, shape (2, d)
        Corners of a box that holds the data and all points that `function` asks for.
    """
    if ensemble.together is not None:
        yield from _in_batches(function, ensemble, ensemble.together, domain, rng, label, progress)
        return
    if ensemble.repeats == 1:

        def one(f: Conditional, stream: np.random.Generator) -> Result:
            return function(f.path(stream.spawn(1)[0], domain))

        yield from ensemble.map(one, rng, label, progress)
        return
    own_streams = rng.spawn(len(ensemble.thetas))
    for theta, stream in zip(ensemble.thetas, own_streams, strict=True):
        f = ensemble.condition(theta)

        def again(own: np.random.Generator, f: Conditional = f) -> Result:
            return function(f.path(own, domain))

        streams = stream.spawn(ensemble.repeats)
        yield from shown(in_threads(again, streams), len(streams), label, progress)


def _in_batches(
    function: Callable[[Path], Result],
    ensemble: Ensemble,
    draw: DrawTogether,
    domain: FloatArray,
    rng: np.random.Generator,
    label: str,
    progress: bool,
) -> Iterator[Result]:
    """`each_path` of paths that are drawn some at a time; every path has the same stream."""
    own_streams = zip(ensemble.thetas, rng.spawn(len(ensemble.thetas)), strict=True)
    pairs = [(theta, own) for theta, s in own_streams for own in s.spawn(ensemble.repeats)]

    def some(batch: Sequence[tuple[Theta, np.random.Generator]]) -> list[Result]:
        return [function(path) for path in draw(*zip(*batch, strict=True), domain)]

    batches = batched(pairs, TOGETHER)
    for results in shown(in_threads(some, batches), len(batches), label, progress):
        yield from results


def path_domain(coords: FloatArray, domain: Sequence[float] | None) -> FloatArray:
    """Corners (2, d) of the box for paths: `domain` and the data, or the data and a margin.

    Raises
    ------
    ValueError
        If `domain` is not (lowest corner, highest corner).
    """
    low, high = coords.min(axis=0), coords.max(axis=0)
    if domain is None:
        margin = MARGIN * (high - low).max()
        return np.stack([low - margin, high + margin])
    given = np.asarray(domain, dtype=float)
    if given.shape != (2 * len(low),) or not (given[: len(low)] <= given[len(low) :]).all():
        expected = "(xmin, ymin, xmax, ymax)" if len(low) == 2 else "(xmin, xmax)"
        raise ValueError(f"`domain` must be {expected}, in coordinate units; got {domain!r}.")
    given = given.reshape(2, -1)
    return np.stack([np.minimum(low, given[0]), np.maximum(high, given[1])])


def batched(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Items in order, at most `most` at a time, in an even number of batches of like size."""
    count = 2 * -(-len(items) // (2 * most))
    ends = [round(i * len(items) / count) for i in range(count + 1)]
    return [items[a:b] for a, b in pairwise(ends) if a < b]


def shown(results: Iterable[Result], count: int, label: str, progress: bool) -> Iterator[Result]:
    """Results as they come, with a bar where progress is asked for."""
    yield from track(results, description=label, total=count, disable=not progress, transient=True)


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in order, on all cores with one BLAS thread each."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(function, items)
