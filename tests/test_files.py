"""Data from files, tables into files, and everything opened by others in a process of its own."""

import pickle
import subprocess
import sys

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import shapely

import womble as wb

CRS = "EPSG:28992"


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    s = rng.uniform(0, 1000, (30, 2))
    table = {"zinc": rng.normal(size=30), "soil": list("abc") * 10}
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(*s.T), crs=CRS)


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".fgb", ".parquet"])
def test_tables_come_back_as_they_were(points, tmp_path, ending):
    path = wb.write_table(points, tmp_path / "new" / f"points{ending}")
    back = wb.read_data(path)
    assert back.crs == points.crs
    back = back.set_index("zinc").loc[points["zinc"]].reset_index()  # FlatGeobuf sorts by place
    npt.assert_array_equal(back["zinc"], points["zinc"])
    assert back["soil"].tolist() == points["soil"].tolist()
    # GeoJSON is written with 15 significant digits.
    npt.assert_allclose(back.geometry.x, points.geometry.x, rtol=1e-14)


def test_shapefiles_are_read(points, tmp_path):
    points.to_file(tmp_path / "points.shp")
    back = wb.read_data(tmp_path / "points.shp")
    assert back.crs == points.crs
    npt.assert_allclose(back.geometry.y, points.geometry.y, rtol=1e-12)


def test_csv_holds_geometry_as_text(points, tmp_path):
    path = wb.write_table(points, tmp_path / "points.csv")
    back = gpd.GeoSeries.from_wkt(pd.read_csv(path)["geometry"])
    npt.assert_array_equal(shapely.get_coordinates(back), shapely.get_coordinates(points.geometry))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y"), ("Easting", "Northing")])
def test_csv_columns_of_coordinates_are_found(tmp_path, separator, names):
    path = tmp_path / "table.csv"
    table = pd.DataFrame({names[0]: [1.0, 2.0], names[1]: [3.0, np.nan], "v": [5, 6]})
    table.to_csv(path, sep=separator, index=False)
    frame = wb.read_data(path, crs=CRS)
    assert frame.crs.to_epsg() == 28992
    npt.assert_array_equal(frame["v"], [5, 6])
    assert (frame.geometry.iloc[0].x, frame.geometry.iloc[0].y) == (1.0, 3.0)
    assert frame.geometry.iloc[1] is None


def test_parquet_without_geometry_is_a_table(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}).to_parquet(tmp_path / "t.parquet")
    frame = wb.read_data(tmp_path / "t.parquet", x="a", y="b")
    npt.assert_array_equal(frame.geometry.y, [3.0, 4.0])
    with pytest.raises(ValueError, match=r"named with `x` and `y`.*a, b"):
        wb.read_data(tmp_path / "t.parquet")


def write_raster(path, bands=1, crs=CRS):
    import rasterio

    values = np.arange(12.0 * bands).reshape(bands, 3, 4)
    values[0, 0, 0] = -1
    transform = rasterio.Affine(10, 0, 100, 0, -10, 200)
    profile = {"driver": "GTiff", "width": 4, "height": 3, "count": bands, "dtype": "float64"}
    with rasterio.open(path, "w", **profile, nodata=-1, transform=transform, crs=crs) as file:
        file.write(values)
        for i in range(1, bands + 1):
            file.set_band_description(i, f"band {chr(96 + i)}")
    return values


def test_rasters_have_cell_centres_and_nodata_missing(tmp_path):
    values = write_raster(tmp_path / "r.tif")
    raster = wb.read_data(tmp_path / "r.tif")
    npt.assert_array_equal(raster.x, [105, 115, 125, 135])
    npt.assert_array_equal(raster.y, [195, 185, 175])
    assert np.isnan(raster[0, 0])
    npt.assert_array_equal(raster.to_numpy().ravel()[1:], values.ravel()[1:])
    assert raster.rio.crs.to_epsg() == 28992
    grid = wb.Grid.from_data(raster, spacing=10.0)
    assert grid.crs.to_epsg() == 28992


