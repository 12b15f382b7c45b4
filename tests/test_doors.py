"""Whatever goes in at a public door, what comes out is an answer or an error of our own."""

import inspect
import linecache
import traceback
import warnings
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import womble as wb

HERE = str(Path(wb.__file__).parent)
OURS = (ValueError, TypeError, ImportError, FileNotFoundError)
CRS = "EPSG:28992"


def ask(function, *args, **kwargs):
    """Call it; an error must be of our kinds and raised by a `raise` statement of this package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        line = linecache.getline(frame.filename, frame.lineno).strip()
        stated = frame.filename.startswith(HERE) and line.startswith("raise ")
        if not (stated and isinstance(error, OURS)):
            raise AssertionError(f"{type(error).__name__}: {error} at {frame}") from error
        return None
    finally:
        plt.close("all")


class Examples:
    """One small example of everything that the doors take."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        s = rng.uniform(0, 10, (30, 2))
        v = np.sin(s[:, 0]) + 0.1 * rng.normal(size=30)
        self.coords, self.values, self.folder = s, v, folder
        self.frame = gpd.GeoDataFrame({"v": v}, geometry=gpd.points_from_xy(*s.T), crs=CRS)
        self.model = wb.FieldModel()
        known = {"lengthscale": 3.0, "amplitude": 1.0, "noise_sd": 0.1}
        self.post = self.model.condition(self.frame, "v", **known)
        x = np.linspace(0, 10, 30)
        self.fitted = self.model.fit(
            self.frame, "v", inference="importance", draws=800, rng=1, progress=False
        )
        self.line = self.model.condition((x, np.tanh(x - 5)), **known)
        self.grid = wb.Grid.from_data(self.frame, spacing=2.5)
        quiet = {"progress": False, "rng": 1}
        self.ds = self.post.surface(self.grid, samples=5, **quiet)
        level = {"kind": "level", "levels": [0.0], **quiet}
        self.lines = self.post.boundaries(
            self.grid, samples=20, prominence=0.6, alpha=0.4, min_length=0.1, **level
        )
        self.drawn = self.post.boundary_draws(self.grid, samples=3, **level)
        self.passes = self.post.boundary_probability(self.grid, samples=3, **level)
        self.curve = gpd.GeoSeries([shapely.LineString([(1, 1), (9, 9)])], crs=CRS)
        self.segments = self.post.womble(self.curve, segment_length=4.0, samples=5, **quiet)
        self.area = gpd.GeoDataFrame(geometry=[shapely.box(1, 1, 5, 5)], crs=CRS)
        self.paths = self.post.paths(samples=3, **quiet)
        self.profile = self.post.profile_across(self.lines, samples=5, **quiet)
        self.check = self.post.check()
        self.along = self.line.surface(samples=5, **quiet)
        self.changes = self.line.change_points(samples=20, **quiet)
        self.file = wb.write_table(self.frame, folder / "points.gpkg")
        self.fit = folder / "fit.nc"
        self.post.save(self.fit)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    made = Examples(tmp_path_factory.mktemp("doors"))
    assert len(made.lines)
    return made


