"""Segments point the right way and measures integrate known fields exactly."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import A2, quadratic
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Point, Polygon, box

from womble.curve import measures, segments
from womble.vector import read_curves

SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]
HOLE = [(1, 1), (2, 1), (2, 2), (1, 2)]


def outward(pieces, polygon):
    """Whether a step along the normal from each segment's middle leaves the polygon."""
    middle = 0.5 * (pieces.start + pieces.stop)
    step = 1e-3 * pieces.normal
    leaves = ~shapely.contains_xy(polygon, *(middle + step).T)
    return leaves & shapely.contains_xy(polygon, *(middle - step).T)


def total(pieces, jets, order=2, resolution=1.0):
    """Gradient and curvature measure of all segments together, of a known field."""
    functional = measures(pieces, np.zeros(len(pieces.start), dtype=int), resolution, order)
    return functional.apply(jets(functional.nodes)[:, : 3 if order == 1 else 6])


# -- geometry --------------------------------------------------------------------------------------


def test_normal_is_to_the_right_of_travel():
    pieces = segments([LineString([(0, 0), (0, 2), (3, 2), (0, -2)])])
    npt.assert_allclose(pieces.tangent, [(0, 1), (1, 0), (-0.6, -0.8)], atol=1e-15)
    npt.assert_allclose(pieces.normal, [(1, 0), (0, -1), (-0.8, 0.6)], atol=1e-15)
    npt.assert_allclose(pieces.length, [2, 3, 5])
    npt.assert_array_equal(pieces.number, [0, 1, 2])
    npt.assert_array_equal(pieces.curve, [0, 0, 0])


@pytest.mark.parametrize("exterior", [SQUARE, SQUARE[::-1]], ids=["counter-clockwise", "shapefile"])
@pytest.mark.parametrize("hole", [HOLE, HOLE[::-1]], ids=["counter-clockwise", "clockwise"])
def test_polygon_normals_point_out_of_it_at_holes_too(exterior, hole):
    polygon = Polygon(exterior, [hole])
    pieces = segments([polygon], 0.7)
    assert outward(pieces, polygon).all()
    npt.assert_allclose(pieces.length.sum(), polygon.length)
    assert set(pieces.curve) == {0}
    npt.assert_array_equal(pieces.number, np.arange(len(pieces.number)))


def test_multi_part_geometries_become_curves_that_know_their_row():
    lines = MultiLineString([[(0, 0), (1, 0)], [(5, 5), (5, 6), (5, 8)]])
    polygons = MultiPolygon([box(0, 0, 1, 1), box(2, 0, 3, 1)])
    pieces = segments([lines, LineString([(9, 9), (8, 9)]), polygons])
    npt.assert_array_equal(pieces.source, [0, 0, 1, 2, 2])
    npt.assert_array_equal(pieces.curve, np.repeat([0, 1, 2, 3, 4], [1, 2, 1, 4, 4]))
    npt.assert_array_equal(pieces.number, [0, 0, 1, 0, 0, 1, 2, 3, 0, 1, 2, 3])


def test_a_ring_is_a_line_as_drawn():
    clockwise = shapely.LinearRing(SQUARE[::-1])
    assert not outward(segments([clockwise]), Polygon(SQUARE)).any()


@pytest.mark.parametrize(
    ("longest", "counts"),
    [(None, (1, 1)), (10.0, (1, 1)), (3.0, (1, 2)), (1.0, (3, 4)), (0.9, (4, 5))],
)
def test_segment_length_divides_evenly(longest, counts):
    pieces = segments([LineString([(0, 0), (3, 0), (3, 4)])], longest)
    assert len(pieces.length) == sum(counts)
    npt.assert_allclose(pieces.length, np.repeat([3 / counts[0], 4 / counts[1]], counts))
    npt.assert_allclose(pieces.start[1:], pieces.stop[:-1], atol=1e-15)
    npt.assert_array_equal(pieces.start[0], [0, 0])
    npt.assert_allclose(pieces.stop[-1], [3, 4], rtol=1e-15)


