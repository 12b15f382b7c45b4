"""Stores and rasters of maps larger than memory: what is computed is what is read, once."""

import os

import numpy as np
import numpy.testing as npt
import pytest
import rasterio
import xarray as xr

import womble as wb
from womble import zarr_store
from womble.grid import Grid

QUIET = {"progress": False}
KEPT = ("value", "dx", "dx_p_positive", "dx_significant", "dy", "gradient_direction")
SETTINGS = {"samples": 3, "rng": 3, "chunks": (8, 16)}


@pytest.fixture(scope="module")
def wide(zinc):
    """Twenty rows of 37 cells, y ascending; two tiles are all outside."""
    inside = np.ones((20, 37), dtype=bool)
    inside[:10, :20] = False
    return Grid(
        181005.0 + 2.4 * np.arange(37), 332010.0 + 4.0 * np.arange(20), inside, zinc.crs, "m"
    )


@pytest.fixture(params=[False, True], ids=["statistics", "draws"], scope="module")
def tiled(request, given, wide):
    ds = given.surface(wide, keep_draws=request.param, **SETTINGS)
    return ds[[name for name in KEPT if name in ds]]


@pytest.fixture
def interrupted(monkeypatch):
    """Makes the writing of regions fail after some of them; a second call mends it."""
    store, left = zarr_store._store, []

    def failing(*arguments):
        if left == [0]:
            raise KeyboardInterrupt
        if left:
            left[0] -= 1
        written.append(arguments[1])
        return store(*arguments)

    written: list[str] = []
    monkeypatch.setattr(zarr_store, "_store", failing)

    def after(count=None):
        left[:] = [] if count is None else [count]
        written.clear()
        return written

    return after


