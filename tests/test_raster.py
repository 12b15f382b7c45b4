"""Rasters: what is read back under a known coordinate is what the surface says there."""

import numpy as np
import numpy.testing as npt
import pytest
import rasterio
import xarray as xr
from pyproj import CRS

from womble.raster import write_geotiff

STATISTICS = ("mean", "sd", "q025", "q50", "q975")
UNITS = {"value": "mg kg-1", "dx": "mg kg-1 m-1"}


def wave(x, y):
    """sin(x / 100) cos(y / 100) and its derivative in x."""
    return {
        "value": np.sin(x / 100) * np.cos(y / 100),
        "dx": np.cos(x / 100) * np.cos(y / 100) / 100,
    }


def surface(ascending=True, crs="EPSG:28992", leading=STATISTICS):
    """The wave on 6 x 9 cells of 40 x 20 units, one masked; band k holds the wave plus k."""
    x, y = 181000.0 + 40.0 * np.arange(9), 332000.0 + 20.0 * np.arange(6)
    y = y if ascending else y[::-1]
    fields = wave(x[None, :] - 181000.0, y[:, None] - 332000.0)
    dim, labels = (
        ("statistic", list(leading)) if isinstance(leading, tuple) else ("draw", range(leading))
    )
    ds = xr.Dataset(coords={dim: labels, "y": y, "x": x})
    for name, field in fields.items():
        stack = field[None] + np.arange(len(labels))[:, None, None]
        stack[:, 2, 3] = np.nan
        ds[name] = (
            (dim, "y", "x"),
            stack,
            {"units": UNITS[name], "long_name": f"{name} of the wave"},
        )
    if dim == "statistic":
        ds["dx_p_positive"] = ("y", "x"), np.where(fields["dx"] > 0, 0.99, 0.01)
        ds["dx_significant"] = (
            ("y", "x"),
            np.sign(fields["dx"]).astype("int8"),
            {"rule": "interval, per cell"},
        )
    if crs is not None:
        ds.coords["spatial_ref"] = (), 0, {"crs_wkt": CRS(crs).to_wkt()}
    return ds


@pytest.mark.parametrize("ascending", [True, False], ids=["y ascends", "y descends"])
def test_a_coordinate_finds_its_value_and_the_file_is_north_up(tmp_path, ascending):
    ds = surface(ascending)
    paths = write_geotiff(ds, tmp_path)
    assert [p.name for p in paths] == ["value.tif", "dx.tif"]
    points = [(x, y) for y in ds.y.values for x in ds.x.values]
    for path in paths:
        with rasterio.open(path) as file:
            assert file.transform.e < 0 < file.transform.a
            sampled = np.array(list(file.sample(points, indexes=list(range(1, 6)))))
        npt.assert_array_equal(sampled.T.reshape(5, 6, 9), ds[path.stem].values)


def test_off_centre_coordinates_fall_into_the_cell_around_them(tmp_path):
    # A transform counts from pixel corners: one that started at a centre would show here.
    ds = surface()
    path, _ = write_geotiff(ds, tmp_path)
    with rasterio.open(path) as file:
        assert tuple(file.bounds) == (180980.0, 331990.0, 181340.0, 332110.0)
        for dx, dy in [(-19.9, -9.9), (-19.9, 9.9), (19.9, -9.9), (19.9, 9.9)]:
            value = next(file.sample([(181080.0 + dx, 332020.0 + dy)], indexes=1))[0]
            assert value == np.sin(0.8) * np.cos(0.2)


def test_bands_are_named_with_units_and_rule(tmp_path):
    value, dx = write_geotiff(surface(), tmp_path)
    with rasterio.open(value) as file:
        assert file.descriptions == STATISTICS
        assert set(file.units) == {"mg kg-1"}
        assert np.isnan(file.nodata)
        assert set(file.dtypes) == {"float64"}
    with rasterio.open(dx) as file:
        assert file.descriptions == (*STATISTICS, "p_positive", "significant")
        assert file.units == ("mg kg-1 m-1",) * 5 + ("1", "1")
        assert file.tags(7)["rule"] == "interval, per cell"
        assert file.tags(1)["units"] == "mg kg-1 m-1"
        assert set(np.unique(file.read(7))) == {-1.0, 1.0}


def test_the_crs_is_written_when_there_is_one(tmp_path):
    with rasterio.open(write_geotiff(surface(), tmp_path)[0]) as file:
        assert file.crs.to_epsg() == 28992
    with rasterio.open(write_geotiff(surface(crs=None), tmp_path)[0]) as file:  # and no warning
        assert file.crs is None


def test_draws_become_numbered_bands(tmp_path):
    ds = surface(leading=3)
    with rasterio.open(write_geotiff(ds, tmp_path)[0]) as file:
        assert file.descriptions == ("draw_0", "draw_1", "draw_2")
        npt.assert_array_equal(file.read(), ds["value"].values[:, ::-1])


def test_draws_without_a_coordinate_and_plain_maps(tmp_path):
    ds = surface(leading=2).drop_vars("draw")[["value"]]
    ds["chance"] = ds["value"].mean("draw")
    value, chance = write_geotiff(ds, tmp_path)
    with rasterio.open(value) as file:
        assert file.descriptions == ("draw_0", "draw_1")
    with rasterio.open(chance) as file:
        assert file.descriptions == ("chance",)


def test_the_order_of_dims_and_of_x_does_not_matter(tmp_path):
    ds = surface()
    write_geotiff(ds, tmp_path / "a")
    write_geotiff(
        ds.isel(x=slice(None, None, -1)).transpose("x", "statistic", "y"), tmp_path / "b" / "c"
    )
    with (
        rasterio.open(tmp_path / "a/value.tif") as a,
        rasterio.open(tmp_path / "b/c/value.tif") as b,
    ):
        assert a.transform == b.transform
        npt.assert_array_equal(a.read(), b.read())


def test_an_existing_file_is_replaced_and_nothing_else_is_left(tmp_path):
    write_geotiff(surface(), tmp_path)
    write_geotiff(surface() + 1.0, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dx.tif", "value.tif"]
    with rasterio.open(tmp_path / "value.tif") as file:
        assert file.read(1)[-1, 0] == 1.0  # sin 0 cos 0 + 1, at the south-western corner


def test_wrong_inputs_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"must be an xarray.Dataset.*DataArray.*to_dataset"):
        write_geotiff(surface()["value"], tmp_path)
    with pytest.raises(ValueError, match=r"'y' and 'x'.*Rename"):
        write_geotiff(surface().rename(y="lat"), tmp_path)
    with pytest.raises(ValueError, match=r"equally spaced.*between 40 and 80"):
        write_geotiff(surface().isel(x=[0, 1, 3, 4]), tmp_path)
    with pytest.raises(ValueError, match="at least 2 cells"):
        write_geotiff(surface().isel(y=[0]), tmp_path)
    with pytest.raises(ValueError, match="one dimension besides"):
        write_geotiff(surface().expand_dims(time=2), tmp_path)
    assert not list(tmp_path.iterdir())