def test_a_band_is_asked_for_by_number_or_name(tmp_path):
    values = write_raster(tmp_path / "r.tif", bands=3)
    for layer in (2, "2", "band b"):
        npt.assert_array_equal(wb.read_data(tmp_path / "r.tif", layer=layer), values[1])
    for layer in (None, 0, 4, "band z"):
        with pytest.raises(ValueError, match=r"`layer` must be a band of 'r.tif'.*'band a'"):
            wb.read_data(tmp_path / "r.tif", layer=layer)


def test_a_layer_is_named_where_there_are_several(points, tmp_path):
    path = tmp_path / "two.gpkg"
    points.to_file(path, layer="one")
    points.iloc[:5].to_file(path, layer="two")
    assert len(wb.read_data(path, layer="two")) == 5
    for layer in (None, "three", 1):
        with pytest.raises(ValueError, match=r"`layer` must name a layer.*'one', 'two'"):
            wb.read_data(path, layer=layer)


def test_what_a_file_says_is_not_overruled(points, tmp_path):
    path = wb.write_table(points, tmp_path / "p.gpkg")
    assert wb.read_data(path, crs=28992).crs == points.crs
    with pytest.raises(ValueError, match=r"`crs` is of files that do not say.*'Amersfoort"):
        wb.read_data(path, crs="EPSG:32631")
    with pytest.raises(ValueError, match=r"`x` and `y` name columns.*its own"):
        wb.read_data(path, x="zinc", y="zinc")
    write_raster(tmp_path / "r.tif")
    with pytest.raises(ValueError, match=r"`crs` is of files that do not say"):
        wb.read_data(tmp_path / "r.tif", crs="EPSG:32631")
    write_raster(tmp_path / "bare.tif", crs=None)
    assert wb.read_data(tmp_path / "bare.tif", crs=CRS).rio.crs.to_epsg() == 28992


