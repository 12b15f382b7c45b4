"""Cells that lines pass through, against geometry."""

import numpy as np
import numpy.testing as npt
import pytest
import shapely

import womble as wb
from womble.rasterize import cells_crossed


def grid(nx=4, ny=3, descending=False):
    """Unit cells with corners at whole numbers."""
    y = np.arange(ny) + 0.5
    return wb.Grid(np.arange(nx) + 0.5, y[::-1] if descending else y, np.ones((ny, nx), bool))


def crossed(line, **shape):
    return np.argwhere(cells_crossed([np.array(line, dtype=float)], grid(**shape))).tolist()


def test_a_level_line_crosses_a_row():
    assert crossed([(0.2, 1.5), (3.9, 1.5)]) == [[1, 0], [1, 1], [1, 2], [1, 3]]


def test_the_diagonal_through_corners_crosses_only_the_cells_on_it():
    assert crossed([(0, 0), (3, 3)]) == [[0, 0], [1, 1], [2, 2]]


def test_a_line_inside_one_cell_crosses_that():
    assert crossed([(2.1, 1.1), (2.9, 1.8), (2.2, 1.9)]) == [[1, 2]]


def test_a_line_along_an_edge_is_in_the_cell_that_owns_it():
    assert crossed([(1.0, 0.2), (1.0, 1.8)]) == [[0, 1], [1, 1]]


def test_what_is_outside_is_left_out_and_what_comes_back_is_not():
    assert crossed([(-2.0, 0.5), (0.5, 0.5), (0.5, 9.0)]) == [[0, 0], [1, 0], [2, 0]]
    assert crossed([(-3, -3), (-1, -1)]) == []


def test_no_line_crosses_nothing():
    assert not cells_crossed([], grid()).any()


@pytest.mark.parametrize("descending", [False, True])
def test_cells_are_those_that_share_a_length_with_the_line(descending):
    shape = grid(13, 9, descending)
    lines = [np.random.default_rng(i).uniform(-2, 14, (6, 2)) for i in range(20)]
    found = cells_crossed(lines, shape)
    x, y = np.meshgrid(shape.x, shape.y)
    cells = shapely.box(x - 0.5, y - 0.5, x + 0.5, y + 0.5)
    inside = shapely.intersection(cells, shapely.multilinestrings([list(line) for line in lines]))
    npt.assert_array_equal(found, shapely.length(inside) > 0)
    one = [cells_crossed([line], shape) for line in lines]
    npt.assert_array_equal(np.any(one, axis=0), found)
