"""Grids cover what they should, masks keep what they should, and bad ones say what to do."""

import json

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pyproj
import pytest
import shapely
import xarray as xr

from womble import datasets, mask
from womble.grid import Grid
from womble.mask import data_distance
from womble.spatial_data import spatial_data

RD = "EPSG:28992"


@pytest.fixture
def coords():
    """A 9 x 5 lattice with step 10, from (100, 200) to (180, 240)."""
    x, y = np.meshgrid(100 + 10.0 * np.arange(9), 200 + 10.0 * np.arange(5))
    return np.column_stack([x.ravel(), y.ravel()])


@pytest.fixture
def frame(coords):
    points = gpd.points_from_xy(coords[:, 0], coords[:, 1], crs=RD)
    return gpd.GeoDataFrame({"z": coords[:, 0]}, geometry=points)


def raster(x, y, crs=RD):
    array = xr.DataArray(np.zeros((len(y), len(x))), {"y": y, "x": x}, ("y", "x"))
    return array if crs is None else array.rio.write_crs(crs)


# --- cells -----------------------------------------------------------------------------------


def test_every_kind_of_data_gives_the_same_grid(coords, frame):
    grids = [
        Grid.from_data(data, spacing=7.0)
        for data in (frame, spatial_data(frame, "z"), (coords, coords[:, 0]), coords)
    ]
    for grid in grids:
        npt.assert_array_equal(grid.points, grids[0].points)
    assert [g.coordinate_units for g in grids] == ["m", "m", None, None]
    assert grids[0].crs == grids[1].crs == pyproj.CRS(RD)
    assert grids[2].crs is None


def test_rows_without_a_location_are_passed_over(frame):
    expected = Grid.from_data(frame.iloc[1:], spacing=7.0)
    frame.loc[0, "geometry"] = None
    npt.assert_array_equal(Grid.from_data(frame, spacing=7.0).inside, expected.inside)


@pytest.mark.parametrize("spacing", [8.0, 7.0, 0.3, 40.0, 80.0])
def test_cells_are_square_and_cover_the_box_symmetrically(coords, spacing):
    grid = Grid.from_data(coords, spacing=spacing, mask=None)
    npt.assert_allclose(grid.spacing, spacing)
    for centres, low, high in ((grid.x, 100, 180), (grid.y, 200, 240)):
        left, right = low - (centres[0] - spacing / 2), centres[-1] + spacing / 2 - high
        npt.assert_allclose(left, right, atol=1e-9)
        # Overlap on either side, of less than a cell in all (two cells at the least, however).
        assert left >= -1e-9
        assert len(centres) == 2 or 2 * left < spacing
    assert grid.inside.all()
    assert grid.contains(coords).all()


def test_default_spacing_is_a_sixtieth_of_the_longer_side(coords):
    grid = Grid.from_data(coords)
    npt.assert_allclose(grid.spacing, 80 / 60)
    assert grid.shape == (30, 60)


def test_bounds_replace_the_box_of_the_data(coords):
    grid = Grid.from_data(coords, spacing=5.0, bounds=(0, 100, 50, 120), mask=None)
    npt.assert_allclose(grid.x, np.arange(2.5, 50, 5))
    npt.assert_allclose(grid.y, np.arange(102.5, 120, 5))


def test_points_on_a_vertical_line_still_have_two_columns():
    grid = Grid.from_data(np.column_stack([np.zeros(9), np.arange(9.0)]), spacing=1.0)
    assert grid.shape == (8, 2)


# --- points, fill, contains ------------------------------------------------------------------


def test_points_and_fill_are_row_major_inverses(coords):
    grid = Grid.from_data(coords, spacing=5.0, mask=shapely.Point(140, 220).buffer(15))
    x, y = grid.points.T
    filled = grid.fill(np.stack([x, y]))
    assert filled.shape == (2, *grid.shape)
    xx, yy = np.meshgrid(grid.x, grid.y)
    npt.assert_array_equal(filled[0][grid.inside], xx[grid.inside])
    npt.assert_array_equal(filled[1][grid.inside], yy[grid.inside])
    assert np.isnan(filled[:, ~grid.inside]).all()
    npt.assert_array_equal(np.lexsort((x, y)), np.arange(len(x)))  # y slowest, both ascending
    assert grid.fill(np.arange(len(x))).dtype == np.float64  # integers too have NaN outside


