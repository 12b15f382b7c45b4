"""Lazy surfaces are the eager ones: the same Dataset, the same numbers, in whatever tiles."""

import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from dask.base import collections_to_expr

import womble as wb
from womble import decision, lazy
from womble.engines.ensemble import Ensemble
from womble.grid import Grid
from womble.shipped import Shipped, one_blas_thread

QUIET = {"progress": False}
# Relative to the largest number. Closed forms differ by the rounding of products of other shapes,
# which the covariance given data amplifies; paths by their non-uniform FFTs, 1e-11 of a component,
# and by what curvatures make of that.
CLOSED, BY_PATHS = 1e-10, 1e-8


@pytest.fixture(scope="module")
def wide(zinc):
    """Twenty rows of 37 cells: three blocks along a row, two of them cut; a corner is outside."""
    inside = np.ones((20, 37), dtype=bool)
    inside[:10, :20] = False
    x, y = 181005.0 + 2.4 * np.arange(37), 332090.0 - 4.0 * np.arange(20)
    return Grid(x, y, inside, zinc.crs, "m")


def assert_same(lazy_map, eager, tolerance):
    """Equal structure, attributes and coordinates, and numbers relative to the variable's size."""
    computed = lazy_map.compute(scheduler="sync")
    assert list(lazy_map.variables) == list(eager.variables)
    assert lazy_map.attrs == eager.attrs
    for name, expected in eager.variables.items():
        actual = computed.variables[name]
        assert actual.dims == expected.dims, name
        assert actual.dtype == expected.dtype, name
        assert actual.attrs == expected.attrs, name
        assert actual.encoding == expected.encoding, name
        if name in eager.coords:
            assert actual.equals(expected), name
            continue
        a, b = actual.to_numpy(), expected.to_numpy()
        npt.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
        size = np.nanmax(np.abs(b), initial=0.0) or 1.0
        npt.assert_allclose(a / size, b / size, rtol=0, atol=tolerance, err_msg=name)


OPTIONS = [
    {},
    {"target": "process", "alpha": 0.2},
    {"scale": "response"},
    {"keep_draws": True},
    {"keep_draws": True, "scale": "response"},
]


CASES = [*(("log_given", options) for options in OPTIONS), ("fitted", {}), ("fitted", OPTIONS[3])]


@pytest.mark.parametrize(("which", "options"), CASES, ids=str)
def test_the_dense_engine_in_tiles(which, options, wide, request, monkeypatch):
    post = request.getfixturevalue(which)
    monkeypatch.setattr(lazy, "DRAWS", 12)  # in batches of draws too
    monkeypatch.setattr(lazy, "TILE_ENTRIES", 20 * 300)  # and tiles in pieces
    settings = {"samples": 20, "rng": 3, **options}
    eager = post.surface(wide, **settings, **QUIET)
    tolerance = BY_PATHS if "keep_draws" in options else CLOSED
    assert_same(post.surface(wide, chunks=(7, 30), **settings), eager, tolerance)


@pytest.mark.parametrize("closed_form", [True, False], ids=["factor", "paths"])
@pytest.mark.parametrize("options", [{}, {"keep_draws": True}], ids=str)
def test_the_spectral_engine_in_tiles(closed_form, options, zinc, wide, monkeypatch):
    if not closed_form:
        monkeypatch.setattr("womble.engines.spectral.DENSE_FEATURES", 10)
        # As many as leave few steps of conjugate gradients, which rounding grows with.
        monkeypatch.setattr("womble.engines.spectral.MOST_FACTORED", 60)
    monkeypatch.setattr(lazy, "DRAWS", 3)
    known = {"lengthscale": 60.0, "amplitude": 2.0, "noise_sd": 0.5}
    post = wb.FieldModel().condition(zinc, "zinc", engine="spectral", **known)
    settings = {"samples": 8, "rng": 3, **options}
    eager = post.surface(wide, **settings, **QUIET)
    assert_same(post.surface(wide, chunks=(20, 16), **settings), eager, BY_PATHS)