def test_a_whole_multiple_is_not_divided_once_more_for_rounding():
    # 0.1 * 3 > 0.3 in binary.
    assert len(segments([LineString([(0, 0), (0.1 * 3, 0)])], 0.1).length) == 3


def test_repeated_vertices_are_passed_over():
    line = LineString([(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 1), (1, 1)])
    pieces = segments([line])
    npt.assert_array_equal(pieces.length, [1, 1])
    npt.assert_array_equal(pieces.number, [0, 1])


def test_parts_without_length_are_left_out_and_the_rest_keep_their_row():
    nothing = LineString([(1, 1), (1, 1)])
    pieces = segments([nothing, LineString(), LineString([(0, 0), (2, 0)])])
    npt.assert_array_equal(pieces.source, [2])
    npt.assert_array_equal(pieces.curve, [0])


def test_heights_are_ignored():
    pieces = segments([LineString([(0, 0, 5), (3, 4, 9)])])
    npt.assert_allclose(pieces.length, [5])


def test_lines_are_the_segments():
    line = LineString([(0, 0), (1, 2), (3, 3)])
    assert shapely.line_merge(shapely.multilinestrings(segments([line]).lines())).equals(line)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", [Point(0, 0), shapely.MultiPoint([(0, 0), (1, 1)])])
def test_points_are_no_curves(geometry):
    with pytest.raises(TypeError, match=r"`curves` must be LineStrings or Polygons .*; got Point"):
        segments([geometry])


@pytest.mark.parametrize("geometries", [[], [LineString()], [LineString([(1, 1), (1, 1)])], [None]])
def test_curves_without_length_are_refused(geometries):
    with pytest.raises(ValueError, match="`curves` must hold a line or polygon with a length"):
        segments(geometries)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_vertices_must_be_finite(hole):
    with np.errstate(invalid="ignore"):  # shapely's own, at a NaN
        line = LineString([(0, 0), (1, 0), (hole, 1), (2, 2), (3, 2)])
    with pytest.raises(ValueError, match="`curves` must have finite vertices"):
        segments([line])


@pytest.mark.parametrize("length", [0.0, -1.0, np.nan, np.inf])
def test_segment_length_must_be_positive(length):
    with pytest.raises(ValueError, match="`segment_length` must be positive; got"):
        segments([LineString(SQUARE)], length)


def test_curves_are_read_from_any_form():
    line = LineString(SQUARE)
    frame = gpd.GeoDataFrame({"name": ["a"]}, geometry=[line], crs="EPSG:28992")
    for curves in (frame, frame.geometry, line, [line], np.array([line])):
        read = read_curves(curves, frame.crs)
        assert read.crs == frame.crs
        assert read.geometry.iloc[0].equals(line)
    assert list(read_curves(frame, frame.crs)["name"]) == ["a"]


def test_curves_in_another_crs_are_refused():
    frame = gpd.GeoDataFrame(geometry=[LineString(SQUARE)], crs="EPSG:3857")
    with pytest.raises(ValueError, match=r"`curves` must be in the data's CRS.*to_crs"):
        read_curves(frame, frame.to_crs("EPSG:28992").crs)


@pytest.mark.parametrize(
    ("curves", "got"), [(3.0, "float"), (["LINESTRING (0 0, 1 1)"], "a sequence with other things")]
)
def test_other_things_are_no_curves(curves, got):
    with pytest.raises(TypeError, match=f"`curves` must be a GeoDataFrame.*got {got}"):
        read_curves(curves, None)


def test_no_curves_are_refused():
    with pytest.raises(ValueError, match="at least one line or polygon"):
        read_curves([], None)