@pytest.mark.parametrize("shape", [(), (3,), (45, 2)])
def test_fill_checks_the_last_axis(coords, shape):
    grid = Grid.from_data(coords, spacing=10.0, mask=None)
    with pytest.raises(ValueError, match=rf"shape \(\.\.\., {grid.inside.size}\).*grid\.points"):
        grid.fill(np.zeros(shape))


@pytest.mark.parametrize("descending", [False, True])
def test_contains_is_the_nearest_cell(coords, descending):
    x, y = 100 + 10.0 * np.arange(9), 200 + 10.0 * np.arange(5)
    like = raster(x, y[::-1] if descending else y, crs=None)
    hole = shapely.box(95, 195, 185, 245) - shapely.box(115, 205, 125, 215)
    grid = Grid.from_data(coords, like=like, mask=hole)
    points = [[120, 210], [124, 214], [126, 214], [95, 195], [94.9, 200], [185, 245], [180, 246]]
    npt.assert_array_equal(grid.contains(points), [False, False, True, True, False, True, False])
    assert grid.contains(grid.points).all()
    assert grid.contains(np.empty((0, 2))).shape == (0,)


# --- masks -----------------------------------------------------------------------------------


def test_distance_is_twice_the_spacing_of_a_lattice(coords):
    # All nearest neighbours of a lattice are a step apart; repeats do not make them 0.
    npt.assert_allclose(data_distance(np.vstack([coords, coords])), 20.0)


def test_distance_of_uniform_sampling_is_its_closed_form():
    rng = np.random.default_rng(1)
    n = 20_000
    # P(nearest > r) = exp(-n pi r^2): the 95th percentile is sqrt(log 20 / (n pi)). The quantile's
    # relative sd is sqrt(.95 .05 / n) / (.05 * 2 log 20) ~ 0.5%; edges add ~1 / sqrt(n) = 0.7%.
    expected = 2 * np.sqrt(np.log(20) / (n * np.pi))
    npt.assert_allclose(data_distance(rng.uniform(size=(n, 2))), expected, rtol=0.03)


def test_distance_mask_keeps_what_is_near_the_data(coords):
    grid = Grid.from_data(coords, spacing=5.0, bounds=(0, 100, 280, 340))
    xx, yy = np.meshgrid(grid.x, grid.y)
    apart = np.hypot(xx[..., None] - coords[:, 0], yy[..., None] - coords[:, 1]).min(axis=-1)
    npt.assert_array_equal(grid.inside, apart <= 20.0)
    assert 0 < grid.inside.sum() < grid.inside.size


def test_masking_in_blocks_changes_nothing(coords, monkeypatch):
    expected = Grid.from_data(coords, spacing=3.0, bounds=(0, 100, 280, 340)).inside
    monkeypatch.setattr(mask, "BLOCK", 500)
    npt.assert_array_equal(
        Grid.from_data(coords, spacing=3.0, bounds=(0, 100, 280, 340)).inside, expected
    )


def test_hull_mask_is_the_convex_hull():
    triangle = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [2.0, 3.0]])
    # These bounds put no centre on the slanting side, where rounding would decide.
    grid = Grid.from_data(triangle, spacing=0.3, mask="hull", bounds=(-1, -1, 11.05, 11.05))
    xx, yy = np.meshgrid(grid.x, grid.y)
    assert np.abs(xx + yy - 10).min() > 1e-3
    npt.assert_array_equal(grid.inside, (xx > 0) & (yy > 0) & (xx + yy < 10))


RING = shapely.Point(140, 220).buffer(18) - shapely.Point(140, 220).buffer(8)
TWO = shapely.MultiPolygon([shapely.box(101, 201, 111, 211), shapely.box(151, 221, 171, 231)])


@pytest.mark.parametrize("area", [RING, TWO], ids=["hole", "two parts"])
def test_polygon_masks_keep_their_area(frame, area):
    shapes = [area, gpd.GeoSeries([area], crs=RD), gpd.GeoDataFrame(geometry=[area], crs=RD)]
    shapes += [gpd.GeoSeries([area])]  # no CRS of its own: taken as the data's
    for shape in shapes:
        grid = Grid.from_data(frame, spacing=0.5, mask=shape)
        # A cell-count area errs by about (perimeter x spacing)^(1/2) cells; 2% is ample here.
        npt.assert_allclose(grid.inside.sum() * 0.25, area.area, rtol=0.02)
        assert shapely.contains_xy(area, grid.points).all()
    centre = [[140.0, 220.0]]
    assert not grid.contains(centre).any()