def doors(e: Examples) -> dict:
    """Every public door with arguments that it takes, by name."""
    post, line, quiet = e.post, e.line, {"progress": False}
    data = {"data": e.frame, "value": "v"}
    few = {"grid": e.grid, "samples": 5, **quiet}
    known = {"lengthscale": 3.0, "amplitude": 1.0, "noise_sd": 0.1}
    return {
        "FieldModel": (wb.FieldModel, {}),
        "Matern": (wb.Matern, {}),
        "RationalQuadratic": (wb.RationalQuadratic, {"alpha": 1.0}),
        "Sum": (wb.Sum, {"components": (wb.Matern(), wb.Matern(2.5))}),
        "PenalisedComplexity": (
            wb.PenalisedComplexity,
            {"lengthscale": (1.0, 0.05), "amplitude": (1.0, 0.05)},
        ),
        "fit": (e.model.fit, data | {"inference": "map", "rng": 1} | quiet),
        "condition": (e.model.condition, data | known),
        "prior_predictive": (e.model.prior_predictive, data | {"samples": 2}),
        "Grid": (
            wb.Grid,
            {"x": np.arange(3.0), "y": np.arange(3.0), "inside": np.ones((3, 3)) > 0},
        ),
        "Grid.from_data": (wb.Grid.from_data, {"data": e.frame, "spacing": 2.0}),
        "Transect": (wb.Grid.from_data, {"data": (e.values, e.values), "spacing": 0.5}),
        "surface": (post.surface, few),
        "excursions": (post.excursions, few | {"above": 0.0, "samples": 40}),
        "womble": (post.womble, {"curves": e.curve, "samples": 5} | quiet),
        "boundaries": (post.boundaries, few),
        "boundary_draws": (post.boundary_draws, few | {"samples": 2}),
        "boundary_probability": (post.boundary_probability, few | {"samples": 2}),
        "boundary_bands": (post.boundary_bands, {"lines": e.lines, "samples": 5} | quiet),
        "boundary_profile": (post.boundary_profile, {"lines": e.lines, "samples": 5} | quiet),
        "profile_across": (post.profile_across, {"lines": e.lines, "samples": 5} | quiet),
        "null_test": (post.null_test, {"lines": e.lines, "replicates": 19} | quiet),
        "integrate": (post.integrate, {"polygons": e.area, "samples": 5}),
        "jet_moments": (post.jet_moments, {"points": e.coords[:2], "samples": 5}),
        "paths": (post.paths, {"samples": 2} | quiet),
        "Paths.jets": (e.paths.jets, {"points": e.coords[:2]}),
        "check": (post.check, {}),
        "check held out": (post.check, {"held_out": e.frame}),
        "cross_validate": (post.cross_validate, {"folds": 2}),
        "predict": (post.predict, {"sites": e.coords[:2]}),
        "replicates": (post.replicates, {"samples": 2} | quiet),
        "predictive_check": (post.predictive_check, {"samples": 3} | quiet),
        "coefficients": (post.coefficients, {}),
        "save": (post.save, {"path": e.folder / "saved.nc"}),
        "load": (wb.load, {"path": e.fit}),
        "line.surface": (line.surface, {"samples": 3} | quiet),
        "change_points": (line.change_points, {"samples": 5} | quiet),
        "integral": (line.integral, {"a": 0.0, "b": 5.0}),
        "antiderivative": (line.antiderivative, {"x": [1.0, 2.0]}),
        "antiderivative_moments": (line.antiderivative_moments, {"x": [1.0, 2.0]}),
        "boundary_statistics": (wb.boundary_statistics, {"draws": e.drawn}),
        "boundary_overlap": (wb.boundary_overlap, {"a": e.lines, "b": e.lines, "within": 1.0}),
        "compare": (wb.compare, {"posteriors": {"a": post, "b": post}}),
        "from_sklearn": (wb.from_sklearn, {"gpr": 1}),
        "project": (wb.project, {"data": e.frame}),
        "open_points": (wb.open_points, {"source": e.frame}),
        "read_data": (wb.read_data, {"path": e.file}),
        "write_table": (wb.write_table, {"frame": e.lines, "path": e.folder / "t.gpkg"}),
        "write_geotiff": (wb.write_geotiff, {"ds": e.ds, "folder": e.folder / "maps"}),
        "plot.data": (wb.plot.data, {"coords": e.coords, "values": e.values}),
        "plot.surface": (wb.plot.surface, {"ds": e.ds}),
        "plot.gradient_arrows": (wb.plot.gradient_arrows, {"ds": e.ds}),
        "plot.probability": (wb.plot.probability, {"raster": e.passes}),
        "plot.boundaries": (wb.plot.boundaries, {"gdf": e.lines}),
        "plot.segments": (wb.plot.segments, {"gdf": e.segments}),
        "plot.along": (wb.plot.along, {"segments": e.segments}),
        "plot.spaghetti": (wb.plot.spaghetti, {"draws": e.drawn}),
        "plot.profile": (
            wb.plot.profile,
            {"ds": e.profile, "boundary_id": int(e.lines["boundary_id"].iloc[0])},
        ),
        "plot.overview": (
            wb.plot.overview,
            {"posterior": post, "ds": e.ds, "found": e.lines},
        ),
        "plot.trace": (wb.plot.trace, {"posterior": e.fitted}),
        "plot": (post.plot, {"grid": e.grid} | quiet),
        "plot.check": (wb.plot.check, {"result": e.check}),
        "plot.transect": (wb.plot.transect, {"ds": e.along}),
        "plot.change_points": (wb.plot.change_points, {"table": e.changes}),
    }