def test_waves_and_laplace_on_a_line(monkeypatch):
    rng = np.random.default_rng(5)
    x = np.sort(rng.uniform(0, 20, 50))
    counts = pd.Series(rng.poisson(np.exp(1 + np.sin(x))), index=x, name="count")
    model, known = wb.FieldModel(likelihood="poisson"), {"lengthscale": 2.0, "amplitude": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        waves = model.condition(
            counts, **known, inference="nuts", draws=10, tune=20, chains=1, rng=1, **QUIET
        )
    grid = wb.Grid.from_data(counts, spacing=0.05)
    monkeypatch.setattr(lazy, "DRAWS", 4)
    for post in (waves, model.condition(counts, **known)):
        for options in ({"scale": "response"}, {"keep_draws": True}):
            settings = {"samples": 10, "rng": 3, **options}
            eager = post.surface(grid, **settings, **QUIET)
            assert_same(post.surface(grid, chunks=150, **settings), eager, BY_PATHS)


def test_anisotropy_and_rough_kernels(zinc, wide):
    known = {"lengthscale": 30.0, "amplitude": 2.0, "noise_sd": 0.5}
    post = wb.FieldModel(anisotropic=True).condition(zinc, "zinc", anisotropy=(2.0, 30.0), **known)
    settings = {"samples": 5, "rng": 3}
    eager = post.surface(wide, **settings, **QUIET)
    assert_same(post.surface(wide, chunks=16, **settings), eager, CLOSED)
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition(zinc, "zinc", **known)
    with pytest.warns(UserWarning, match="has no Hessian"):
        eager = post.surface(wide, **settings, **QUIET)
    with pytest.warns(UserWarning, match="has no Hessian"):
        tiled = post.surface(wide, chunks=16, **settings)
    assert_same(tiled, eager, CLOSED)


def test_threads_do_not_show(fitted, wide):
    ds = fitted.surface(wide, chunks=16, samples=20, rng=3)
    xr.testing.assert_identical(ds.compute(scheduler="threads"), ds.compute(scheduler="sync"))


def test_processes_do_not_show(fitted, wide):
    """Paths, and what they are drawn from, go through pickles."""
    ds = fitted.surface(wide, chunks=16, samples=10, keep_draws=True, rng=3)
    computed = ds.compute(scheduler="processes", num_workers=1)
    expected = ds.compute(scheduler="sync")
    for name in ds.data_vars:
        npt.assert_allclose(computed[name], expected[name], rtol=1e-10, err_msg=name)


def test_a_path_is_one_function_across_tiles(given, wide):
    """Cells of two tilings whose edges lie elsewhere agree, so no edge is a step."""
    settings = {"samples": 3, "keep_draws": True, "rng": 3}
    one, other = (
        given.surface(wide, chunks=chunks, **settings)[["value", "dx", "dyy"]].compute()
        for chunks in (16, (9, 11))
    )
    for name in one:
        size = float(np.abs(one[name]).max())
        npt.assert_allclose(one[name] / size, other[name] / size, atol=1e-9)


def test_flags_by_fdr_as_the_refusal_says(given, wide):
    settings = {"samples": 4, "rng": 3}
    eager = given.surface(wide, rule="fdr", alpha=0.1, **settings, **QUIET)
    ds = given.surface(wide, chunks=16, **settings)
    flags = decision.fdr_sign(ds["dx_p_positive"].to_numpy(), 0.1)
    npt.assert_array_equal(flags[wide.inside], eager["dx_significant"].to_numpy()[wide.inside])


# --- graphs ----------------------------------------------------------------------------------


def graph_of(ds):
    """The tasks of a Dataset as a scheduler gets them."""
    return dict(collections_to_expr([ds]).optimize().__dask_graph__())


def test_outside_tiles_cost_nothing(given, wide, monkeypatch):
    inside = np.zeros_like(wide.inside)
    inside[18, 30] = True
    ds = given.surface(replace(wide, inside=inside), chunks=8, samples=2, rng=0)
    names = [key[0] for key in ds.__dask_graph__() if isinstance(key, tuple)]
    assert sum(name.startswith("part-") for name in names) == 1
    computed = ds["value"].isel(y=slice(8), x=slice(8))
    monkeypatch.setattr(Ensemble, "condition", None)  # what it would take to evaluate anything
    assert np.isnan(computed.compute(scheduler="sync")).all()


def test_the_posterior_is_in_the_graph_once(fitted, wide):
    ds = fitted.surface(wide, chunks=8, samples=200, rng=0)
    sizes = sorted(len(pickle.dumps(task)) for task in graph_of(ds).values())
    assert len(sizes) > 500
    # A task is a few numbers and names; the job has 200 draws, 40 data and the mask.
    assert sizes[-2] < 4_000
    assert sizes[-1] < 100_000


def test_names_say_what_is_computed(given, wide):
    """Equal only for equal results: stores of unfinished runs depend on it."""
    settings = {"chunks": 16, "samples": 3, "rng": 0}
    name = given.surface(wide, **settings)["dx"].data.name
    assert given.surface(wide, **settings)["dx"].data.name == name
    others = [{"rng": 1}, {"samples": 4}, {"target": "process"}, {"alpha": 0.1}, {"chunks": 8}]
    for other in others:
        assert given.surface(wide, **settings | other)["dx"].data.name != name
    moved = replace(wide, x=wide.x + 1e-9)
    assert given.surface(moved, **settings)["dx"].data.name != name


def test_what_is_shipped_is_unpacked_once_a_process():
    value = {"a": np.arange(5)}
    packed = pickle.dumps(Shipped(value, "a token"))
    one, other = pickle.loads(packed), pickle.loads(packed)
    assert one.value is other.value
    npt.assert_array_equal(one.value["a"], value["a"])
    again = pickle.loads(pickle.dumps(one))
    assert again.value is one.value


def test_one_blas_thread_is_undone_when_the_last_leaves():
    from threadpoolctl import threadpool_info

    def counts():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before, first, second = counts(), one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    assert set(counts()) == {1}
    first.__exit__(None, None, None)
    assert set(counts()) == {1}
    second.__exit__(None, None, None)
    assert counts() == before


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"chunks": 0}, r"`chunks` must be an integer or \(rows, columns\).*got 0"),
        ({"chunks": (8, 8, 8)}, r"at least 1; got \(8, 8, 8\)"),
        ({"chunks": 8.5}, r"got 8.5. 64 to 512 suit"),
        ({"chunks": 8, "rule": "fdr"}, r"judges all cells of a map together.*fdr_sign\(ds\["),
        ({"chunks": 8, "rule": "simultaneous"}, "one band around the whole map.*Leave `chunks`"),
        ({"chunks": 8, "rule": "bonferroni"}, "`rule` must be one of"),
    ],
)
def test_bad_options(given, grid, option, message):
    with pytest.raises(ValueError, match=message):
        given.surface(grid, samples=30, rng=0, **option)


