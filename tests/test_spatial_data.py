"""Every input becomes the same checked data, and every bad one says what to do."""

import pickle

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pyproj
import pytest
import shapely
import xarray as xr

import womble as wb
from womble.crs import require_same_crs
from womble.readers import looks_like_degrees, query_points
from womble.scaling import Scaling
from womble.spatial_data import spatial_data

RD = "EPSG:28992"


@pytest.fixture
def rng():
    return np.random.default_rng(20240601)


@pytest.fixture
def arrays(rng):
    """Twenty metre-like locations and a positive response."""
    return rng.uniform(1000, 3000, (20, 2)), rng.uniform(1, 5, 20)


def frame_of(coords, values, crs=RD, **columns):
    points = gpd.points_from_xy(coords[:, 0], coords[:, 1])
    return gpd.GeoDataFrame({"zinc": values, **columns}, geometry=points, crs=crs)


def raster_of(ny=4, nx=5, **kwargs):
    x, y = 1000 + 10.0 * np.arange(nx), 2000 + 10.0 * np.arange(ny)
    values = np.arange(float(ny * nx)).reshape(ny, nx)
    return xr.DataArray(values, {"y": y, "x": x}, ("y", "x"), **kwargs)


# --- the three inputs ------------------------------------------------------------------------


def test_geodataframe_and_tuple_agree(arrays):
    coords, values = arrays
    frame = spatial_data(frame_of(coords, values), "zinc")
    pair = spatial_data((coords, values), "zinc")
    npt.assert_array_equal(frame.coords, pair.coords)
    npt.assert_array_equal(frame.values, pair.values)
    npt.assert_array_equal(frame.rows, np.arange(20))
    assert frame.name == pair.name == "zinc"
    assert (frame.crs, frame.coordinate_units) == (pyproj.CRS(RD), "m")
    assert (pair.crs, pair.coordinate_units, pair.units, pair.link_units) == (None,) * 4
    assert spatial_data((coords, values)).name == "value"


def test_input_is_copied(arrays):
    coords, values = arrays
    data = spatial_data((coords, values))
    first = data.coords[0].copy()
    coords[0] = 0.0
    npt.assert_array_equal(data.coords[0], first)


@pytest.mark.parametrize("column", [np.arange(20), np.arange(20) % 2 == 0], ids=["int", "bool"])
def test_integer_and_boolean_columns_become_floats(arrays, column):
    data = spatial_data(frame_of(arrays[0], column), "zinc")
    assert data.values.dtype == np.float64
    npt.assert_array_equal(data.values, column)


def test_points_with_height_lose_it(arrays):
    coords, values = arrays
    frame = frame_of(coords, values)
    frame = frame.set_geometry(gpd.points_from_xy(coords[:, 0], coords[:, 1], values), crs=RD)
    npt.assert_array_equal(spatial_data(frame, "zinc").coords, coords)


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_one_dimension(rng, shape):
    x = rng.uniform(size=20)
    data = spatial_data((x.reshape(shape), np.sin(x)))
    npt.assert_array_equal(data.coords, x[:, None])


def test_three_dimensions(rng):
    coords = rng.uniform(size=(20, 3))
    assert spatial_data((coords, coords[:, 0])).coords.shape == (20, 3)


@pytest.mark.parametrize("dims", [("y", "x"), ("x", "y")])
@pytest.mark.parametrize("names", [("y", "x"), ("northing", "easting")])
def test_raster_in_either_order_and_naming(dims, names):
    raster = raster_of(name="elevation", attrs={"units": "m"}).transpose(*dims)
    raster = raster.rename(dict(zip(("y", "x"), names, strict=True)))
    data = spatial_data(raster)
    assert (data.name, data.units, data.crs) == ("elevation", "m", None)
    npt.assert_array_equal(data.values, np.arange(20))  # row-major in (y, x)
    npt.assert_array_equal(data.coords[:6, 0], [1000, 1010, 1020, 1030, 1040, 1000])
    npt.assert_array_equal(data.coords[:6, 1], [2000] * 5 + [2010])