def wrong(e: Examples) -> list:
    """What no argument, or only a few, can be."""
    return [
        None,
        "nonsense",
        -1,
        0,
        1.5,
        1j,
        np.nan,
        np.inf,
        True,
        object(),
        [],
        {"a": 1},
        ["a", "b"],
        np.array(["a"]),
        np.empty((0, 2)),
        np.array([[np.nan, np.nan]]),
        np.array([[1.0, 2.0]]),
        np.zeros((3, 3, 3)),
        e.frame.to_crs("EPSG:32631"),
        e.frame.iloc[:0],
        e.frame.iloc[:1],
        xr.Dataset(),
    ]


def few_wrong(e: Examples) -> list:
    """Those that found the most."""
    return ["nonsense", -1, object(), np.array([[np.nan, np.nan]]), e.frame.iloc[:0]]


@pytest.mark.parametrize("wrong", [few_wrong, pytest.param(wrong, marks=pytest.mark.slow)])
def test_wrong_arguments_end_in_errors_of_our_own(wrong, examples, tmp_path, monkeypatch):
    """Every argument of every door with everything that is wrong, one at a time."""
    monkeypatch.chdir(tmp_path)  # "nonsense" is a name for a file, too
    foreign = []
    for name, (function, arguments) in doors(examples).items():
        for parameter in inspect.signature(function).parameters:
            for bad in wrong(examples):
                try:
                    ask(function, **(arguments | {parameter: bad}))
                except AssertionError as error:
                    foreign.append(f"{name}({parameter}={bad!r:.40}): {error}")
    assert not foreign, "\n".join(foreign)


def test_doors_are_all_there(examples):
    asked = {name.split(".")[-1].split()[0] for name in doors(examples)}
    public = {name for name in wb.__all__ if name not in ("datasets", "plot", "Posterior")}
    public |= set(wb.plot.__all__)
    methods = dir(wb.Posterior)
    public |= {m for m in methods if not m.startswith("_") and callable(getattr(wb.Posterior, m))}
    elsewhere = {
        "SquaredExponential",  # takes nothing
        "from_pymc",  # tests/test_pymc.py
        "compare_smoothness",  # tests/test_smoothness.py
        "write_zarr",  # tests/test_zarr_store.py
        "update",  # tests/test_update.py
        "summary",  # takes nothing
        "ensemble",  # not for users
        "report",  # tests/test_report.py
    }
    assert public - asked <= elsewhere


def test_messages_name_the_argument_and_what_it_must_be(examples):
    e = examples
    for call, kind, message in [
        (
            lambda: e.post.paths(samples="many"),
            TypeError,
            "`samples` must be a whole number; got 'm",
        ),
        (lambda: e.post.paths(rng=-1), TypeError, "`rng` must be None, a seed .*; got -1"),
        (
            lambda: e.post.paths(progress="no"),
            TypeError,
            "`progress` must be True or False; got 'no'",
        ),
        (lambda: e.post.boundaries(alpha="5%"), TypeError, "`alpha` must be a number; got '5%'"),
        (
            lambda: e.post.boundaries(levels=3),
            TypeError,
            "`levels` must be a sequence of numbers or",
        ),
        (
            lambda: e.post.surface([1, 2]),
            TypeError,
            "`grid` must be a womble.Grid, a Transect or None",
        ),
        (lambda: wb.Matern(nu="5/2"), TypeError, "`nu` must be a number; got '5/2'"),
        (lambda: wb.plot.segments(e.ds), TypeError, "`gdf` must be a GeoDataFrame; got Dataset"),
        (lambda: wb.load(3), TypeError, "`path` must be a path; got 3"),
    ]:
        with pytest.raises(kind, match=message):
            call()


def test_numbers_of_numpy_and_xarray_are_numbers(examples):
    post = examples.post
    assert len(post.paths(samples=np.int64(2), rng=np.uint8(1), progress=np.bool_(False))) == 2
    above = examples.ds["value"].sel(statistic="mean").min()  # a DataArray without dimensions
    ds = post.excursions(examples.grid, above=above, samples=40, progress=False, rng=1)
    assert "marginal" in ds


# Property-based: what a user may come with, right or wrong.

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 1e-300, 1e300])
)
THINGS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    NUMBERS,
    st.text(max_size=5),
    st.lists(NUMBERS, max_size=3),
    st.dictionaries(st.text(max_size=2), NUMBERS, max_size=2),
    st.just(np.array([["a"]])),
)