def test_cells_beyond_the_waves_are_refused_at_once(zinc):
    known = {"lengthscale": 30.0, "amplitude": 2.0, "noise_sd": 0.5}
    post = wb.FieldModel().condition(zinc, "zinc", engine="spectral", **known)
    far = Grid.from_data(zinc, bounds=(180000, 331000, 182000, 333000), spacing=100.0, mask=None)
    with pytest.raises(ValueError, match="fit's series of waves is made for"):
        post.surface(far, chunks=8, samples=2)


def test_without_dask_the_extra_is_named():
    script = """
import sys
from importlib.machinery import PathFinder

class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, *where):
        return None if name.split(".")[0] in ("dask", "zarr") else super().find_spec(name, *where)

sys.meta_path = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
import numpy as np, womble as wb
xy, y = np.random.default_rng(0).random((12, 2)), np.arange(12.0)
post = wb.FieldModel().condition((xy, y), lengthscale=1.0, amplitude=1.0, noise_sd=0.1)
grid = wb.Grid.from_data(xy, spacing=0.3, mask=None)
ds = post.surface(grid, samples=2, progress=False)
for refused in (lambda: post.surface(grid, chunks=2), lambda: wb.write_zarr(ds, "never.zarr")):
    try:
        refused()
    except ImportError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.count('pip install "womble[dask]"') == 2