def test_missing_cells_of_a_raster_are_left_out_without_a_warning():
    raster = raster_of()
    raster[1, 2] = np.nan
    data = spatial_data(raster, "height")
    assert data.name == "height"
    assert 7 not in data.values
    npt.assert_array_equal(data.rows, np.delete(np.arange(20), 7))


def test_nodata_of_an_unmasked_raster_is_missing():
    raster = raster_of()
    raster[0, 0] = -9999.0
    assert spatial_data(raster.rio.write_nodata(-9999.0)).values.min() == 1


def test_raster_crs_is_read_from_spatial_ref():
    data = spatial_data(raster_of().rio.write_crs(RD))
    assert data.crs == pyproj.CRS(RD)
    assert data.coordinate_units == "m"


def test_masked_entries_are_missing(arrays):
    coords, values = arrays
    masked = np.ma.masked_array(values, mask=np.arange(20) == 3)
    with pytest.warns(UserWarning, match="1 of 20 rows has a missing value in 'value' and was"):
        data = spatial_data((coords, masked))
    npt.assert_array_equal(data.rows, np.delete(np.arange(20), 3))


def test_data_survive_pickling(arrays):
    data = pickle.loads(pickle.dumps(spatial_data(frame_of(*arrays), "zinc")))
    assert data.crs == pyproj.CRS(RD)


# --- units and transform ---------------------------------------------------------------------


def test_units_come_from_attrs_unless_given(arrays):
    frame = frame_of(*arrays)
    frame.attrs["units"] = {"zinc": "mg kg-1"}
    assert spatial_data(frame, "zinc").units == "mg kg-1"
    assert spatial_data(frame, "zinc", units="ppm").units == "ppm"


def test_log_transform_and_its_units(arrays):
    data = spatial_data(arrays, transform="log", units="mg kg-1")
    npt.assert_array_equal(data.values, np.log(arrays[1]))
    assert (data.units, data.link_units) == ("mg kg-1", "ln(re 1 mg kg-1)")
    assert data.difference_units == "1"
    assert spatial_data(arrays, units="mg kg-1").link_units == "mg kg-1"
    assert spatial_data(arrays, transform="log").link_units is None


@pytest.mark.parametrize(
    ("crs", "unit"),
    [
        ("EPSG:28992", "m"),
        ("EPSG:28992+5709", "m"),  # compound: with heights
        ("EPSG:2263", "US survey foot"),
        ("EPSG:2157", "m"),
        ("+proj=utm +zone=31 +units=km +type=crs", "km"),
        ("+proj=utm +zone=31 +units=ft +type=crs", "ft"),
        ("+proj=utm +zone=31 +ellps=bessel +towgs84=1,2,3 +type=crs", "m"),  # bound
    ],
)
def test_coordinate_units_come_from_the_crs(arrays, crs, unit):
    assert spatial_data(frame_of(*arrays, crs=crs), "zinc").coordinate_units == unit


def test_coordinate_units_without_a_crs_come_from_attrs(arrays):
    frame = frame_of(*arrays, crs=None)
    frame.attrs["coordinate_units"] = "1000 ft"
    assert spatial_data(frame, "zinc").coordinate_units == "1000 ft"


# --- scaling ---------------------------------------------------------------------------------


def test_scaling_centres_and_scales(arrays):
    data = spatial_data(arrays)
    scaling = data.scaling
    inside = scaling.coords_in(data.coords)
    npt.assert_allclose(inside.mean(axis=0), 0, atol=1e-13)
    npt.assert_allclose(np.mean(np.sum(inside**2, axis=1)), 1)
    values = scaling.values_in(data.values)
    npt.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-13)


def test_scaling_keeps_leading_shapes():
    scaling = Scaling(np.array([1.0, 2.0]), 2.0, 0.0, 1.0)
    npt.assert_array_equal(scaling.coords_in(np.full((3, 4, 2), 5.0))[2, 3], [2.0, 1.5])


def test_length_does_not_change_under_rotation_and_shift(arrays):
    coords, values = arrays
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = spatial_data((coords @ turn.T + 500.0, values)).scaling
    npt.assert_allclose(turned.length, spatial_data((coords, values)).scaling.length)