@st.composite
def arrays(draw, columns=2):
    """Coordinates: mostly a dozen points, some with NaN, infinity, repeats or on one line."""
    n = draw(st.sampled_from([0, 1, 2, 9, 12, 15]))
    elements = draw(st.sampled_from([st.floats(0, 10), st.integers(0, 3), NUMBERS]))
    array = draw(hnp.arrays(float, (n, columns), elements=elements))
    if n and draw(st.booleans()):
        array[:, -1] = array[:, 0]
    return array


def some_crs():
    return st.sampled_from([None, "EPSG:28992", "EPSG:4326", "EPSG:3857"])


@st.composite
def frames(draw):
    """Points with columns of any kind; some without geometry, empty or of other shapes."""
    s = draw(arrays())
    n = len(s)
    kinds = [NUMBERS, st.integers(0, 3), st.text(max_size=2), st.booleans(), st.none()]
    names = draw(st.lists(st.sampled_from(["v", "w", "x", 3]), unique=True, max_size=3))
    table = {m: draw(st.lists(draw(st.sampled_from(kinds)), min_size=n, max_size=n)) for m in names}
    frame = gpd.GeoDataFrame(
        table, index=range(n), geometry=gpd.points_from_xy(*s.T), crs=draw(some_crs())
    )
    if n and draw(st.integers(0, 5)) == 0:
        odd = draw(st.sampled_from([None, shapely.Point(), shapely.box(0, 0, 1, 1)]))
        frame.loc[0, "geometry"] = odd
    return frame


def any_data():
    return st.one_of(
        frames(),
        st.tuples(arrays(), hnp.arrays(float, st.sampled_from([0, 12, 15]), elements=NUMBERS)),
        st.tuples(arrays(1), arrays(1)),
        arrays(),
        hnp.arrays(float, (3, 4), elements=NUMBERS).map(
            lambda a: xr.DataArray(a, {"y": [0.0, 1, 2], "x": [0.0, 1, 2, 3]}, ("y", "x"))
        ),
        hnp.arrays(float, 12, elements=NUMBERS).map(pd.Series),
        THINGS,
    )


def fit_door(e, data):
    known = {name: data.draw(NUMBERS.filter(lambda x: not x < 0)) for name in ("lengthscale",)}
    known |= {"amplitude": 1.0, "noise_sd": data.draw(st.sampled_from([0.1, 0.0, -1.0, np.nan]))}
    options = {
        "transform": st.sampled_from([None, "log", "sqrt", 3]),
        "covariates": st.sampled_from([(), "w", ["w"], ["v", "w"], 3, [3]]),
        "units": st.sampled_from([None, "mg", 3]),
        "measurement_sd": st.one_of(st.just(None), THINGS),
        "weights": st.one_of(st.just(None), THINGS),
        "left_censored": st.one_of(st.just(None), THINGS),
    }
    for name in data.draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=2)):
        known[name] = data.draw(options[name])
    trend = data.draw(st.sampled_from(["none", "constant", "linear"]))
    value = data.draw(st.sampled_from(["v", "w", None, "nothing", 3]))
    model = wb.FieldModel(trend=trend)
    post = ask(model.condition, data.draw(any_data()), value, progress=False, **known)
    if post is not None:
        where = post.data.coords[:2]
        ask(post.jet_moments, where[:, 0] if where.shape[1] == 1 else where, samples=2)


def grid_door(e, data):
    options = {
        "spacing": st.one_of(st.none(), st.floats(0.1, 5), THINGS),
        "mask": st.one_of(st.sampled_from(["hull", "distance", None, e.area]), THINGS),
        "bounds": st.one_of(st.just((0, 0, 5, 5)), st.lists(NUMBERS, max_size=5), THINGS),
        "like": st.one_of(st.sampled_from([None, e.ds]), THINGS),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=2))
    ask(wb.Grid.from_data, data.draw(any_data()), **{n: data.draw(options[n]) for n in names})


def surface_door(e, data):
    options = {
        "grid": st.one_of(st.sampled_from([None, e.grid]), THINGS),
        "target": st.one_of(st.sampled_from(["surface", "process", "total"]), THINGS),
        "scale": st.one_of(st.sampled_from(["link", "response"]), THINGS),
        "rule": st.one_of(st.sampled_from(["interval", "fdr", "simultaneous"]), THINGS),
        "alpha": st.one_of(st.floats(0, 1), THINGS),
        "samples": st.one_of(st.integers(2, 10), THINGS),
        "keep_draws": st.one_of(st.booleans(), THINGS),
        "rng": st.one_of(st.integers(0, 9), THINGS),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=3))
    arguments = {"grid": e.grid, "samples": 3, "progress": False}
    ask(e.post.surface, **(arguments | {n: data.draw(options[n]) for n in names}))