# -- measures of known fields --------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [0.3, 1.0, 100.0])
def test_flux_of_a_paraboloid_out_of_a_polygon_is_four_areas(resolution):
    radius = 2.5
    disc = Point(1, -2).buffer(radius, quad_segs=16)
    pieces = segments([disc])
    # f = x^2 + y^2: Laplacian 4, n' H n = 2.
    gradient, curvature = total(pieces, quadratic(0, 0, 0, 2, 0, 2), resolution=resolution)
    npt.assert_allclose(gradient, 4 * disc.area, rtol=1e-13)
    npt.assert_allclose(curvature, 2 * disc.length, rtol=1e-13)
    # The inscribed polygon of 64 sides falls short of the disc by (2 pi / 64)^2 / 6.
    npt.assert_allclose(gradient, 4 * np.pi * radius**2, rtol=(2 * np.pi / 64) ** 2 / 6 * 1.01)


def test_flux_out_of_a_polygon_with_a_hole_is_four_areas():
    polygon = Polygon(SQUARE[::-1], [HOLE])
    gradient, _ = total(segments([polygon]), quadratic(3, 1, -2, 2, 0.7, 2))
    npt.assert_allclose(gradient, 4 * polygon.area, rtol=1e-13)


def test_measures_of_a_quadratic_along_one_segment():
    # Along x = 1 upward the normal is +x: G1 = int f_x, G2 = f_xx * length.
    jets = quadratic(0, 5, 0, 2, 3, -1)
    pieces = segments([LineString([(1, 0), (1, 2)])])
    # f_x = 5 + 2 * 1 + 3 y.
    npt.assert_allclose(total(pieces, jets), [7 * 2 + 3 * 2, 2 * 2], rtol=1e-14)
    # On the diagonal n = (1, -1) / sqrt 2: n' H n = (2 - 2 * 3 - 1) / 2.
    diagonal = segments([LineString([(0, 0), (1, 1)])])
    npt.assert_allclose(total(diagonal, jets)[1], -2.5 * np.sqrt(2), rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
def test_reversal_turns_the_gradient_measure_and_keeps_the_curvature_measure(order):
    line = LineString([(0.1, 0.2), (0.6, 0.3), (0.8, 0.9)])
    there, back = (total(segments([x]), A2.jets, order) for x in (line, line.reverse()))
    signs = [-1, 1][:order]
    npt.assert_allclose(back, np.multiply(signs, there), rtol=1e-12)


def test_measures_add_under_splitting():
    line = LineString([(0.1, 0.2), (0.6, 0.3), (0.8, 0.9)])
    # Five nodes on panels of 0.05 are off by (3 pi 0.05 / 2)^10 / 10! for waves of number 3 pi.
    whole, parts = (total(segments([line], d), A2.jets, 2, 0.1) for d in (None, 0.13))
    npt.assert_allclose(parts, whole, rtol=1e-9)


def test_rows_are_the_groups_asked_for():
    line = LineString([(0.1, 0.2), (0.6, 0.3), (0.8, 0.9), (0.2, 0.5)])
    pieces = segments([line])
    functional = measures(pieces, np.array([0, 1, 0]), 1.0, 2)
    each = measures(pieces, np.arange(3), 1.0, 2).apply(A2.jets(functional.nodes))
    grouped = functional.apply(A2.jets(functional.nodes))
    expected = [each[0] + each[2], each[1], each[3] + each[5], each[4]]
    npt.assert_allclose(grouped, expected, rtol=1e-13)


def test_a_first_order_functional_is_the_gradient_measure():
    pieces = segments([LineString(SQUARE)])
    first, both = (measures(pieces, np.arange(3), 1.0, order) for order in (1, 2))
    assert (first.size, both.size) == (3, 6)
    npt.assert_array_equal(first.nodes, both.nodes)
    jets = A2.jets(first.nodes)
    npt.assert_allclose(first.apply(jets[:, :3]), both.apply(jets)[:3], rtol=1e-14)
