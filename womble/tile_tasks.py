"""What the tasks of a lazy surface do: draws of a batch, or the cells of a tile, from one job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from womble import decision
from womble.arrays import FloatArray
from womble.engines.base import Path
from womble.engines.ensemble import Ensemble
from womble.engines.precision import TOGETHER
from womble.lattice import Lattice, Window
from womble.paths import batched
from womble.shipped import Shipped, one_blas_thread
from womble.streams import Streams, child
from womble.summaries import Part, Recipe
from womble.surface import on_cells


@dataclass(frozen=True, eq=False)
class Job:
    """What all tasks of a surface have in common.

    Attributes
    ----------
    ensemble : Ensemble
    lattice : Lattice
    recipe : Recipe
    streams : Streams
        Of the draws of the hyperparameters.
    domain : array, shape (2, d)
        Corners of the box that paths are drawn for.
    alpha : float
        Error rate of the rule "interval".
    """

    ensemble: Ensemble
    lattice: Lattice
    recipe: Recipe
    streams: Streams
    domain: FloatArray
    alpha: float


def draw_batch(job: Shipped, batch: range) -> list[Path]:
    """The paths of a range of field draws."""
    here, paths = job.value, []
    ensemble, before = here.ensemble, None
    numbers = [divmod(draw, ensemble.repeats) for draw in batch]
    streams = [child(here.streams[index], repeat) for index, repeat in numbers]
    with one_blas_thread():
        if ensemble.together is not None:
            pairs = [
                (ensemble.thetas[i], own) for (i, _), own in zip(numbers, streams, strict=True)
            ]
            for some in batched(pairs, TOGETHER):
                paths += ensemble.together(*zip(*some, strict=True), here.domain)
            return paths
        for (index, _), own in zip(numbers, streams, strict=True):
            if index != before:
                f, before = ensemble.condition(ensemble.thetas[index]), index
            paths.append(f.path(own, here.domain))
    return paths


def closed_part(job: Shipped, piece: Window, batch: range) -> Part:
    """Quantities in a piece from the moments of a range of hyperparameter draws."""
    here = job.value
    ensemble, cells, found = here.ensemble, here.lattice.cut(piece), []
    with one_blas_thread():
        for index in batch:
            f = ensemble.condition(ensemble.thetas[index])
            found += here.recipe.of_conditional(f, cells, [here.streams[index]])
    values, means, sds = zip(*found, strict=True)
    return Part(np.concatenate(values, axis=1), np.concatenate(means), np.concatenate(sds))


def path_part(job: Shipped, piece: Window, paths: Sequence[Path]) -> Part:
    """Quantities in a piece from paths."""
    here = job.value
    with one_blas_thread():
        return here.recipe.of_paths(paths, np.concatenate(here.lattice.cut(piece).points))


def summarise(job: Shipped, piece: Window, parts: Sequence[Part]) -> tuple[FloatArray, ...]:
    """Statistics (names, 5, ..), P(> 0) (names, ..) and signs (names, ..) in a piece's shape."""
    here = job.value
    statistics, positive = here.recipe.statistics(parts)
    sign = decision.interval_sign(positive, here.alpha).astype(float)
    cells = here.lattice.cut(piece)
    return tuple(on_cells(part, cells, piece) for part in (statistics, positive, sign))


def assemble(
    tile: Window, pieces: Sequence[Window], found: Sequence[tuple[FloatArray, ...]]
) -> tuple[FloatArray, ...]:
    """The arrays of a tile from those of its pieces."""
    leading = [part.shape[: -len(tile.shape)] for part in found[0]]
    out = tuple(np.full((*shape, *tile.shape), np.nan) for shape in leading)
    for piece, parts in zip(pieces, found, strict=True):
        for array, part in zip(out, parts, strict=True):
            array[..., *piece.within(tile)] = part
    return out


def draws_of(job: Shipped, tile: Window, paths: Sequence[Path]) -> tuple[FloatArray]:
    """Every quantity of every path, shape (names, draws, ..) in a tile's shape."""
    here = job.value
    values = path_part(job, tile, paths).values
    if "gradient_direction" in here.recipe.names:
        row = values[here.recipe.names.index("gradient_direction")]
        np.degrees(row, out=row)
    return (on_cells(values, here.lattice.cut(tile), tile),)


def pick(found: tuple[FloatArray, ...], kind: int, index: int) -> FloatArray:
    """One variable of a tile."""
    return found[kind][index]


def nothing(shape: tuple[int, ...]) -> FloatArray:
    """A variable of a tile that is all outside."""
    return np.full(shape, np.nan)
