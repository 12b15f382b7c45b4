"""Series on grids against sums over their waves, and where there is no grid."""

import numpy as np
import numpy.testing as npt
import pytest

from womble.covariance import Scale
from womble.engines import fourier
from womble.engines.fourier import FourierPrior
from womble.engines.product_grid import SAMPLE, ProductGrid
from womble.kernels import Matern

DOMAIN = np.array([[-1.0, -0.5], [1.0, 0.5]])
X, Y = np.linspace(-0.9, 0.95, 31), np.linspace(-0.45, 0.5, 23)
GRID = np.column_stack([axis.ravel() for axis in np.meshgrid(X, Y)])
RNG = np.random.default_rng(0)
SOME = RNG.permutation(len(GRID))[: len(GRID) // 2]


def path():
    # Few modes: the tail then matters.
    prior = FourierPrior(Matern(2.5), Scale(1.3, 0.3), DOMAIN)
    return prior.draw(np.random.default_rng(1))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("points", [GRID, GRID[::-1], GRID[SOME]], ids=["all", "reversed", "some"])
def test_a_series_on_a_grid_is_what_it_is_anywhere(points, order, monkeypatch):
    monkeypatch.setattr(fourier, "MOST_MODES", 15)
    drawn = path()
    assert drawn.tail.frequencies.size
    expected = drawn.torus.jets(drawn.coefficients, points, order) + drawn.tail.jets(points, order)
    sds = expected.std(axis=0)
    # The NUFFT, which sums points anywhere, has 1e-11.
    npt.assert_allclose(drawn.jets(points, order) / sds, expected / sds, atol=1e-9)


def test_a_grid_is_found_where_there_is_one():
    for points in (GRID, GRID[SOME]):
        found = ProductGrid.of(points)
        cells = np.column_stack([a.ravel() for a in np.meshgrid(found.x, found.y)])[found.cells]
        npt.assert_array_equal(cells, points)


@pytest.mark.parametrize(
    "points",
    [
        RNG.uniform(size=(1000, 2)),  # no two share a coordinate
        np.column_stack([np.arange(1000) // 2, np.arange(1000) % 500]) + 0.0,  # 2 a column
        GRID[: SAMPLE - 1],  # a few are summed as they are
        np.arange(1000.0)[:, None],  # on a line
    ],
    ids=["random", "sparse", "few", "line"],
)
def test_no_grid(points):
    assert ProductGrid.of(points) is None


def test_a_path_has_the_same_value_at_a_point_of_a_grid_and_alone(monkeypatch):
    monkeypatch.setattr(fourier, "MOST_MODES", 15)
    drawn = path()
    npt.assert_allclose(drawn.jets(GRID, 2)[:5], drawn.jets(GRID[:5], 2), rtol=1e-9, atol=1e-9)