@pytest.mark.parametrize(
    ("d", "order", "powers"),
    [
        (1, 0, [0]),
        (1, 2, [0, 1, 2]),
        (2, 0, [0]),
        (2, 1, [0, 1, 1]),
        (2, 2, [0, 1, 1, 2, 2, 2]),
        (3, 2, [0, 1, 1, 1, 2, 2, 2, 2, 2, 2]),
    ],
)
def test_jet_units_are_scale_over_powers_of_length(d, order, powers):
    units = Scaling(np.zeros(d), 4.0, 7.0, 3.0).jet_units(d, order)
    npt.assert_allclose(units, 3.0 / 4.0 ** np.array(powers))


def test_jet_units_restore_the_derivatives_of_a_quadratic(arrays):
    # f(s) = x^2 + 3 x y has f_x = 2x + 3y, f_xx = 2, f_xy = 3, f_yy = 0, at any scaling.
    coords, _ = arrays
    x, y = coords.T
    scaling = spatial_data((coords, x**2 + 3 * x * y)).scaling
    a, b, step = np.array([1500.0, 2500.0]), scaling, 1e-3
    u = b.coords_in(a)

    def inside(e, f):
        p, q = b.origin + b.length * (u + step * np.array([e, f]))
        return b.values_in(p**2 + 3 * p * q)

    dx = (inside(1, 0) - inside(-1, 0)) / (2 * step)
    dxy = (inside(1, 1) - inside(1, -1) - inside(-1, 1) + inside(-1, -1)) / (4 * step**2)
    units = b.jet_units(2, 2)
    # Central differences of a quadratic are exact; rounding is eps / step**2 ~ 1e-9.
    npt.assert_allclose(units[[1, 4]] * [dx, dxy], [2 * 1500 + 3 * 2500, 3], rtol=1e-6)


# --- missing and infinite --------------------------------------------------------------------


def test_missing_values_are_dropped_and_counted(arrays):
    coords, values = arrays
    values[[2, 5]] = np.nan
    frame = frame_of(coords, values)
    message = "^2 of 20 rows have a missing value in 'zinc' and were dropped$"
    with pytest.warns(UserWarning, match=message):
        data = spatial_data(frame, "zinc")
    npt.assert_array_equal(data.rows, np.delete(np.arange(20), [2, 5]))
    npt.assert_array_equal(data.coords, np.delete(coords, [2, 5], axis=0))


def test_nullable_integers_may_be_missing(arrays):
    column = pd.array([*range(19), None], dtype="Int64")
    with pytest.warns(UserWarning, match="1 of 20 rows has a missing value"):
        data = spatial_data(frame_of(arrays[0], column), "zinc")
    npt.assert_array_equal(data.values, np.arange(19))


def test_missing_locations_are_dropped_and_counted(arrays):
    coords, values = arrays
    frame = frame_of(coords, values)
    frame.loc[0, "geometry"] = None
    frame.loc[1, "geometry"] = shapely.Point()
    with pytest.warns(UserWarning, match="2 of 20 rows have no location and were dropped"):
        assert len(spatial_data(frame, "zinc").values) == 18
    coords[4, 1] = np.nan
    with pytest.warns(UserWarning, match="1 of 20 rows has no location and was dropped"):
        npt.assert_array_equal(spatial_data((coords, values)).rows, np.delete(np.arange(20), 4))


def test_a_row_without_either_is_counted_once(arrays):
    coords, values = arrays
    coords[4, 1] = values[4] = np.nan
    with pytest.warns(UserWarning, match="dropped") as caught:
        spatial_data((coords, values))
    assert [str(w.message) for w in caught] == ["1 of 20 rows has no location and was dropped"]


def test_none_in_lists_is_missing(arrays):
    coords, values = arrays
    with pytest.warns(UserWarning, match="1 of 20 rows has a missing value"):
        spatial_data((coords.tolist(), [None, *values[1:]]))


def test_infinite_numbers_are_refused(arrays):
    coords, values = arrays
    coords[3] = [np.inf, -np.inf]
    with pytest.raises(ValueError, match=r"the coordinates must be finite; 1 of 20 are infinite"):
        spatial_data((coords, values))
    coords[3], values[:2] = 1500.0, -np.inf
    with pytest.raises(ValueError, match=r"values of 'zinc' must be finite; 2 of 20 are infinite"):
        spatial_data(frame_of(coords, values), "zinc")