def curves(e):
    """Lines and areas, of few points, some of them empty, missing or not finite."""
    vertex = st.tuples(st.floats(-2, 12), st.floats(-2, 12))
    line = st.lists(vertex, min_size=2, max_size=4).map(shapely.LineString)
    area = st.lists(vertex, min_size=3, max_size=5).map(shapely.Polygon)
    odd = st.sampled_from(
        [
            None,
            shapely.LineString(),
            shapely.Polygon(),
            shapely.Point(1, 1),
            shapely.LineString([(0, 0), (np.nan, 1)]),
            shapely.LineString([(0, 0), (np.inf, 1)]),
            shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (2, 2)]]),
            shapely.GeometryCollection([shapely.LineString([(0, 0), (3, 3)])]),
            shapely.LineString([(0, 0), (1e4, 1e4)]),
        ]
    )
    shapes = st.lists(st.one_of(line, area, odd), max_size=3)
    framed = st.tuples(shapes, some_crs()).map(lambda t: gpd.GeoSeries(t[0], crs=t[1]))
    return st.one_of(shapes, framed, framed.map(gpd.GeoDataFrame), line, area, THINGS)


def womble_door(e, data):
    options = {
        "by": st.one_of(st.sampled_from(["segment", "curve"]), THINGS),
        "segment_length": st.one_of(st.floats(2, 20), THINGS),
        "rule": st.one_of(st.sampled_from(["interval", "fdr", "simultaneous"]), THINGS),
        "alpha": st.one_of(st.floats(0, 1), THINGS),
        "samples": st.one_of(st.integers(2, 10), THINGS),
        "target": st.one_of(st.sampled_from(["surface", "process"]), THINGS),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=2))
    arguments = {"samples": 3, "progress": False}
    ask(
        e.post.womble,
        data.draw(curves(e)),
        **(arguments | {n: data.draw(options[n]) for n in names}),
    )


def read_door(e, data):
    ending = data.draw(
        st.sampled_from([".csv", ".tsv", ".geojson", ".gpkg", ".parquet", ".tif", ".shp", ".xyz"])
    )
    path = e.folder / f"any{ending}"
    header = st.sampled_from(["x,y,v", "lon,lat,v", "a;b;c", "x\ty\tv", "", "v"])
    cell = st.one_of(NUMBERS.map(str), st.text(max_size=3))
    rows = st.lists(st.lists(cell, min_size=1, max_size=4).map(",".join), max_size=4)
    text = st.tuples(header, rows).map(lambda t: "\n".join([t[0], *t[1]]).encode(errors="ignore"))
    kept = path.suffix in (".geojson", ".gpkg", ".parquet") and data.draw(st.booleans())
    if kept:
        wb.write_table(e.frame, path)
    else:
        path.write_bytes(data.draw(st.one_of(text, st.binary(max_size=50))))
    options = {
        "x": st.sampled_from([None, "x", "a", "lon", 3]),
        "y": st.sampled_from([None, "y", "b", "lat", 3]),
        "crs": st.one_of(some_crs(), THINGS),
        "layer": st.one_of(st.none(), st.just("any"), THINGS),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=3))
    ask(wb.read_data, path, **{n: data.draw(options[n]) for n in names})


def project_door(e, data):
    degrees = st.lists(st.tuples(st.floats(-200, 200), st.floats(-100, 100)), max_size=3)
    near = st.lists(st.tuples(st.floats(3, 7), st.floats(50, 54)), min_size=1, max_size=3)
    points = st.one_of(degrees, near).map(
        lambda t: gpd.GeoSeries([shapely.Point(p) for p in t], crs="EPSG:4326")
    )
    ask(wb.project, data.draw(st.one_of(points, frames(), curves(e), any_data(), THINGS)))


PROPERTIES = [fit_door, grid_door, surface_door, womble_door, read_door, project_door]


def explore(door, examples, count: int) -> None:
    """The door with `count` examples."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def holds(data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # shapely's, of geometries that are not finite
            door(examples, data)

    holds()


@pytest.mark.parametrize("door", PROPERTIES, ids=lambda door: door.__name__)
def test_a_few_of_anything(door, examples):
    explore(door, examples, 25)


@pytest.mark.slow
@pytest.mark.parametrize("door", PROPERTIES, ids=lambda door: door.__name__)
def test_500_of_anything(door, examples):
    explore(door, examples, 500)
