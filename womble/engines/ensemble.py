"""The field averaged over hyperparameters: one Conditional per posterior draw, in parallel."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble import jet, mixture
from womble.arrays import FloatArray
from womble.engines.base import Conditional, Engine, Path, Target, has_trend
from womble.engines.user_units import InUserUnits
from womble.hyperparameters import Theta
from womble.scaling import Scaling

Result = TypeVar("Result")
Stream = TypeVar("Stream")
DrawTogether = Callable[
    [Sequence[Theta], Sequence[np.random.Generator], FloatArray], Sequence[Path]
]

WORKERS = os.cpu_count() or 1


@dataclass(frozen=True)
class Ensemble:
    """Posterior draws of the hyperparameters and the engine that conditions on each.

    Parameters
    ----------
    engine : Engine
    scaling : Scaling
    thetas : sequence of Theta
        In scaled units, each with the same weight.
    repeats : int
        How often the field is drawn given each theta: 1 for posterior draws; more where the
        hyperparameters are given and only the field is uncertain.
    target : {"surface", "process"}
    """

    engine: Engine
    scaling: Scaling
    thetas: Sequence[Theta]
    repeats: int
    target: Target

    @property
    def closed_form(self) -> bool:
        """Whether the moments of each draw have one; else they come from one path a draw."""
        return True

    @property
    def size(self) -> int:
        """Number of field draws."""
        return len(self.thetas) * self.repeats

    @property
    def shortest_lengthscale(self) -> float:
        """Of all draws, in coordinate units."""
        return min(theta.shortest for theta in self.thetas) * self.scaling.length

    @property
    def together(self) -> DrawTogether | None:
        """Draws a path in user units given each theta, from a stream each, good inside a box.

        The path of a stream is the same whichever others are drawn with it. None where drawing one
        by one costs no more.
        """
        return None

    def condition(self, theta: Theta) -> Conditional:
        """f | y, theta in user units."""
        return self.in_user_units(self.engine.condition(theta, self.target))

    def in_user_units(self, scaled: Conditional) -> Conditional:
        """A Conditional of the target in scaled units, with the mean that was taken off."""
        offset = self.scaling.offset if has_trend(self.target) else 0.0
        return InUserUnits(scaled, self.scaling, offset)

    def map(
        self,
        function: Callable[[Conditional, np.random.Generator], Result],
        rng: np.random.Generator,
        label: str,
        progress: bool,
    ) -> Iterator[Result]:
        """`function` of each draw's Conditional, in order, on all cores; see `over`."""
        streams = rng.spawn(len(self.thetas))
        yield from in_order(
            lambda t, stream: function(self.condition(t), stream),
            self.thetas,
            streams,
            label,
            progress,
        )

    def each_alike(
        self,
        function: Callable[[Conditional, Sequence[Stream]], Sequence[Result]],
        streams: Sequence[Stream],
        label: str,
        progress: bool,
    ) -> list[Result]:
        """`function` of each different Conditional with the streams of all draws that have it.

        It returns a result for each stream; all results come in the order of the draws. Of 1,000
        draws by importance sampling about 800 are different.
        """
        places: dict[Theta, list[int]] = {}
        for index, theta in enumerate(self.thetas):
            places.setdefault(theta, []).append(index)
        shared = [[streams[index] for index in alike] for alike in places.values()]
        results: list = [None] * len(self.thetas)
        found = in_order(
            lambda t, own: function(self.condition(t), own), list(places), shared, label, progress
        )
        for alike, parts in zip(places.values(), found, strict=True):
            for index, part in zip(alike, parts, strict=True):
                results[index] = part
        return results

    def laws(
        self, function: Callable[[Conditional], Result], label: str = "", progress: bool = False
    ) -> list[Result]:
        """`function` of each draw's Conditional, of which nothing is drawn."""

        def alike(f: Conditional, draws: Sequence[int]) -> list[Result]:
            return [function(f)] * len(draws)

        return self.each_alike(alike, range(len(self.thetas)), label, progress)

    def over(
        self,
        function: Callable[[Theta, np.random.Generator], Result],
        rng: np.random.Generator,
        label: str = "",
        progress: bool = False,
    ) -> Iterator[Result]:
        """`function` of each draw of the hyperparameters, in order, on all cores.

        Every draw has a stream of random numbers of its own, so that results do not depend on the
        number of cores. A bounded number of results waits in memory.
        """
        streams = rng.spawn(len(self.thetas))
        yield from in_order(function, self.thetas, streams, label, progress)

    def mean(
        self, points: FloatArray, order: int, label: str = "", progress: bool = False
    ) -> FloatArray:
        """Posterior mean of the jets at `points`, shape (p, c)."""
        unused = np.random.default_rng(0)  # nothing is drawn
        results = self.map(lambda f, _: f.mean(points, order), unused, label, progress)
        return sum(results) / len(self.thetas)

    def moments(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """Posterior mean (p, c) and covariance (p, c, c) of the jet at each point."""
        unused = np.random.default_rng(0)  # nothing is drawn
        accumulator = mixture.MomentAccumulator()
        for mean, covariance in self.map(
            lambda f, _: f.groups(points[:, None, :], order), unused, "", False
        ):
            accumulator.add(mean, covariance)
        return accumulator.result()

    def draw_groups(
        self,
        points: FloatArray,
        order: int,
        rng: np.random.Generator,
        label: str = "",
        progress: bool = False,
        columns: Sequence[int] | None = None,
    ) -> FloatArray:
        """Exact joint draws of the jets within each group of points.

        Parameters
        ----------
        points : array, shape (g, k, d)
        columns : sequence of int, optional
            The components of the jet to draw, all by default.

        Returns
        -------
        array, shape (size, g, k, c)
            Dependent within a group, independent between groups given the hyperparameters.
        """

        k, c = points.shape[1], jet.size(points.shape[-1], order)
        chosen = np.arange(c) if columns is None else np.array(columns)
        index = (c * np.arange(k)[:, None] + chosen).ravel()

        def one(f: Conditional, stream: np.random.Generator) -> FloatArray:
            mean, covariance = f.groups(points, order)
            covariance = covariance[:, index[:, None], index]
            return draw_normal(mean[:, index], covariance, self.repeats, stream)

        draws = np.concatenate(list(self.map(one, rng, label, progress)))
        return draws.reshape(len(draws), *points.shape[:2], -1)


def in_order(
    function: Callable[[Theta, Stream], Result],
    thetas: Sequence[Theta],
    streams: Sequence[Stream],
    label: str,
    progress: bool,
) -> Iterator[Result]:
    """`function` of each pair, in order, on all cores; a bounded number of results waits."""
    pairs = zip(thetas, streams, strict=True)
    bar = {"total": len(thetas), "disable": not progress, "transient": True}
    # One BLAS thread a draw: several per draw fight over the same cores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque = deque()
        for theta, stream in track(pairs, description=label, **bar):
            waiting.append(pool.submit(function, theta, stream))
            if len(waiting) > 2 * WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def draw_normal(
    mean: FloatArray, covariance: FloatArray, count: int, rng: np.random.Generator
) -> FloatArray:
    """Draws from a batch of normals: (..., k), (..., k, k) -> (count, ..., k).

    See `correlated`.
    """
    return correlated(mean, covariance, rng.standard_normal((count, *mean.shape)))


def correlated(mean: FloatArray, covariance: FloatArray, noise: FloatArray) -> FloatArray:
    """What standard normal `noise` (count, ..., k) is among normals (..., k), (..., k, k).

    Components are put on a common scale first, as a value and its second derivatives may differ
    by many orders of magnitude.
    """
    sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    correlation = covariance / (scale[..., :, None] * scale[..., None, :])
    return mean + scale * np.einsum("...ij,n...j->n...i", _root(correlation), noise)


def _root(correlation: FloatArray) -> FloatArray:
    """A with A A' = correlation, for a batch (..., k, k) of which some may be singular to rounding.

    Of each by itself, so that it does not depend on the others.

    Raises
    ------
    ValueError
        If an eigenvalue is negative beyond what rounding explains.
    """
    try:
        return np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        if correlation.ndim > 2:
            roots = [_root(one) for one in correlation.reshape(-1, *correlation.shape[-2:])]
            return np.reshape(roots, correlation.shape)
        values, vectors = np.linalg.eigh(correlation)
    # A difference V - A'A of numbers up to 1e8 times larger carries errors of about 1e-8.
    if values.min() < -1e-6:
        raise ValueError(
            "a posterior covariance has a negative eigenvalue "
            f"({values.min():.2g} relative to its variances): the data's covariance is too "
            "ill-conditioned for double precision. Give a larger noise_sd or a rougher kernel."
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
