"""The cells of a grid in fixed blocks, each of which has random numbers of its own.

However a grid is cut for memory, for threads or over a cluster, a cell belongs to the same block,
and in each posterior draw it finds the same random numbers there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.cells import Cells
from womble.streams import child

# Cells of a whole block: 32 x 32 in the plane. Engines are asked for a block at a time, which takes
# 10% more CPU than a whole map at n = 100, where it costs most.
BLOCK_CELLS = 1024
# Random numbers that are drawn at a time beyond those that are kept: 8 MB.
SLAB_ENTRIES = 1_000_000


@dataclass(frozen=True)
class Window:
    """A box of cells: from `low` to below `high`, one index an axis of the grid."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(b - a for a, b in zip(self.low, self.high, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where it is in an array of the grid's shape."""
        return tuple(slice(a, b) for a, b in zip(self.low, self.high, strict=True))

    def within(self, other: Window) -> tuple[slice, ...]:
        """Where it is in an array of the shape of `other`, which contains it."""
        parts = zip(self.low, self.high, other.low, strict=True)
        return tuple(slice(a - start, b - start) for a, b, start in parts)


@dataclass(frozen=True, eq=False)
class Cut:
    """The inside cells of a window, block by block.

    A block has the same points in any window that holds it, and so the same answers to the last
    digit.

    Attributes
    ----------
    blocks : tuple of (int, int, int array)
        Number of the block, its cells, and which of them these are.
    points : tuple of array, shape (p, d) each
        Centres, x first.
    places : int array, shape (sum of p,)
        Flat indices in the window's shape.
    """

    blocks: tuple[tuple[int, int, np.ndarray], ...]
    points: tuple[FloatArray, ...]
    places: np.ndarray

    def normals(self, stream: np.random.Generator, repeats: int, size: int) -> FloatArray:
        """Standard normal numbers of the cells, the same in any window.

        Parameters
        ----------
        stream : Generator
            Of a posterior draw; nothing is taken from it.
        repeats : int
            Field draws of that posterior draw.
        size : int
            Numbers a cell.

        Returns
        -------
        array, shape (repeats, sum of p, size)
        """
        out = np.empty((repeats, len(self.places), size))
        begin = 0
        for number, cells, kept in self.blocks:
            rng, end = child(stream, number), begin + len(kept)
            step = max(1, SLAB_ENTRIES // (cells * size))
            for start in range(0, repeats, step):
                rows = out[start : start + step, begin:end]
                rows[:] = rng.standard_normal((len(rows), cells, size))[:, kept]
            begin = end
        return out


@dataclass(frozen=True, eq=False)
class Lattice:
    """A grid's axes and mask, small enough to be sent anywhere.

    Attributes
    ----------
    centres : tuple of array
        Cell centres along each axis of the grid, (y, x) in the plane.
    bits : uint8 array
        The cells that are inside, eight of the last axis to a byte.
    """

    centres: tuple[FloatArray, ...]
    bits: np.ndarray

    @classmethod
    def of(cls, grid: Cells) -> Lattice:
        """The lattice of a grid or transect."""
        return cls(tuple(grid.axes.values()), np.packbits(grid.inside, axis=-1))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(len(centres) for centres in self.centres)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def whole(self) -> Window:
        """All cells."""
        return Window((0,) * len(self.shape), self.shape)

    @property
    def side(self) -> int:
        """Cells along a whole block."""
        return round(BLOCK_CELLS ** (1 / len(self.shape)))

    def inside(self, window: Window) -> BoolArray:
        """Which cells of a window are inside, in its shape."""
        *leading, last = window.slices
        first = last.start // 8
        bits = self.bits[(*leading, slice(first, -(-last.stop // 8)))]
        within = slice(last.start - 8 * first, last.stop - 8 * first)
        return np.unpackbits(bits, axis=-1)[..., within].astype(bool)

    def pieces(self, window: Window, most: int) -> list[Window]:
        """A window cut into boxes with some cell inside, at most `most`, if that can be.

        Cuts are made between blocks where there is a place for one.
        """
        count = int(self.inside(window).sum())
        if count == 0:
            return []
        if count <= max(most, 1):
            return [window]
        axis = int(np.argmax(window.shape))
        low, high = window.low[axis], window.high[axis]
        cut = round((low + high) / 2 / self.side) * self.side
        if not low < cut < high:
            cut = (low + high) // 2
        before, after = list(window.high), list(window.low)
        before[axis] = after[axis] = cut
        halves = Window(window.low, tuple(before)), Window(tuple(after), window.high)
        return [piece for half in halves for piece in self.pieces(half, most)]

    def cut(self, window: Window) -> Cut:
        """The inside cells of a window."""
        numbers = np.arange(np.prod(window.shape)).reshape(window.shape)
        blocks, points, places = [], [], []
        for block, part in self._blocks(window):
            number, whole = self._block(block)
            inside = self.inside(part)
            kept = np.zeros(whole.shape, dtype=bool)
            kept[part.within(whole)] = inside
            blocks.append((number, kept.size, np.flatnonzero(kept)))
            columns = zip(self.centres, part.low, np.nonzero(inside), strict=True)
            points.append(np.column_stack([c[low + i] for c, low, i in list(columns)[::-1]]))
            places.append(numbers[part.within(window)][inside])
        return Cut(tuple(blocks), tuple(points), np.concatenate(places))

    def _blocks(self, window: Window) -> Iterator[tuple[tuple[int, ...], Window]]:
        """Blocks that a window meets in an inside cell, and what it has of each."""
        bounds = zip(window.low, window.high, strict=True)
        ranges = [range(a // self.side, -(-b // self.side)) for a, b in bounds]
        for block in product(*ranges):
            _, whole = self._block(block)
            low = tuple(map(max, whole.low, window.low))
            part = Window(low, tuple(map(min, whole.high, window.high)))
            if self.inside(part).any():
                yield block, part

    def _block(self, block: tuple[int, ...]) -> tuple[int, Window]:
        """Number of a block, and all its cells."""
        counts = tuple(-(-length // self.side) for length in self.shape)
        low = tuple(b * self.side for b in block)
        high = tuple(min(a + self.side, n) for a, n in zip(low, self.shape, strict=True))
        return int(np.ravel_multi_index(block, counts)), Window(low, high)