def test_adjacent_polygons_leave_no_seam(coords):
    halves = gpd.GeoSeries([shapely.box(90, 190, 140, 250), shapely.box(140, 190, 190, 250)])
    like = raster(100 + 10.0 * np.arange(9), 200 + 10.0 * np.arange(5), crs=None)
    assert Grid.from_data(coords, like=like, mask=halves).inside.all()


def test_mask_in_another_crs_names_to_crs(frame):
    area = gpd.GeoSeries([RING], crs="EPSG:32631")
    with pytest.raises(ValueError, match=r"mask\.to_crs"):
        Grid.from_data(frame, mask=area)
    with pytest.raises(ValueError, match=r"the data must state it.*set_crs"):
        Grid.from_data(frame.set_crs(None, allow_override=True), mask=area)


def test_mask_that_keeps_nothing_is_refused(frame):
    with pytest.raises(ValueError, match="the mask must keep at least one cell"):
        Grid.from_data(frame, mask=shapely.box(0, 0, 1, 1))
    with pytest.raises(ValueError, match="the mask must keep at least one cell"):
        Grid.from_data(frame, mask=shapely.Polygon())


def test_invalid_polygon_is_refused(frame):
    bow_tie = shapely.Polygon([[100, 200], [180, 240], [180, 200], [100, 240]])
    with pytest.raises(ValueError, match=r"Self-intersection.*make_valid"):
        Grid.from_data(frame, mask=bow_tie)


def test_unknown_mask_is_refused(frame):
    with pytest.raises(ValueError, match="'distance', 'hull' or polygons; got 'Hull'"):
        Grid.from_data(frame, mask="Hull")
    with pytest.raises(TypeError, match=r"`mask` must be a Polygon.*got LineString"):
        Grid.from_data(frame, mask=gpd.GeoSeries([RING, shapely.LineString([[0, 0], [1, 1]])]))
    with pytest.raises(TypeError, match=r"`mask` must be a Polygon.*got ndarray"):
        Grid.from_data(frame, mask=np.ones((3, 3), dtype=bool))


# --- like ------------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_like_takes_the_axes_in_their_order(frame, descending, as_dataset):
    x, y = 100 + 4.0 * np.arange(20), 200 + 2.0 * np.arange(20)
    like = raster(x, y[::-1] if descending else y)
    grid = Grid.from_data(frame, like=like.to_dataset(name="z") if as_dataset else like, mask=None)
    npt.assert_array_equal(grid.x, x)
    npt.assert_array_equal(grid.y, like["y"])
    npt.assert_allclose(grid.spacing, (4.0, 2.0))
    npt.assert_array_equal(grid.points[0], [100, like["y"][0]])


def test_like_the_meuse_grid():
    grid = Grid.from_data(datasets.meuse(), like=datasets.meuse_grid())
    assert grid.shape == (104, 78)
    npt.assert_allclose(grid.spacing, 40.0)
    assert grid.crs == pyproj.CRS(RD)
    assert grid.contains(grid.points).all()


def test_like_easting_northing_with_a_band(frame):
    like = raster(np.arange(100.0, 180.0), np.arange(200.0, 240.0))
    like = like.rename(x="easting", y="northing").expand_dims("band")
    assert Grid.from_data(frame, like=like, mask=None).shape == (40, 80)


def test_like_in_another_crs_is_refused(frame):
    x, y = np.arange(100.0, 180.0), np.arange(200.0, 240.0)
    with pytest.raises(ValueError, match=r"like\.to_crs.*\.rio\.reproject"):
        Grid.from_data(frame, like=raster(x, y, crs="EPSG:32631"))
    with pytest.raises(ValueError, match=r"`like` must state it.*\.rio\.write_crs"):
        Grid.from_data(frame, like=raster(x, y, crs=None))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([100.0, 110.0, 130.0], r"`x` must be evenly spaced; got steps from 10 to 20"),
        ([100.0, 100.0, 100.0], "`x` must be evenly spaced"),
        ([120.0, 110.0, 100.0], r"`x` must ascend.*sortby\('x'\)"),
        ([100.0], "at least 2 cell centres"),
    ],
)
def test_like_must_be_regular(frame, x, message):
    with pytest.raises(ValueError, match=message):
        Grid.from_data(frame, like=raster(np.array(x), 200 + 10.0 * np.arange(5)), mask=None)