def test_degrees_in_a_table_ask_for_their_crs(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("lon,lat,v\n5,52,1\n6,52,2\n")
    with pytest.raises(ValueError, match=r"'lon' and 'lat' are degrees.*EPSG:4326.*--project"):
        wb.read_data(path)
    assert wb.read_data(path, crs=4326).crs.is_geographic


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "cannot be read as a table"),
        ("t.csv", b"x,y,v\n1,2\n1,2,3,4\n", "cannot be read as a table"),
        ("t.csv", b"\xff\xfe\x00x", "cannot be read as a table.*UTF-8"),
        ("t.csv", b'x,y,v\n1,"2,5",3\n', "column 'y' of 't.csv' must hold numbers; got .*'2,5'"),
        ("t.csv", b"a,b\n1,2\n", "named with `x` and `y`, as no usual pair.*a, b"),
        ("t.csv", b"x,y,lon,lat\n1,2,3,4\n", "both there"),
        ("t.gpkg", b"nonsense", "'t.gpkg' cannot be read"),
        ("t.geojson", b"{}", "'t.geojson' cannot be read"),
        ("t.parquet", b"nonsense", "cannot be read as Parquet"),
        ("t.tif", b"nonsense", "cannot be read as a raster"),
        ("t.xlsx", b"nonsense", "`path` must end in one of .csv"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        wb.read_data(tmp_path / name)


def test_arguments_of_files_are_checked(points, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        wb.read_data(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="is a folder"):
        wb.read_data(tmp_path)
    with pytest.raises(TypeError, match="`path` must be a path"):
        wb.read_data(None)
    (tmp_path / "t.csv").write_text("x,y,v\n1,2,3\n")
    with pytest.raises(ValueError, match="`crs` must be a coordinate reference system"):
        wb.read_data(tmp_path / "t.csv", crs="no such")
    with pytest.raises(ValueError, match="given together"):
        wb.read_data(tmp_path / "t.csv", x="x")
    with pytest.raises(ValueError, match="`y` must name a column; got 'z'"):
        wb.read_data(tmp_path / "t.csv", x="x", y="z")
    with pytest.raises(ValueError, match="must be two columns"):
        wb.read_data(tmp_path / "t.csv", x="x", y="x")
    with pytest.raises(TypeError, match="`frame` must be a GeoDataFrame"):
        wb.write_table([1], tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"must end in one of.*Shapefiles cut"):
        wb.write_table(points, tmp_path / "t.shp")
    with pytest.raises(ValueError, match=r"\.gpkg holds geometry"):
        wb.write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.gpkg")


OPEN_ALL = """
import pickle, sys
import geopandas as gpd, rasterio, xarray as xr
folder = sys.argv[1]
ds = xr.open_dataset(f"{folder}/surface.nc", engine="h5netcdf").load()
out = {"surface": ds, "lines": {}}
for ending in ("gpkg", "geojson", "fgb"):
    out["lines"][ending] = gpd.read_file(f"{folder}/lines.{ending}")
out["lines"]["parquet"] = gpd.read_parquet(f"{folder}/lines.parquet")
with rasterio.open(f"{folder}/dx.tif") as file:
    out["tif"] = (file.read(), file.descriptions, file.units, file.transform, file.crs.to_epsg(),
                  [file.tags(i) for i in file.indexes],
                  file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"))
sys.stdout.buffer.write(pickle.dumps(out))
"""


def test_a_fresh_process_reads_what_was_in_memory(tmp_path):
    """Surfaces by xarray and rasterio, lines by geopandas: equal to the last bit."""
    zinc = wb.datasets.meuse()
    known = {"lengthscale": 600.0, "amplitude": 0.6, "noise_sd": 0.3, "transform": "log"}
    posterior = wb.FieldModel().condition(zinc, "zinc", **known)
    grid = wb.Grid.from_data(zinc, spacing=150.0)
    ds = posterior.surface(grid, samples=20, rng=1, progress=False)
    lines = posterior.boundaries(
        grid, kind="level", levels=[6.0], samples=20, rng=1, progress=False
    )
    assert len(lines)
    ds.to_netcdf(tmp_path / "surface.nc", engine="h5netcdf")
    for ending in ("gpkg", "geojson", "fgb", "parquet"):
        wb.write_table(lines, tmp_path / f"lines.{ending}")
    wb.write_geotiff(ds, tmp_path)
    command = [sys.executable, "-c", OPEN_ALL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True)
    found = pickle.loads(done.stdout)

    for name in ds.variables:
        npt.assert_array_equal(found["surface"][name].to_numpy(), ds[name].to_numpy())
        assert found["surface"][name].attrs.get("units") == ds[name].attrs.get("units")
    assert found["surface"].attrs["Conventions"].startswith("CF-")
    for frame in found["lines"].values():
        assert frame.crs == lines.crs
        frame = frame.sort_values("boundary_id", ignore_index=True)
        for column in ("length", "probability", "steepness_mean", "position_sd"):
            npt.assert_array_equal(frame[column], lines[column])
        assert frame["kind"].tolist() == lines["kind"].tolist()
        # GeoJSON holds 15 significant digits, the others all.
        npt.assert_allclose(
            shapely.get_coordinates(frame.geometry),
            shapely.get_coordinates(lines.geometry),
            rtol=1e-14,
        )
    north_up = ds.sortby("y", ascending=False)["dx"].transpose("statistic", "y", "x")
    values, descriptions, units, transform, epsg, tags, layout = found["tif"]
    npt.assert_array_equal(values[:5], north_up)
    assert descriptions == ("mean", "sd", "q025", "q50", "q975", "p_positive", "significant")
    assert units[:5] == (ds["dx"].attrs["units"],) * 5
    assert tags[6]["rule"] == ds["dx_significant"].attrs["rule"]
    assert epsg == 28992
    assert (transform.a, transform.e) == (150.0, -150.0)
    assert layout == "COG"
