"""Counts, lengths and distances of lines that are known."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import shapely
from shapely import LineString

import womble as wb


def drawn(lines, samples):
    frame = gpd.GeoDataFrame({"draw": [draw for draw, _ in lines]}, geometry=[g for _, g in lines])
    frame.attrs["womble"] = {"samples": samples}
    return frame


def test_statistics_of_known_lines_and_of_draws_without_one():
    bent = LineString([(0, 0), (3, 0), (3, 4)])  # length 7, diameter 5
    short = LineString([(10, 10), (10, 11)])
    table = wb.boundary_statistics(drawn([(0, bent), (0, short), (2, short)], 4))
    assert table.index.name == "draw"
    npt.assert_array_equal(table.number, [2, 0, 1, 0])
    npt.assert_allclose(table.total_length, [8, 0, 1, 0])
    npt.assert_allclose(table.longest_length, [7, 0, 1, 0])
    npt.assert_allclose(table.largest_diameter, [5, 0, 1, 0])


def test_statistics_of_no_lines_at_all():
    table = wb.boundary_statistics(drawn([], 3))
    npt.assert_array_equal(table, np.zeros((3, 4)))


def test_the_number_of_draws_must_be_known():
    with pytest.raises(ValueError, match="number of draws in"):
        wb.boundary_statistics(
            gpd.GeoDataFrame({"draw": [0]}, geometry=[LineString([(0, 0), (1, 1)])])
        )


def test_parallel_lines_are_as_near_as_they_are():
    a, b = LineString([(0, 0), (10, 0)]), LineString([(0, 3), (10, 3)])
    near = wb.boundary_overlap(a, b, within=3.0)
    npt.assert_allclose(near, [3.0, 3.0, 1.0, 1.0])
    far = wb.boundary_overlap([a], gpd.GeoSeries([b]), within=2.9)
    npt.assert_allclose(far, [3.0, 3.0, 0.0, 0.0])
    assert list(far.index) == [
        *("mean_distance_a_to_b", "mean_distance_b_to_a", "share_a_within", "share_b_within")
    ]


def test_a_longer_line_is_near_by_its_share():
    # b runs on by its own length: those places are t away from the end, 0 to 10, 5 on average.
    a, b = LineString([(0, 0), (10, 0)]), LineString([(0, 0), (20, 0)])
    near = wb.boundary_overlap(a, b, within=2.5)
    # Middles of pieces of 0.01: exact for what is linear, a share to half a piece.
    npt.assert_allclose(near[["mean_distance_a_to_b", "mean_distance_b_to_a"]], [0.0, 2.5])
    npt.assert_allclose(near[["share_a_within", "share_b_within"]], [1.0, 12.5 / 20], atol=1e-3)


def test_the_outline_of_a_polygon_counts_and_every_line_of_a_frame():
    square = shapely.box(0, 0, 10, 10)
    rays = gpd.GeoDataFrame(geometry=[LineString([(5, 5), (5, 9)]), LineString([(5, 5), (1, 5)])])
    near = wb.boundary_overlap(rays, square, within=3.0)
    # Both go from 5 to 1 away from the outline.
    npt.assert_allclose(near["mean_distance_a_to_b"], 3.0)
    npt.assert_allclose(near["share_a_within"], 0.5, atol=1e-3)


def test_the_boundaries_of_a_circle_and_its_double():
    inner, outer = (shapely.Point(0, 0).buffer(r, quad_segs=200).boundary for r in (1.0, 2.0))
    near = wb.boundary_overlap(inner, outer, within=0.9)
    # Regular polygons of 800 sides: within r (1 - cos(pi / 800)) of the circles.
    npt.assert_allclose(near, [1.0, 1.0, 0.0, 0.0], atol=2e-5)


@pytest.mark.parametrize(
    ("a", "within", "error", "message"),
    [
        ([], 1.0, ValueError, "`a` must hold at least one line; got 0"),
        (shapely.Point(0, 0), 1.0, ValueError, "geometries without length"),
        ([1, 2], 1.0, TypeError, "`a` must be a GeoDataFrame.*got list"),
        (3.0, 1.0, TypeError, "`a` must be a GeoDataFrame.*got float"),
        (LineString([(0, 0), (1, 0)]), -1.0, ValueError, "`within` must be a distance"),
    ],
)
def test_what_is_no_line_is_refused(a, within, error, message):
    with pytest.raises(error, match=message):
        wb.boundary_overlap(a, LineString([(0, 1), (1, 1)]), within=within)


def test_lines_in_two_systems_are_refused():
    line = [LineString([(0, 0), (1, 0)])]
    with pytest.raises(ValueError, match=r"in one CRS.*b.to_crs\(a.crs\)"):
        wb.boundary_overlap(
            gpd.GeoSeries(line, crs=28992), gpd.GeoSeries(line, crs=32631), within=1.0
        )