def files(folder):
    """All files of a folder and what they hold."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_xarray_reads_what_was_computed(tiled, tmp_path):
    path = wb.write_zarr(tiled, tmp_path / "new" / "map.zarr", **QUIET)
    assert path == tmp_path / "new" / "map.zarr"
    assert os.listdir(path.parent) == ["map.zarr"]
    with xr.open_zarr(path, decode_coords="all") as ds:
        assert ds.chunks == tiled.chunks
        xr.testing.assert_identical(ds.load(), tiled.compute(scheduler="sync"))


def test_a_map_in_memory_is_written_too(given, wide, tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_store, "SIDE", 16)
    eager = given.surface(wide, samples=3, rng=3, **QUIET)[["dx", "dx_significant"]]
    path = wb.write_zarr(eager, tmp_path / "map.zarr", **QUIET)
    with xr.open_zarr(path, decode_coords="all") as ds:
        assert ds.chunks["y"] == (16, 4)
        xr.testing.assert_identical(ds.load(), eager)


def test_an_interrupted_store_goes_on_where_it_stopped(tiled, tmp_path, interrupted):
    whole = files(wb.write_zarr(tiled, tmp_path / "whole.zarr", **QUIET))
    path = tmp_path / "map.zarr"
    first = interrupted(4)
    with pytest.raises(KeyboardInterrupt):
        wb.write_zarr(tiled, path, **QUIET)
    assert not path.exists()
    done = set(first)
    marks = {mark.name for mark in (tmp_path / ".map.zarr.part" / "done").iterdir()}
    assert marks <= done
    assert marks
    second = interrupted()
    wb.write_zarr(tiled, path, **QUIET)
    assert set(second).isdisjoint(marks)
    assert len(set(second) | marks) == np.prod([len(parts) for parts in tiled.chunks.values()])
    assert files(path) == whole
    assert sorted(os.listdir(tmp_path)) == ["map.zarr", "whole.zarr"]
    third = interrupted()
    assert wb.write_zarr(tiled, path, **QUIET) == path
    assert third == []  # nothing is left to do


def test_another_map_is_refused_or_replaces(given, wide, tiled, tmp_path, interrupted):
    other, path = given.surface(wide, **SETTINGS | {"rng": 4})[["dx"]], tmp_path / "map.zarr"
    interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        wb.write_zarr(tiled, path, **QUIET)
    interrupted()
    with pytest.raises(
        FileExistsError, match=r"unfinished run of another Dataset.*same `rng` seed"
    ):
        wb.write_zarr(other, path, **QUIET)
    wb.write_zarr(other, path, overwrite=True, **QUIET)
    with pytest.raises(FileExistsError, match=r"holds another Dataset.*overwrite=True"):
        wb.write_zarr(tiled, path, **QUIET)
    wb.write_zarr(tiled, path, overwrite=True, **QUIET)
    with xr.open_zarr(path, decode_coords="all") as ds:
        xr.testing.assert_identical(ds.load(), tiled.compute(scheduler="sync"))


def test_what_cannot_be_written_is_named(tiled, tmp_path):
    with pytest.raises(TypeError, match=r"must be an xarray.Dataset; got DataArray"):
        wb.write_zarr(tiled["dx"], tmp_path / "map.zarr")
    uneven = tiled.chunk({"x": (10, 20, 7)})
    with pytest.raises(
        ValueError, match=r"along 'x' must all have one size.*ds.chunk\({'x': 20}\)"
    ):
        wb.write_zarr(uneven, tmp_path / "map.zarr")
    mixed = tiled.assign(dx=tiled["dx"].chunk({"x": 5}))
    with pytest.raises(ValueError, match=r"same chunks along a dimension.*unify_chunks"):
        wb.write_zarr(mixed, tmp_path / "map.zarr")
    (tmp_path / "notes").mkdir()
    with pytest.raises(FileExistsError, match="no Zarr store and stays as it is"):
        wb.write_zarr(tiled, tmp_path / "notes", overwrite=True)
    assert os.listdir(tmp_path) == ["notes"]


def test_the_bar_ends_and_leaves_nothing(tiled, tmp_path, capfd):
    wb.write_zarr(tiled, tmp_path / "silent.zarr", **QUIET)
    assert capfd.readouterr() == ("", "")
    wb.write_zarr(tiled, tmp_path / "shown.zarr")


# --- rasters ---------------------------------------------------------------------------------


def test_rasters_of_a_lazy_map_are_those_of_the_map(tiled, tmp_path):
    lazy = wb.write_geotiff(tiled, tmp_path / "lazy", **QUIET)
    eager = wb.write_geotiff(tiled.compute(scheduler="sync"), tmp_path / "eager", **QUIET)
    assert [path.name for path in lazy] == [path.name for path in eager]
    assert sorted(os.listdir(tmp_path / "lazy")) == sorted(path.name for path in lazy)
    for one, other in zip(lazy, eager, strict=True):
        with rasterio.open(one) as a, rasterio.open(other) as b:
            assert str(a.profile) == str(b.profile)  # a nodata of NaN is not equal to itself
            assert (a.descriptions, a.units) == (b.descriptions, b.units)
            assert [a.tags(i) for i in a.indexes] == [b.tags(i) for i in b.indexes]
            npt.assert_array_equal(a.read(), b.read())


def test_interrupted_rasters_go_on_to_the_same_files(tiled, tmp_path, interrupted, monkeypatch):
    wb.write_geotiff(tiled, tmp_path / "whole", **QUIET)
    folder, write = tmp_path / "parts", wb.raster.cog.write
    interrupted(2)
    with pytest.raises(KeyboardInterrupt):  # while it computes
        wb.write_geotiff(tiled, folder, **QUIET)
    assert os.listdir(folder) == [".womble"]
    interrupted()

    def failing(path, *arguments):
        if path.name == "dy.tif":
            raise KeyboardInterrupt
        return write(path, *arguments)

    monkeypatch.setattr("womble.cog.write", failing)
    with pytest.raises(KeyboardInterrupt):  # while it writes files
        wb.write_geotiff(tiled, folder, **QUIET)
    assert sorted(os.listdir(folder)) == [".womble", "dx.tif", "value.tif"]
    monkeypatch.setattr("womble.cog.write", write)
    before, again = (folder / "dx.tif").stat().st_mtime_ns, interrupted()
    wb.write_geotiff(tiled, folder, **QUIET)
    assert again == []
    assert (folder / "dx.tif").stat().st_mtime_ns == before
    assert files(folder) == files(tmp_path / "whole")
    wb.write_geotiff(tiled, folder, **QUIET)  # all there: nothing is computed
    assert again == []


def test_another_map_replaces_rasters(given, wide, tmp_path):
    one = given.surface(wide, **SETTINGS)[["value"]]
    other = given.surface(wide, **SETTINGS | {"target": "process"})[["value"]]
    wb.write_geotiff(one, tmp_path, **QUIET)
    (path,) = wb.write_geotiff(other, tmp_path, **QUIET)
    expected = other["value"].compute(scheduler="sync").to_numpy()
    with rasterio.open(path) as file:
        npt.assert_array_equal(file.read(), expected[:, ::-1])  # y ascends, files are north up
