"""Fits to points that are not in memory: Parquet, GeoParquet, dask; the same whatever the parts."""

from dataclasses import replace

import dask.dataframe as dd
import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble import parquet_source, row_sample
from womble.engines import spectral, sums
from womble.parquet_source import ParquetSource

N = 6000
RNG = np.random.default_rng(0)
X, Y = 1000 * RNG.uniform(size=N), 700 * RNG.beta(2, 2, N)
DEPTH = np.sin(X / 90) + 0.1 * RNG.standard_normal(N)
SOIL = np.array(["clay", "loam", "sand"])[RNG.integers(0, 3, N)]
Z = np.tanh((X - 500) / 60) + 0.3 * DEPTH - 0.5 * (SOIL == "sand") + 0.2 * RNG.standard_normal(N)
TABLE = pd.DataFrame({"x": X, "y": Y, "z": Z, "depth": DEPTH, "soil": SOIL})
GIVEN = {"lengthscale": 300.0, "amplitude": 1.0, "noise_sd": 0.25}
COVARIATES = ["depth", "soil"]
POINTS = np.column_stack([RNG.uniform(100, 900, 8), RNG.uniform(200, 500, 8)])
SUMS = ("table", "trend_rows", "values", "squares", "noise")


def condition(data, **options):
    return wb.FieldModel().condition(data, "z", engine="spectral", **(GIVEN | options))


def write(frame, folder, files, row_group_size):
    for i, rows in enumerate(np.array_split(np.arange(len(frame)), files)):
        part = frame.iloc[rows]
        part.to_parquet(folder / f"part-{i:02d}.parquet", row_group_size=row_group_size)
    return folder


def points_of(frame):
    geometry = gpd.points_from_xy(frame["x"], frame["y"], crs="EPSG:32632")
    return gpd.GeoDataFrame(frame.drop(columns=["x", "y"]), geometry=geometry)


def mean_of(post, target="surface"):
    return post.ensemble(target, 2, np.random.default_rng(0)).mean(POINTS, 2)


def assert_close(ours, theirs, rtol):
    """To a share of each component's size."""
    size = np.abs(theirs).max(axis=0)
    npt.assert_allclose(ours / size, theirs / size, atol=rtol)


def assert_same_sums(ours, theirs, rtol=1e-10):
    for name in SUMS:
        a, b = (np.asarray(getattr(post._engine.statistics, name)) for post in (ours, theirs))
        npt.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max(initial=0.0), err_msg=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(TABLE, tmp_path_factory.mktemp("points"), files=3, row_group_size=700)


