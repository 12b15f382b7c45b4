"""The data sets hold what their docstrings say, with CRS and units."""

import subprocess
import sys

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pyproj
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from womble import datasets
from womble.spatial_data import spatial_data


@pytest.mark.parametrize(
    ("load", "rows", "epsg", "coordinate_units", "column", "units"),
    [
        (datasets.meuse, 155, 28992, "m", "zinc", "mg kg-1"),
        (datasets.sic2004, 1008, None, "m", "dayx", "nSv h-1"),
        (datasets.fulmar, 1324, 32631, "m", "fulmar", "km-2"),
        (datasets.baltimore, 211, None, "1000 ft", "PRICE", "1000 USD"),
    ],
    ids=["meuse", "sic2004", "fulmar", "baltimore"],
)
def test_points_become_spatial_data(load, rows, epsg, coordinate_units, column, units):
    frame = load()
    data = spatial_data(frame, column)
    assert isinstance(frame, gpd.GeoDataFrame)
    assert set(frame.geom_type) == {"Point"}
    assert data.values.shape == (rows,)
    assert (data.crs.to_epsg() if data.crs else None) == epsg
    assert (data.name, data.units, data.coordinate_units) == (column, units, coordinate_units)


@pytest.mark.parametrize(
    "load", [datasets.meuse, datasets.sic2004, datasets.fulmar, datasets.baltimore]
)
def test_units_name_columns_that_exist(load):
    frame = load()
    assert set(frame.attrs["units"]) <= set(frame.columns)


def test_meuse_keeps_every_column_and_knows_its_categories():
    frame = datasets.meuse()
    categories = {"ffreq", "soil", "lime", "landuse"}
    is_category = {c for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)}
    assert is_category == categories
    # Every numeric column has units.
    assert set(frame.columns) - categories - {"geometry"} == set(frame.attrs["units"])
    assert (frame["om"].isna().sum(), frame["landuse"].isna().sum()) == (2, 1)
    assert frame["zinc"].iloc[0] == 1022
    assert (frame.geometry.x.iloc[0], frame.geometry.y.iloc[0]) == (181072, 333611)


def test_units_of_one_copy_do_not_leak_into_the_next():
    datasets.meuse().attrs["units"]["zinc"] = "broken"
    assert datasets.meuse().attrs["units"]["zinc"] == "mg kg-1"


def test_meuse_river_is_one_valid_polygon_beside_the_samples():
    river, samples = datasets.meuse_river(), datasets.meuse()
    assert list(river["name"]) == ["Meuse"]
    assert list(river.geom_type) == ["Polygon"]
    assert river.is_valid.all()
    assert river.crs == pyproj.CRS("EPSG:28992")
    outline = river.geometry.iloc[0]
    distance = samples.distance(outline)
    # `dist.m` was read off a map to 10 m; six samples on the bank fall within the outline,
    # none by more than a cell of the grid.
    within = samples[distance == 0]
    assert len(within) == 6
    assert (within.distance(outline.boundary) < 40).all()
    assert np.corrcoef(distance, samples["dist.m"])[0, 1] > 0.95


def test_meuse_grid_is_a_raster_that_rioxarray_reads():
    grid = datasets.meuse_grid()
    assert isinstance(grid, xr.Dataset)
    assert set(grid.data_vars) == {"part.a", "part.b", "dist", "soil", "ffreq"}
    assert grid["dist"].dims == ("y", "x")
    assert grid["dist"].shape == (104, 78)
    assert int(grid["dist"].notnull().sum()) == 3103
    npt.assert_array_equal(np.diff(grid["x"]), 40)
    npt.assert_array_equal(np.diff(grid["y"]), 40)
    assert grid["dist"].rio.crs.to_epsg() == 28992
    assert grid.rio.resolution() == (40, 40)
    assert float(grid["soil"].sel(x=181180, y=333740)) == 1
    # part.a and part.b divide the study area.
    npt.assert_array_equal((grid["part.a"] + grid["part.b"]).values[grid["dist"].notnull()], 1)


def test_sic2004_is_split_into_200_and_808():
    split = datasets.sic2004()["split"].value_counts()
    assert (split["train"], split["test"]) == (200, 808)


def test_fulmar_has_close_pairs_but_no_repeats():
    frame = datasets.fulmar()
    assert not frame.duplicated(["x", "y"]).any()
    coords = frame[["x", "y"]].to_numpy()
    nearest = cKDTree(coords).query(coords, k=2)[0][:, 1]
    npt.assert_allclose(nearest.min(), 10.0)


def test_missing_folder_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "__file__", str(tmp_path / "womble" / "datasets.py"))
    with pytest.raises(FileNotFoundError, match="Reinstall womble"):
        datasets.meuse()


def test_data_inside_the_package_are_found_first(monkeypatch, tmp_path):
    folder = tmp_path / "womble" / "data"
    folder.mkdir(parents=True)
    (folder / "meuse.csv").write_text("x,y\n0,0\n")
    monkeypatch.setattr(datasets, "__file__", str(tmp_path / "womble" / "datasets.py"))
    assert datasets._folder() == folder


def test_importing_the_rim_loads_neither_geopandas_nor_xarray():
    heavy = ["geopandas", "pandas", "xarray", "rioxarray", "pyproj", "shapely", "scipy.spatial"]
    code = (
        "import sys, womble.datasets, womble.spatial_data, womble.grid\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    # womble/__init__.py may load what it needs; here only these modules are on trial.
    before = "import sys, womble\nprint([m for m in " + repr(heavy) + " if m in sys.modules])"
    loaded, already = (
        subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=True
        ).stdout
        for source in (code, before)
    )
    assert loaded == already
