"""Posterior paths one at a time: what is made of each is kept, the path is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from womble.arrays import FloatArray
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import WORKERS, Ensemble

Result = TypeVar("Result")


def of_each_path(
    function: Callable[[Path], Result],
    ensemble: Ensemble,
    domain: FloatArray,
    rng: np.random.Generator,
    label: str,
    progress: bool,
) -> Iterator[Result]:
    """`function` of every path of an Ensemble, in order, on all cores.

    The paths are those of `womble.paths.draw_paths` from the same random numbers; draws with the
    same hyperparameters share a factorisation.

    Parameters
    ----------
    function : function of a Path
        What it returns is kept until it is asked for: of the size of one map at most.
    domain : array, shape (2, d)
        Corners of a box that holds the data and all points that the paths will be asked for.
    """
    if ensemble.repeats == 1:

        def one(f: Conditional, stream: np.random.Generator) -> Result:
            return function(f.path(stream.spawn(1)[0], domain))

        yield from ensemble.map(one, rng, label, progress)
        return
    for theta, stream in zip(ensemble.thetas, rng.spawn(len(ensemble.thetas)), strict=True):
        f = ensemble.condition(theta)
        streams = stream.spawn(ensemble.repeats)

        def of(own: np.random.Generator, f: Conditional = f) -> Result:
            return function(f.path(own, domain))

        # One BLAS thread a path: several per path fight over the same cores.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
            yield from track(
                pool.map(of, streams),
                description=label,
                total=ensemble.repeats,
                disable=not progress,
                transient=True,
            )