@pytest.fixture(scope="module")
def iterative():
    """Few features in a factor: paths need noise in the data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "DENSE_FEATURES", 10)
        patch.setattr(spectral, "MOST_FACTORED", 100)
        yield


@pytest.fixture(scope="module")
def stored(folder, iterative):
    return condition(wb.open_points(folder, paths=20), covariates=COVARIATES)


@pytest.fixture(scope="module")
def in_memory(iterative):
    return condition(points_of(TABLE), covariates=COVARIATES)


def test_fields_are_those_of_the_data_in_memory(stored, in_memory):
    assert stored.data.count == N
    assert stored.engine == in_memory.engine
    for name in ("origin", "length", "offset", "scale"):
        ours, theirs = (getattr(post.data.scaling, name) for post in (stored, in_memory))
        npt.assert_allclose(ours, theirs, rtol=1e-12)
    # The same sample, and so the same blocks for the hyperparameters.
    (theta,) = in_memory.ensemble("surface", None, RNG).thetas
    ours, theirs = (post._engine.log_likelihood_value(theta) for post in (stored, in_memory))
    npt.assert_allclose(ours, theirs, rtol=1e-10)
    # The same band and sums; conjugate gradients, good to 1e-4 sds, make more of rounding.
    assert_close(mean_of(stored), mean_of(in_memory), 1e-6)
    columns = ["mean", "sd", "q025", "q50", "q975"]
    ours, theirs = (post.coefficients()[columns] for post in (stored, in_memory))
    npt.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("trend", ["none", "constant", "linear", "quadratic"])
def test_trends_and_logarithms_too(folder, iterative, trend):
    table = TABLE.iloc[:2500].assign(z=lambda t: np.exp(t["z"]))
    model, options = wb.FieldModel(trend=trend), GIVEN | {"transform": "log"}
    ours = model.condition(dd.from_pandas(table, npartitions=3, sort=False), "z", **options)
    theirs = model.condition(points_of(table), "z", **options)
    assert ours.data.link_units == theirs.data.link_units
    npt.assert_allclose(ours.data.scaling.scale, theirs.data.scaling.scale, rtol=1e-12)
    assert_close(mean_of(ours), mean_of(theirs), 1e-6)


def test_covariates_in_the_spectral_engine_are_those_of_the_dense_one():
    some = points_of(TABLE.iloc[:500])
    spectral_one = condition(some, covariates=COVARIATES)
    dense = wb.FieldModel().condition(some, "z", covariates=COVARIATES, engine="dense", **GIVEN)
    ours, theirs = spectral_one.coefficients(), dense.coefficients()
    npt.assert_allclose(ours["mean"], theirs["mean"], atol=0.02 * theirs["sd"].min())
    npt.assert_allclose(ours["sd"], theirs["sd"], rtol=0.02)
    mean, covariance = dense.jet_moments(POINTS, target="process")
    m, V = spectral_one.jet_moments(POINTS, target="process")
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert np.abs((m - mean) / sd).max() < 0.02
    npt.assert_allclose(np.sqrt(np.diagonal(V, axis1=1, axis2=2)), sd, rtol=0.02)
    held_out = points_of(TABLE.iloc[500:540])
    ours, theirs = (post.check(held_out).observations for post in (spectral_one, dense))
    npt.assert_allclose(ours["mean"], theirs["mean"], atol=0.01 * theirs["sd"].min())
    npt.assert_allclose(ours["sd"], theirs["sd"], rtol=0.01)
    made = spectral_one.replicates(samples=40, rng=1, progress=False)
    assert np.corrcoef(made.mean("draw"), some["z"])[0, 1] > 0.9


@pytest.mark.parametrize("target", ["total", "covariates"])
def test_known_fields_of_covariates_add_their_gradient(target):
    def slope(p):
        jets = np.zeros((len(p), 6))
        jets[:, 0], jets[:, 1] = np.sin(p[:, 0] / 90), np.cos(p[:, 0] / 90) / 90
        jets[:, 3] = -np.sin(p[:, 0] / 90) / 90**2
        return jets

    some, known = points_of(TABLE.iloc[:500]), {"wave": slope}
    moments = [
        wb.FieldModel()
        .condition(some, "z", covariate_fields=known, engine=engine, **GIVEN)
        .jet_moments(POINTS, target=target)
        for engine in ("dense", "spectral")
    ]
    (mean, covariance), (m, V) = moments
    sd, s = (np.sqrt(np.diagonal(x, axis1=1, axis2=2)) for x in (covariance, V))
    unit = np.maximum(sd.max(axis=0), 1e-12)  # of the covariate alone, whose f_y is 0
    npt.assert_allclose(m / unit, mean / unit, atol=0.02)
    npt.assert_allclose(s / unit, sd / unit, atol=0.02)


def test_paths_have_the_law_that_they_have_in_memory(stored, in_memory):
    ours, theirs = (post.paths(samples=20, rng=1).jets(POINTS) for post in (stored, in_memory))
    # Same prior draws, other noise: sds of 20 draws of 48 numbers, pooled over them.
    ratio = np.log(ours.std(axis=0) / theirs.std(axis=0))
    # A log sd of 20 draws errs by (1 / 40)^(1/2); 48 of them are far from independent.
    assert abs(ratio.mean()) < 4 * np.sqrt(2 / 40 / 6)
    again = stored.paths(samples=20, rng=1).jets(POINTS)
    npt.assert_array_equal(again, ours)


@pytest.mark.parametrize("given", [True, False])
def test_every_path_has_noise_of_its_own(stored, monkeypatch, given):
    post = stored
    if not given:
        draws = post.draws.isel(draw=np.zeros(20, dtype=int)).assign_coords(draw=np.arange(20))
        post = replace(post, draws=draws, sample_stats=draws)
    used = []
    inner = type(post._engine).noise

    def noted(self, streams):
        found = inner(self, streams)
        used.extend(found[:, 0])
        return found

    monkeypatch.setattr(type(post._engine), "noise", noted)
    rng = np.random.default_rng(3)
    for _ in range(2):
        post.paths(samples=20, rng=rng, progress=False)
        assert len(set(used)) == len(used) == 20
        used.clear()


def test_there_is_noise_for_so_many_paths(stored):
    with pytest.raises(ValueError, match=r"at most 20, for which .*open_points\(.*paths=21\)"):
        stored.paths(samples=21)
    # By default as many as there is noise for.
    assert stored.ensemble("surface", None, np.random.default_rng(0)).size == 20


# -- parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "group", "workers"), [(1, 6000, 1), (7, 150, 2), (4, 1000, 3)], ids=str
)
def test_neither_files_nor_workers_matter(stored, tmp_path, monkeypatch, files, group, workers):
    monkeypatch.setattr(parquet_source, "WORKERS", workers)
    monkeypatch.setattr(parquet_source, "PART", 400)
    monkeypatch.setattr(parquet_source, "CHUNK", 333)
    monkeypatch.setattr(sums, "CHUNK", 128)
    points = wb.open_points(write(TABLE, tmp_path, files, group), paths=20)
    other = condition(points, covariates=COVARIATES)
    assert len(points.source.parts) >= files
    assert_same_sums(other, stored)
    npt.assert_array_equal(other.data.coords, stored.data.coords)
    assert_close(mean_of(other), mean_of(stored), 1e-6)


@pytest.mark.parametrize("partitions", [1, 5])
def test_dask_frames_give_the_same(stored, partitions):
    frame = dd.from_pandas(TABLE, npartitions=partitions, sort=False)
    ours = condition(wb.open_points(frame, paths=20), covariates=COVARIATES)
    assert_same_sums(ours, stored)
    direct = condition(frame, covariates=COVARIATES)
    assert len(direct._engine.statistics.noise) == 200
    npt.assert_allclose(direct._engine.statistics.noise[:20], ours._engine.statistics.noise)


def test_frames_of_points_give_the_same(stored):
    table = dd.from_pandas(TABLE, npartitions=3, sort=False)
    frame = table.map_partitions(points_of, meta=points_of(TABLE.iloc[:0]))
    points = wb.open_points(frame, paths=20)
    assert points.crs == "EPSG:32632"
    assert points.coordinate_units == "m"
    assert_same_sums(condition(points, covariates=COVARIATES), stored)


@pytest.mark.parametrize("encoding", ["WKB", "geoarrow"])
def test_geoparquet_gives_the_same(stored, tmp_path, encoding):
    for i, rows in enumerate(np.array_split(np.arange(N), 2)):
        options = {"geometry_encoding": encoding, "schema_version": "1.1.0"}
        points_of(TABLE.iloc[rows]).to_parquet(tmp_path / f"{i}.parquet", **options)
    points = wb.open_points(tmp_path, paths=20)
    assert points.crs == "EPSG:32632"
    assert_same_sums(condition(points, covariates=COVARIATES), stored)


def test_few_points_go_to_the_dense_engine(tmp_path):
    post = wb.FieldModel().condition(dd.from_pandas(TABLE.iloc[:300], npartitions=2), "z", **GIVEN)
    assert post.engine.startswith("dense")
    exact = wb.FieldModel().condition(points_of(TABLE.iloc[:300]), "z", **GIVEN)
    npt.assert_allclose(mean_of(post), mean_of(exact), rtol=1e-9, atol=1e-12)
    ours, theirs = (p.check().table["rmse"].iloc[0] for p in (post, exact))
    npt.assert_allclose(ours, theirs, rtol=1e-9)
    post.save(tmp_path / "fit.nc")
    npt.assert_allclose(mean_of(wb.load(tmp_path / "fit.nc")), mean_of(post), rtol=1e-9, atol=1e-12)


# -- a sample of more than fits --------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled(folder, iterative):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_sample, "SAMPLE", 900)
        return condition(wb.open_points(folder, paths=20))


def test_the_sample_stands_for_all(sampled):
    data = sampled.data
    assert (data.count, len(data.values)) == (N, 900)
    npt.assert_allclose(data.box, [TABLE[["x", "y"]].min(), TABLE[["x", "y"]].max()])
    npt.assert_allclose(data.scaling.offset, Z.mean())
    # A mean of 900 of 6,000 errs by 1 / 30 sd; so do shares of the categories.
    assert abs(data.values.mean() - Z.mean()) < 4 * Z.std() / 30
    assert abs((data.coords[:, 0] < np.median(X)).mean() - 0.5) < 4 * 0.5 / 30
    places = pd.MultiIndex.from_frame(TABLE[["x", "y"]])
    kept = places.get_indexer(pd.MultiIndex.from_arrays(data.coords.T))
    assert (np.diff(kept) > 0).all()  # rows of the data, in their order
    exact = condition(wb.open_points(TABLE, paths=20))
    assert_close(mean_of(sampled)[:, :3], mean_of(exact)[:, :3], 0.01)  # bands differ a little


def test_maps_lines_and_checks_take_the_sums(sampled):
    grid = wb.Grid.from_data(sampled.data, spacing=50.0)
    npt.assert_allclose(grid.x[[0, -1]], [X.min(), X.max()], atol=25)  # half a cell
    ds = sampled.surface(grid, rng=1, progress=False)
    assert "n = 6000" in ds.attrs["source"]
    lines = sampled.boundaries(wb.Grid.from_data(sampled.data, spacing=25.0), rng=1, progress=False)
    assert len(lines) >= 1
    assert abs(lines.geometry.iloc[0].centroid.x - 500) < 20
    held_out = TABLE.iloc[:200]
    found = sampled.check((held_out[["x", "y"]].to_numpy(), held_out["z"].to_numpy()))
    assert found.table["rmse"].iloc[0] < 0.5


def test_what_needs_the_data_says_so(sampled, folder):
    with pytest.raises(ValueError, match=r"check\(\) without held-out data needs the dense engine"):
        sampled.check()
    with pytest.raises(ValueError, match=r"cross_validate\(\) needs the dense engine"):
        sampled.cross_validate()
    with pytest.raises(ValueError, match=r"replicates\(\) needs the data in memory; of these 6000"):
        sampled.predictive_check()
    with pytest.raises(TypeError, match=r"`held_out` must be in memory; .* a random subset"):
        sampled.check(wb.open_points(folder))
    with pytest.raises(TypeError, match=r"must be in memory; .* Grid.from_data\(post.data"):
        wb.Grid.from_data(wb.open_points(folder))


def test_the_dense_engine_needs_all_of_them(folder, monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE", 900)
    with pytest.raises(ValueError, match=r"dense engine needs all data in memory; these are 6000"):
        wb.FieldModel().condition(wb.open_points(folder), "z", engine="dense", **GIVEN)


def test_hyperparameters_come_from_the_sample(folder, iterative, monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE", 200)
    options = {"inference": "map", "engine": "spectral", "rng": 1, "progress": False}
    post = wb.FieldModel().fit(wb.open_points(folder, paths=4), "z", **options)
    assert "likelihood of 200 data in blocks: 1" in post.engine
    # What covariates explain is noise here: 0.3 x 0.1 of depth, the soil, and the noise itself.
    expected = np.sqrt(0.2**2 + 0.5**2 * 2 / 9 + 0.03**2)
    noise = float(post.draws["noise_sd"].squeeze())
    assert abs(noise - expected) < 4 * expected / np.sqrt(2 * 200)
    assert post.data.whole.unread is None


def test_they_come_back_from_a_file(sampled, stored, tmp_path):
    for post in (sampled, stored):
        post.save(tmp_path / "fit.nc")
        loaded = wb.load(tmp_path / "fit.nc")
        assert loaded.data.count == N
        assert_same_sums(loaded, post, rtol=0)
        npt.assert_array_equal(mean_of(loaded), mean_of(post))
        ours, theirs = (p.paths(samples=3, rng=2).jets(POINTS) for p in (loaded, post))
        npt.assert_array_equal(ours, theirs)


# -- what cannot be --------------------------------------------------------------------------------


def test_files_are_read_in_row_groups(folder, monkeypatch):
    source = ParquetSource(str(folder), "x", "y")
    assert [groups for _, groups in source.parts] == [[0, 1, 2]] * 3
    monkeypatch.setattr(parquet_source, "PART", 700)
    source = ParquetSource(str(folder), "x", "y")
    assert [groups for _, groups in source.parts] == [[0], [1], [2]] * 3


def test_sources_that_cannot_be_opened(folder, tmp_path):
    with pytest.raises(TypeError, match=r"path of a Parquet data set, .* got list"):
        wb.open_points([1, 2])
    with pytest.raises(ValueError, match=r"columns 'east' and 'y' or GeoParquet geometry; its"):
        wb.open_points(folder, x="east")
    with pytest.raises(ValueError, match="`paths` must be at least 2; got 1"):
        wb.open_points(folder, paths=1)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        wb.open_points(tmp_path / "nowhere.parquet")
    with pytest.raises(ValueError, match=r"must be in a projected CRS.*WGS 84"):
        wb.open_points(folder, crs="EPSG:4326")
    points_of(TABLE).to_crs("EPSG:4326").to_parquet(tmp_path / "degrees.parquet")
    with pytest.raises(ValueError, match=r"must be in a projected CRS.*WGS 84"):
        wb.open_points(tmp_path / "degrees.parquet")
    with pytest.raises(ValueError, match=r"`crs` must be that of the data, .*UTM zone 32N.*got"):
        wb.open_points(points_of(TABLE), crs="EPSG:28992")


@pytest.mark.parametrize(
    ("column", "bad", "match"),
    [
        ("x", np.inf, r"the coordinates must be finite; 1 of 6000 are infinite"),
        ("z", -np.inf, r"the values of 'z' must be finite; 1 of 6000 are infinite"),
        ("depth", np.inf, r"covariate 'depth' must be finite; 1 values are infinite"),
    ],
)
def test_numbers_that_are_not_finite_are_refused(column, bad, match):
    table = TABLE.copy()
    table.loc[4321, column] = bad
    with pytest.raises(ValueError, match=match):
        condition(dd.from_pandas(table, npartitions=3), covariates=COVARIATES)


def test_rows_that_lack_something_are_dropped_and_counted(iterative):
    table = TABLE.copy()
    table.loc[[5, 3000], "y"] = np.nan
    table.loc[[7], "z"] = np.nan
    table.loc[[5, 4000, 5999], "depth"] = np.nan
    with pytest.warns(UserWarning, match="dropped") as caught:
        ours = condition(dd.from_pandas(table, npartitions=4), covariates=["depth"])
    messages = [str(warning.message) for warning in caught]
    assert "2 of 6000 rows have no location and were dropped" in messages
    assert "1 of 6000 rows has a missing value in 'z' and was dropped" in messages
    assert "2 of 6000 rows have a missing covariate and were dropped" in messages
    complete = points_of(table.dropna(subset=["y", "z", "depth"]))
    exact = condition(complete, covariates=["depth"])
    assert ours.data.count == len(complete)
    assert_close(mean_of(ours), mean_of(exact), 1e-6)


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ({"z": 4.0}, {}, r"values must vary; all 6000 of 'z' are 4"),
        ({}, {"transform": "log"}, r"log' needs positive values; \d+ of 6000 in 'z'"),
        ({"x": 3.0}, {}, r"must span 2 dimensions"),
        ({"x": np.nan}, {}, r"none of 6000 rows is complete"),
        ({"depth": 1.0}, {"covariates": ["depth"]}, r"'depth' must vary; all 6000 values are 1"),
        ({"soil": "mud"}, {"covariates": ["soil"]}, r"at least two categories; got \['mud'\]"),
        ({"depth": X}, {"covariates": ["depth", "x"]}, r"must not repeat one another; depth, x"),
        ({}, {"covariates": ["rain"]}, r"must name columns .*'rain' are not there"),
        ({}, {"measurement_sd": 0.1}, r"not in memory cannot have `measurement_sd`"),
        ({"z": "high"}, {}, r"column 'z' must be numeric"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*were dropped")
def test_data_and_arguments_that_cannot_be_used(change, options, match):
    table = TABLE.assign(**change)
    with pytest.raises((ValueError, TypeError), match=match):
        condition(dd.from_pandas(table, npartitions=2), **options)


def test_other_likelihoods_need_the_data(folder):
    with pytest.raises(ValueError, match=r"not in memory cannot have likelihood='student_t'"):
        wb.FieldModel(likelihood="student_t").fit(wb.open_points(folder), "z")
    with pytest.raises(ValueError, match=r"`value` must name a column .* got 'zinc'"):
        wb.FieldModel().fit(wb.open_points(folder), "zinc")
    with pytest.raises(ValueError, match=r"does not take anisotropic=True"):
        wb.FieldModel(anisotropic=True).fit(wb.open_points(folder), "z")
