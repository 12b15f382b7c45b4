"""From degrees to a plane."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pyproj
import pytest

import womble as wb


def at(lon, lat, crs="EPSG:4326"):
    return gpd.GeoDataFrame({"v": range(len(lon))}, geometry=gpd.points_from_xy(lon, lat), crs=crs)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [(5.8, 51.0, 32631), (6.2, 51.0, 32632), (-70.0, -33.0, 32719), (179.9, 10.0, 32660)],
)
def test_the_zone_is_that_of_the_middle(lon, lat, epsg):
    data = at([lon - 0.05, lon + 0.05], [lat, lat])
    assert wb.project(data).crs.to_epsg() == epsg == data.estimate_utm_crs().to_epsg()


def test_distances_are_those_on_the_ground():
    rng = np.random.default_rng(0)
    data = at(rng.uniform(3, 8, 200), rng.uniform(50, 54, 200))
    plane = wb.project(data).geometry
    lon, lat = data.geometry.x.to_numpy(), data.geometry.y.to_numpy()
    _, _, ground = pyproj.Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    apart = np.hypot(np.diff(plane.x), np.diff(plane.y))
    npt.assert_allclose(apart, ground, rtol=0.005)  # what is promised; within a zone 0.001


def test_across_the_180th_meridian():
    plane = wb.project(at([179.9, -179.9], [10.0, 10.0]))
    assert plane.crs.to_epsg() in (32601, 32660)
    _, _, ground = pyproj.Geod(ellps="WGS84").inv(179.9, 10.0, -179.9, 10.0)
    npt.assert_allclose(np.abs(np.diff(plane.geometry.x)), ground, rtol=0.001)


def test_rows_columns_and_units_stay():
    data = at([5.0, 6.0], [51.0, 52.0])
    data.attrs = {"units": {"v": "mg"}, "coordinate_units": "degree"}
    plane = wb.project(data)
    assert plane.attrs == {"units": {"v": "mg"}}
    assert plane["v"].tolist() == [0, 1]
    assert isinstance(wb.project(data.geometry), gpd.GeoSeries)
    assert data.crs.is_geographic


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (at([0, 40], [10, 10]), r"longitudes 0.00 to 40.00, UTM zones 31 to 37.*proj=laea"),
        (at([0, 1], [88, 89]), r"UTM ends at 80 degrees south and 84 north"),
        (at([0, np.inf], [0, 1]), r"must lie on the Earth; 1 of 2"),
        (at([0, 500], [0, 1]), r"must lie on the Earth; 1 of 2"),
        (at([], []), r"at least one location"),
        (at([0, 1], [0, 1], crs=None), r"must have a CRS.*set_crs\('EPSG:4326'\)"),
        (gpd.GeoDataFrame({"v": [1]}), r"must have a geometry column"),
    ],
)
def test_what_no_zone_can_hold_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        wb.project(data)


def test_only_frames_are_projected():
    with pytest.raises(TypeError, match=r"`data` must be a GeoDataFrame or GeoSeries; got list"):
        wb.project([1, 2])


def test_the_error_of_degrees_names_project():
    data = at(np.linspace(5, 6, 20), np.linspace(51, 52, 20) ** 2 % 50)
    with pytest.raises(ValueError, match=r"wb\.project\(data\)"):
        wb.FieldModel().condition(data, "v", lengthscale=1.0, amplitude=1.0, noise_sd=1.0)
