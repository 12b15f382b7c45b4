"""Blocks of cells: the same points and random numbers in whatever window they are seen."""

import numpy as np
import numpy.testing as npt
import pytest

import womble as wb
from womble import lattice as module
from womble.grid import Grid
from womble.lattice import Lattice, Window
from womble.streams import Streams, child


@pytest.fixture
def grid():
    """Seventy rows of eighty cells: four whole blocks and five that the edge cuts; few inside."""
    inside = np.random.default_rng(1).random((70, 80)) < 1 / 12
    inside[:20, :20] = False
    return Grid(np.arange(80.0), 100 - 2.0 * np.arange(70), inside)


WINDOWS = [Window((0, 0), (70, 80)), Window((32, 32), (64, 80)), Window((5, 9), (68, 43))]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_points_are_the_inside_cells_of_the_window(grid, window):
    lattice = Lattice.of(grid)
    cells = lattice.cut(window)
    points = np.concatenate(cells.points)
    kept = np.zeros(grid.shape, dtype=bool)
    kept[window.slices] = grid.inside[window.slices]
    npt.assert_array_equal(lattice.inside(window), grid.inside[window.slices])
    expected = Grid(grid.x, grid.y, kept).points
    order = np.argsort(cells.places)
    npt.assert_array_equal(points[order], expected)
    npt.assert_array_equal(np.sort(cells.places), np.flatnonzero(kept[window.slices]))
    assert all(len(part) <= module.BLOCK_CELLS for part in cells.points)


@pytest.mark.parametrize("most", [1, 120, 10_000])
def test_pieces_hold_each_inside_cell_once(grid, most):
    lattice = Lattice.of(grid)
    pieces = lattice.pieces(lattice.whole, most)
    count = np.zeros(grid.shape, dtype=int)
    for piece in pieces:
        count[piece.slices] += 1
        assert 1 <= lattice.inside(piece).sum() <= most
    assert count.max() == 1
    assert (count[grid.inside] == 1).all()
    if most == 120:  # a block has 85 on average: none need be cut
        edges = [(b, n) for piece in pieces for b, n in zip(piece.high, grid.shape, strict=True)]
        assert all(edge % 32 == 0 or edge == end for edge, end in edges)
    assert lattice.pieces(Window((0, 0), (20, 20)), most) == []


@pytest.mark.parametrize("repeats", [1, 7])
def test_a_cell_has_the_same_numbers_in_every_window(grid, repeats, monkeypatch):
    lattice, stream = Lattice.of(grid), np.random.default_rng(3)
    whole = np.full((repeats, lattice.size, 3), np.nan)
    cells = lattice.cut(lattice.whole)
    whole[:, cells.places] = cells.normals(stream, repeats, 3)
    whole = whole.reshape(repeats, *grid.shape, 3)
    monkeypatch.setattr(module, "SLAB_ENTRIES", 2 * 1024 * 3)  # two repeats at a time
    for window in WINDOWS:
        part = np.full((repeats, int(np.prod(window.shape)), 3), np.nan)
        cells = lattice.cut(window)
        part[:, cells.places] = cells.normals(stream, repeats, 3)
        part = part.reshape(repeats, *window.shape, 3)
        npt.assert_array_equal(part, whole[:, *window.slices])
    numbers = whole[:, grid.inside].ravel()
    assert len(np.unique(numbers)) == numbers.size
    # Mean and variance of N standard normal numbers, within five standard errors.
    assert abs(numbers.mean()) < 5 / np.sqrt(numbers.size)
    assert abs(numbers.var() - 1) < 5 * np.sqrt(2 / numbers.size)


def test_on_a_line():
    grid = wb.Grid.from_data((np.arange(30.0), np.zeros(30)), spacing=0.01, mask=None)
    lattice = Lattice.of(grid)
    parts = lattice.cut(lattice.whole).points
    assert [len(part) for part in parts] == [1024, 1024, grid.shape[0] - 2048]
    npt.assert_array_equal(np.concatenate(parts), grid.points)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.Philox, np.random.MT19937])
def test_streams_are_those_that_spawn_gives(kind):
    one, other = (np.random.Generator(kind(5)) for _ in range(2))
    one.spawn(2), other.spawn(2)
    streams, spawned = Streams.spawned(one, 4), other.spawn(4)
    for number, theirs in enumerate(spawned):
        ours = streams[number]
        npt.assert_array_equal(
            child(ours, 1).standard_normal(3), theirs.spawn(2)[1].standard_normal(3)
        )
        npt.assert_array_equal(ours.standard_normal(3), theirs.standard_normal(3))
    npt.assert_array_equal(one.spawn(1)[0].random(3), other.spawn(1)[0].random(3))