# --- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["lead", None])
def test_unknown_column_lists_those_there_are(arrays, column):
    frame = frame_of(*arrays, soil=["a"] * 20)
    with pytest.raises(ValueError, match=r"must name a column.*numeric columns are \['zinc'\]"):
        spatial_data(frame, column)


@pytest.mark.parametrize(
    "column",
    [["a"] * 20, pd.Categorical([1] * 20), np.full(20, 1j)],
    ids=["text", "category", "complex"],
)
def test_column_must_be_numeric(arrays, column):
    with pytest.raises(TypeError, match=r"'soil' must be numeric; got dtype .*to_numeric"):
        spatial_data(frame_of(*arrays, soil=column), "soil")


def test_repeated_column_name_is_refused(arrays):
    frame = frame_of(*arrays, lead=arrays[1]).rename(columns={"lead": "zinc"})
    with pytest.raises(ValueError, match="2 are called 'zinc'"):
        spatial_data(frame, "zinc")


def test_geometry_must_be_points(arrays):
    frame = frame_of(*arrays)
    frame.loc[0, "geometry"] = shapely.LineString([[0, 0], [1, 1]])
    frame.loc[1, "geometry"] = shapely.MultiPoint([[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="2 of 20 rows are LineString, MultiPoint"):
        spatial_data(frame, "zinc")


def test_geometry_must_be_there(arrays):
    with pytest.raises(ValueError, match="must have a geometry column of points; it has none"):
        spatial_data(gpd.GeoDataFrame({"zinc": arrays[1]}), "zinc")


def test_empty_data_are_refused(arrays):
    frame = frame_of(*arrays).iloc[:0]
    with pytest.raises(ValueError, match=r"at least 10 distinct locations .* got 0"):
        spatial_data(frame, "zinc")
    with pytest.raises(ValueError, match=r"at least 10 distinct locations .* got 0"):
        spatial_data(raster_of() * np.nan)


def test_repeats_are_allowed_but_ten_distinct_locations_are_needed(arrays):
    coords, values = arrays
    coords[10:] = coords[:10]
    assert len(spatial_data((coords, values)).values) == 20
    coords[9] = coords[19] = coords[0]
    with pytest.raises(ValueError, match=r"at least 10 distinct .* got 9 \(from 20 rows\)"):
        spatial_data((coords, values))


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (3, 4), (1, 1e-9)])
def test_locations_on_a_line_are_refused(rng, direction):
    distance = rng.uniform(0, 1000, 20)
    coords = np.array([5e5, 5.8e6]) + distance[:, None] * direction  # UTM-like offsets
    with pytest.raises(ValueError, match=r"lie on one line.*1-D distances along the line"):
        spatial_data((coords, distance))
    assert spatial_data((distance, distance)).coords.shape == (20, 1)


def test_a_narrow_strip_is_not_a_line(rng):
    coords = rng.uniform(size=(20, 2)) * [1000.0, 0.1]
    assert len(spatial_data((coords, coords[:, 0])).values) == 20


@pytest.mark.parametrize("wrong", ["sqrt", "Log", True])
def test_transform_is_none_or_log(arrays, wrong):
    with pytest.raises(ValueError, match="`transform` must be None or 'log'; got"):
        spatial_data(arrays, transform=wrong)


def test_log_of_values_that_are_not_positive_is_refused_with_their_count(arrays):
    coords, values = arrays
    values[:3] = [0.0, -1.0, 0.0]
    with pytest.raises(ValueError, match="3 of 20 in 'value' are zero or negative"):
        spatial_data((coords, values), transform="log")


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
def test_constant_values_are_refused(arrays, constant):
    with pytest.raises(ValueError, match="the values must vary; all 20 of 'value'"):
        spatial_data((arrays[0], np.full(20, constant)))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4326+5773", "EPSG:4979", "EPSG:4978"])
