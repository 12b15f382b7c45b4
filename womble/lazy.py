"""Surfaces as dask graphs: draws times tiles of cells, computed where and when they are asked for.

Each task holds a few numbers and refers to one `Shipped` job, which has the posterior and the grid.
Random numbers belong to draws and to fixed blocks of cells, so that neither tiles nor workers show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from womble import __version__
from womble.arrays import FloatArray
from womble.attributes import describe
from womble.cells import Cells
from womble.engines.ensemble import Ensemble
from womble.engines.user_units import ENGINE_REMEDY, require_inside
from womble.lattice import Lattice, Window
from womble.shipped import Shipped
from womble.streams import Streams
from womble.summaries import STATISTICS, Link, Recipe
from womble.surface import TILE_ENTRIES, described_draws, rule_in_words
from womble.tile_tasks import (
    Job,
    assemble,
    closed_part,
    draw_batch,
    draws_of,
    nothing,
    path_part,
    pick,
    summarise,
)

MISSING = '{what} needs dask: pip install "womble[dask]"'
# Draws of one task, which with a piece's cells then take about 30 MB.
DRAWS = 100


def surface(
    ensemble: Ensemble,
    grid: Cells,
    chunks: int | Sequence[int],
    *,
    order: int,
    link: Link | None,
    keep_draws: bool,
    alpha: float,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
) -> xr.Dataset:
    """What `womble.surface.surface` or `surface_draws` returns, not computed yet.

    Parameters
    ----------
    chunks : int or sequence of int
        Cells along each axis of a tile.
    keep_draws : bool
        Draws instead of statistics, with flags by the rule "interval" at `alpha`.

    Raises
    ------
    ImportError
        If dask is not installed.
    ValueError
        If chunks are no positive numbers of cells, or cells are where the engine has no answer.
    """
    try:
        from dask.base import tokenize
    except ImportError as error:
        raise ImportError(MISSING.format(what="`chunks`")) from error
    bounds = _bounds(chunks, grid.shape)
    limits = ensemble.condition(ensemble.thetas[0]).domain
    if limits is not None:
        require_inside(_corners(grid), limits, ENGINE_REMEDY)
    closed_form = ensemble.closed_form and not keep_draws
    recipe = Recipe(len(grid.shape), order, link, closed_form, ensemble.repeats)
    if not keep_draws and not closed_form:
        domain = limits
    streams = Streams.spawned(rng, len(ensemble.thetas))
    job = Job(ensemble, Lattice.of(grid), recipe, streams, domain, alpha)
    made_of = (type(ensemble), ensemble.engine, ensemble.scaling, ensemble.thetas)
    token = tokenize(
        __version__, made_of, ensemble.repeats, ensemble.target, job.lattice, recipe, streams,
        domain, alpha, bounds, keep_draws,
    )  # fmt: skip
    graph = _Graph(job, token, bounds, grid.dims)
    if keep_draws:
        return described_draws(graph.draws(), ensemble.size, grid, link, attributes)
    ds = xr.Dataset(graph.statistics(), {"statistic": list(STATISTICS), **grid.labels})
    return describe(ds, grid, link, attributes, rule_in_words("interval", alpha))


class _Graph:
    """The tasks of a job, and the arrays that are made of them.

    Parameters
    ----------
    job : Job
    token : str
        Different where any number of the results is.
    bounds : list of list of int
        Where tiles begin along each axis, and where the last one ends.
    dims : tuple of str
    """

    def __init__(
        self, job: Job, token: str, bounds: list[list[int]], dims: tuple[str, ...]
    ) -> None:
        self.job, self.token, self.bounds, self.dims = job, token, bounds, dims
        self.name, self.job_key = f"surface-{token}", f"job-{token}"
        self.tasks: dict[Any, Any] = {self.job_key: Shipped(job, token)}
        self.tiles = {}
        for index in product(*(range(len(b) - 1) for b in bounds)):
            low, high = (
                tuple(b[i + end] for b, i in zip(bounds, index, strict=True)) for end in (0, 1)
            )
            self.tiles[index] = Window(low, high)

    def statistics(self) -> dict[str, tuple]:
        """Variables of statistics, and of the signs of quantities that have one."""
        job, recipe = self.job, self.job.recipe
        part: Callable = closed_part if recipe.closed_form else path_part
        sources = _batches(len(job.ensemble.thetas)) if recipe.closed_form else self._paths()
        for index, tile in self.tiles.items():
            pieces = job.lattice.pieces(tile, TILE_ENTRIES // job.ensemble.size)
            found = []
            for k, piece in enumerate(pieces):
                keys = [(f"part-{self.token}", *index, k, b) for b in range(len(sources))]
                for key, source in zip(keys, sources, strict=True):
                    self.tasks[key] = (part, self.job_key, piece, source)
                found.append((f"piece-{self.token}", *index, k))
                self.tasks[found[-1]] = (summarise, self.job_key, piece, keys)
            if pieces:
                self.tasks[(self.name, *index)] = (assemble, tile, pieces, found)
        variables = {}
        for n, name in enumerate(recipe.names):
            variables[name] = self._variable(name, (0, n), "statistic", (len(STATISTICS),))
            if name in recipe.signed:
                for kind, suffix in ((1, "p_positive"), (2, "significant")):
                    label = f"{name}_{suffix}"
                    variables[label] = self._variable(label, (kind, n))
        return variables

    def draws(self) -> dict[str, tuple]:
        """Variables of draws, in chunks of a batch each."""
        paths = self._paths()
        for index, tile in self.tiles.items():
            if self.job.lattice.pieces(tile, self.job.lattice.size):
                for b, key in enumerate(paths):
                    self.tasks[(self.name, *index, b)] = (draws_of, self.job_key, tile, key)
        sizes = tuple(map(len, _batches(self.job.ensemble.size)))
        names = self.job.recipe.names
        return {name: self._variable(name, (0, n), "draw", sizes) for n, name in enumerate(names)}

    def _paths(self) -> list[tuple[str, int]]:
        """Keys of the paths, a task a batch."""
        batches = _batches(self.job.ensemble.size)
        keys = [(f"paths-{self.token}", b) for b in range(len(batches))]
        tasks = ((draw_batch, self.job_key, batch) for batch in batches)
        self.tasks |= dict(zip(keys, tasks, strict=True))
        return keys

    def _variable(
        self, label: str, place: tuple[int, int], dim: str | None = None, sizes: tuple = ()
    ) -> tuple[tuple[str, ...], Any]:
        """Dimensions and array of what is at a place in the results of all tiles."""
        import dask.array as da
        from dask.highlevelgraph import HighLevelGraph

        name, tasks = f"{label}-{self.token}", {}
        for index, tile in self.tiles.items():
            for b in range(len(sizes)) if dim else (None,):
                source = (self.name, *index, b) if dim == "draw" else (self.name, *index)
                leading, shape = ((), ()) if b is None else ((b,), (sizes[b],))
                made = (pick, source, *place)
                if source not in self.tasks:
                    made = (nothing, [*shape, *tile.shape])
                tasks[(name, *leading, *index)] = made
        graph = HighLevelGraph(
            {self.name: self.tasks, name: tasks}, {self.name: set(), name: {self.name}}
        )
        chunks = [tuple(np.diff(b).tolist()) for b in self.bounds]
        if dim:
            return (dim, *self.dims), da.Array(graph, name, (sizes, *chunks), dtype=float)
        return self.dims, da.Array(graph, name, tuple(chunks), dtype=float)


def _batches(count: int) -> list[range]:
    return [range(i, min(i + DRAWS, count)) for i in range(0, count, DRAWS)]


def _bounds(chunks: int | Sequence[int], shape: tuple[int, ...]) -> list[list[int]]:
    """Where tiles begin along each axis, and where the last one ends."""
    several = isinstance(chunks, Sequence | np.ndarray) and not isinstance(chunks, str)
    sizes = tuple(np.ravel(chunks)) if several else (chunks,) * len(shape)
    whole = all(isinstance(size, int | np.integer) and size > 0 for size in sizes)
    if len(sizes) != len(shape) or not whole:
        expected = "an integer or (rows, columns)" if len(shape) == 2 else "an integer"
        raise ValueError(
            f"`chunks` must be {expected}, the cells along a side of a tile, at least 1; got "
            f"{chunks!r}. 64 to 512 suit most grids."
        )
    parts = zip(sizes, shape, strict=True)
    return [[*range(0, count, int(size)), count] for size, count in parts]


def _corners(grid: Cells) -> FloatArray:
    """Lowest and highest corner of the box around the inside cells, shape (2, d)."""
    axes = range(grid.inside.ndim)
    found = []
    for axis, centres in enumerate(grid.axes.values()):
        some = centres[grid.inside.any(axis=tuple(other for other in axes if other != axis))]
        found.append([some.min(), some.max()])
    return np.array(found[::-1]).T