def test_like_stored_in_float32_is_regular_enough(frame):
    northings = (5.8e6 + 40.0 / 3 * np.arange(50)).astype(np.float32)
    grid = Grid.from_data(frame, like=raster(np.arange(100.0, 180.0), northings * 3), mask=None)
    assert grid.y.dtype == np.float64


def test_like_excludes_spacing_and_bounds(frame):
    like = raster(np.arange(100.0, 180.0), np.arange(200.0, 240.0))
    with pytest.raises(ValueError, match="`like` fixes the cells"):
        Grid.from_data(frame, like=like, spacing=1.0)
    with pytest.raises(ValueError, match="`like` fixes the cells"):
        Grid.from_data(frame, like=like, bounds=(0, 0, 1, 1))
    with pytest.raises(TypeError, match=r"`like` must be an xarray.*got ndarray"):
        Grid.from_data(frame, like=like.values)
    with pytest.raises(ValueError, match="`like` must have dimensions x, y"):
        Grid.from_data(frame, like=like.rename(x="lon"))


# --- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, np.inf, 80.1])
def test_spacing_must_be_positive_and_fit(coords, spacing):
    with pytest.raises(ValueError, match=r"`spacing` must be a positive number, at most.* 80 "):
        Grid.from_data(coords, spacing=spacing)


@pytest.mark.parametrize("spacing", [1e-3, 1e-320])
def test_absurdly_many_cells_are_refused_with_a_remedy(coords, spacing):
    with pytest.raises(
        ValueError, match=r"at most 1e\+08 cells; .* gives .*Take more than 0\.0057"
    ):
        Grid.from_data(coords, spacing=spacing)


@pytest.mark.parametrize(
    "bounds", [(0, 0, 0, 1), (1, 0, 0, 1), (0, 0, 1), (0, 0, np.inf, 1), (0, np.nan, 1, 1)]
)
def test_bounds_must_be_a_box(coords, bounds):
    with pytest.raises(ValueError, match=r"\(xmin, ymin, xmax, ymax\)"):
        Grid.from_data(coords, bounds=bounds)


@pytest.mark.parametrize("shape", [(9, 3), (9, 2, 2), ()])
def test_grids_are_for_a_line_or_the_plane(shape):
    with pytest.raises(
        ValueError, match=r"shape \(n, 2\), or on a line, \(n,\); got .*jet_moments"
    ):
        Grid.from_data(np.zeros(shape))


def test_data_need_two_locations():
    with pytest.raises(ValueError, match="at least 2 distinct locations; got 1"):
        Grid.from_data(np.ones((9, 2)))


def test_geographic_data_are_refused(frame):
    with pytest.raises(ValueError, match=r"estimate_utm_crs\(\)"):
        Grid.from_data(frame.set_crs("EPSG:4326", allow_override=True))


def test_inside_must_fit_the_axes():
    with pytest.raises(ValueError, match=r"\(ny, nx\) = \(2, 3\); got \(3, 2\)"):
        Grid(np.arange(3.0), np.arange(2.0), np.ones((3, 2), dtype=bool))


@pytest.mark.parametrize("crs", [None, "EPSG:28992"])
def test_plain_numbers_and_text_give_the_grid_again(crs):
    rng = np.random.default_rng(4)
    x, y = 0.1 + 0.3 * np.arange(7), 5.0 - 0.3 * np.arange(5)
    grid = Grid(x, y, rng.random((5, 7)) < 0.6, None if crs is None else pyproj.CRS(crs), "m")
    again = Grid.from_dict(json.loads(json.dumps(grid.to_dict())))
    for name in ("x", "y", "inside"):
        npt.assert_array_equal(getattr(again, name), getattr(grid, name))
    assert (again.crs, again.coordinate_units) == (grid.crs, "m")