def test_geographic_and_geocentric_crs_are_refused(arrays, crs):
    with pytest.raises(ValueError, match=r"must be in a projected CRS.*estimate_utm_crs\(\)"):
        spatial_data(frame_of(*arrays, crs=crs), "zinc")


def test_geographic_raster_is_refused():
    with pytest.raises(ValueError, match=r"estimate_utm_crs\(\)"):
        spatial_data(raster_of().rio.write_crs("EPSG:4326"))


@pytest.mark.parametrize(
    ("coords", "values", "message"),
    [
        (np.zeros((20, 2, 1)), np.zeros(20), r"`coords` must have shape \(n, d\)"),
        (np.zeros((20, 0)), np.zeros(20), r"`coords` must have shape \(n, d\)"),
        (np.zeros((20, 2)), np.zeros(19), r"`values` must have shape \(20,\).*got \(19,\)"),
        (np.zeros((2, 20)), np.zeros(20), r"`values` must have shape \(2,\)"),
        (np.zeros((20, 2)), np.zeros((20, 1)), r"got \(20, 1\)"),
    ],
)
def test_shapes_must_match(coords, values, message):
    with pytest.raises(ValueError, match=message):
        spatial_data((coords, values))


@pytest.mark.parametrize(
    "values",
    [["a"] * 20, np.zeros(20, "M8[s]"), np.zeros(20, complex), [pd.NA] * 20, [[1], [1, 2]]],
)
def test_arrays_must_hold_numbers(arrays, values):
    with pytest.raises(TypeError, match="`values` must be an array of real numbers"):
        spatial_data((arrays[0], values))


def test_a_tuple_is_a_pair(arrays):
    with pytest.raises(ValueError, match=r"must be `\(coords, values\)`; got 3 entries"):
        spatial_data((*arrays, None))


@pytest.mark.parametrize(
    "wrong",
    [pd.DataFrame({"x": [1]}), xr.Dataset(), np.zeros((20, 3)), [1, 2], None],
    ids=["table", "Dataset", "array", "list", "None"],
)
def test_other_types_are_refused(wrong):
    with pytest.raises(TypeError, match="must be a GeoDataFrame of points, a tuple"):
        spatial_data(wrong)


def test_raster_dimensions_are_checked():
    with pytest.raises(ValueError, match=r"must have dimensions x, y or easting, northing"):
        spatial_data(raster_of().rename(x="lon", y="lat"))
    with pytest.raises(ValueError, match=r"Select one layer.*isel\(band=0\)"):
        spatial_data(raster_of().expand_dims("band"))
    with pytest.raises(ValueError, match=r"must have coordinates.*assign_coords"):
        spatial_data(raster_of().drop_vars("x"))


# --- degrees in disguise ---------------------------------------------------------------------

BOXES = {  # (xmin, ymin, xmax, ymax), looks like degrees
    "unit square": ((0, 0, 1, 1), False),
    "inner unit square": ((0.02, 0.03, 0.97, 0.98), False),
    "symmetric": ((-10, -10, 10, 10), False),
    "hundreds": ((0, 0, 100, 100), False),
    "metres": ((1e5, 4e5, 2e5, 5e5), False),
    "Netherlands": ((3.4, 50.8, 7.2, 53.5), True),
    "Europe": ((-10, 35, 40, 70), True),
    "United States": ((-125, 25, -67, 49), True),
    "Australia": ((113, -44, 154, -10), True),
    "globe": ((-179, -80, 179, 85), True),
}


@pytest.mark.parametrize(("box", "expected"), BOXES.values(), ids=BOXES)
def test_looks_like_degrees(box, expected):
    corners = np.array([box[:2], box[2:]], dtype=float)
    assert looks_like_degrees(corners) is expected


def test_degrees_in_three_or_one_dimensions_are_not_guessed():
    assert not looks_like_degrees(np.array([[5.0], [6.0]]))
    assert not looks_like_degrees(np.array([[5.0, 51.0, 1.0], [6.0, 52.0, 2.0]]))


def test_undeclared_degrees_warn_unless_units_are_stated(rng):
    coords, values = rng.uniform((3.4, 50.8), (7.2, 53.5), (20, 2)), rng.uniform(size=20)
    frame = frame_of(coords, values, crs=None)
    for data in ((coords, values), frame):
        with pytest.warns(UserWarning, match=r"look like longitudes.*estimate_utm_crs\(\)"):
            spatial_data(data, "zinc")
    frame.attrs["coordinate_units"] = "km"
    assert spatial_data(frame, "zinc").coordinate_units == "km"  # and no warning
    frame.attrs["coordinate_units"] = "degrees"
    with pytest.warns(UserWarning, match="look like longitudes"):
        spatial_data(frame, "zinc")


# --- curves, masks and rasters in another CRS ------------------------------------------------


def test_same_crs_is_fine():
    river = gpd.GeoSeries([shapely.Point(0, 0)], crs=RD)
    crs = pyproj.CRS(RD)
    for theirs in (river, river.to_frame("geometry"), crs, RD, 28992, "EPSG:28992+5709"):
        require_same_crs(theirs, crs, "curves")
    require_same_crs(RD, pyproj.CRS("EPSG:28992+5709"), "curves")
    require_same_crs(None, None, "curves")
    require_same_crs(gpd.GeoSeries([shapely.Point(0, 0)]), None, "curves")


def test_another_crs_names_to_crs():
    river = gpd.GeoSeries([shapely.Point(0, 0)], crs="EPSG:32631")
    with pytest.raises(ValueError, match=r"Amersfoort.*WGS 84 / UTM zone 31N.*curves\.to_crs"):
        require_same_crs(river, pyproj.CRS(RD), "curves")


@pytest.mark.parametrize(
    ("theirs", "ours", "lacking"), [(None, RD, "`curves`"), (RD, None, "the data")]
)
def test_one_crs_of_two_names_set_crs(theirs, ours, lacking):
    ours = None if ours is None else pyproj.CRS(ours)
    with pytest.raises(ValueError, match=rf"{lacking} must state it and has none.*set_crs"):
        require_same_crs(theirs, ours, "curves")


# --- query points ----------------------------------------------------------------------------


def test_query_points_take_arrays_and_geometry():
    expected = [[1.0, 2.0], [3.0, 4.0]]
    series = gpd.GeoSeries.from_xy([1, 3], [2, 4])
    for points in (expected, np.array([[1, 2], [3, 4]]), series, series.to_frame("geometry")):
        actual = query_points(points, 2)
        assert actual.dtype == np.float64
        npt.assert_array_equal(actual, expected)
    assert query_points(np.empty((0, 2)), 2).shape == (0, 2)


def test_query_points_on_a_line():
    for points in ([1, 2, 3], [[1], [2], [3]]):
        npt.assert_array_equal(query_points(points, 1), [[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("points", "d", "got"),
    [([1.0, 2.0], 2, r"\(2,\)"), (np.zeros((4, 3)), 2, r"\(4, 3\)"), (np.zeros((4, 2)), 1, "4, 2")],
)
def test_query_points_of_the_wrong_shape_are_refused(points, d, got):
    with pytest.raises(ValueError, match=rf"`at` must have shape \(p, {d}\).*got .*{got}"):
        query_points(points, d, "at")


def test_query_points_must_be_finite_numbers():
    with pytest.raises(ValueError, match="must be finite; 2 of 3 locations"):
        query_points([[0, np.nan], [1, 1], [np.inf, 0]], 2)
    with pytest.raises(ValueError, match="must be finite; 1 of 2 locations"):
        query_points(gpd.GeoSeries([None, shapely.Point(0, 0)]), 2)
    with pytest.raises(TypeError, match="must be an array of real numbers"):
        query_points([["a", "b"]], 2)
    with pytest.raises(ValueError, match="must have Point geometry"):
        query_points(gpd.GeoSeries([shapely.LineString([[0, 0], [1, 1]])]), 2)


def test_warnings_point_at_the_users_own_line(zinc):
    gaps = zinc.copy()
    gaps.loc[gaps.index[:3], "zinc"] = np.nan
    with pytest.warns(UserWarning, match="3 of .* dropped") as record:
        wb.FieldModel().condition(gaps, "zinc", lengthscale=30.0, amplitude=1.0, noise_sd=0.3)
    assert [warning.filename for warning in record] == [__file__]
