"""Bands over whole maps against the exact joint law, and kept draws against the paths they are."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from cases import TRUTH

import womble as wb
from womble import jet
from womble.grid import Grid
from womble.quantity import LINEAR, QUANTITIES

pytestmark = pytest.mark.usefixtures("few_modes")

SIGNED = [name for name, quantity in QUANTITIES.items() if quantity.signed]
SAMPLES = 999
ERRORS = 4.5


@pytest.fixture(scope="module")
def banded(given, grid):
    return given.surface(grid, rule="simultaneous", samples=SAMPLES, rng=1, progress=False)


def inside(array, grid):
    """The cells inside, flattened in the order of `grid.points`."""
    return array.to_numpy()[..., grid.inside]


def joint_jets(post, points, count, seed):
    """Draws (count, p, 6) from the exact joint law at all points, by eigenvectors."""
    ensemble = post.ensemble("surface", None, np.random.default_rng(0))
    f = ensemble.condition(ensemble.thetas[0])
    mean, covariance = (moment[0] for moment in f.groups(points[None], 2))
    sd = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    root = sd[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    noise = np.random.default_rng(seed).standard_normal((count, len(mean)))
    return (mean + noise @ root.T).reshape(count, -1, 6)


def coverage(ds, grid, jets, name):
    """Share of draws (S, p, 6) that lie in a band everywhere."""
    low, high = inside(ds[f"{name}_band"], grid)
    draws = QUANTITIES[name].of(jets)
    return ((low <= draws) & (draws <= high)).all(axis=1).mean()


# --- bands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNED)
def test_a_band_covers_the_exact_joint_law_at_its_level(banded, given, grid, name):
    count = 20_000
    covered = coverage(banded, grid, joint_jets(given, grid.points, count, 2), name)
    # The coverage of an order statistic of S draws is Beta with this variance; binomial counts.
    error = np.sqrt(0.05 * 0.95 * (1 / SAMPLES + 1 / count))
    assert abs(covered - 0.95) < ERRORS * error


def test_a_band_covers_all_draws_of_the_hyperparameters(fitted, grid):
    options = {"samples": 200, "progress": False}
    ds = fitted.surface(grid, rule="simultaneous", alpha=0.2, rng=3, **options)
    jets = fitted.paths(rng=4, **options).jets(grid.points)
    error = np.sqrt(0.2 * 0.8 * 2 / 200)
    for name in SIGNED:
        assert abs(coverage(ds, grid, jets, name) - 0.8) < ERRORS * error, name


def test_a_band_is_the_mean_and_c_sds(banded, grid):
    for name in SIGNED:
        band, flag = banded[f"{name}_band"], banded[f"{name}_significant"]
        assert band.dims == ("bound", "y", "x")
        assert list(band["bound"].to_numpy()) == ["lower", "upper"]
        c = flag.attrs["critical_value"]
        assert c == band.attrs["critical_value"] > 1.96
        mean, sd = (banded[name].sel(statistic=s) for s in ("mean", "sd"))
        for bound, side in (("lower", -1), ("upper", 1)):
            npt.assert_allclose(
                inside(band.sel(bound=bound), grid), inside(mean + side * c * sd, grid), rtol=1e-12
            )
        low, high = inside(band, grid)
        npt.assert_array_equal(inside(flag, grid), 1.0 * (low > 0) - 1.0 * (high < 0))
        assert np.isnan(flag.to_numpy()[~grid.inside]).all()


def test_a_band_says_what_it_is(banded):
    rule = "simultaneous, alpha = 0.05, over all cells"
    assert banded["dx_significant"].attrs["rule"] == banded["dx_band"].attrs["rule"] == rule
    assert banded["dx_band"].attrs["long_name"] == "simultaneous band of slope along x of zinc"
    assert banded["dx_band"].attrs["units"] == "mg kg-1 m-1"
    assert "gradient_magnitude_band" not in banded


def test_statistics_do_not_depend_on_the_rule(banded, given, grid):
    plain = given.surface(grid, samples=SAMPLES, rng=1, progress=False)
    assert not [name for name in plain if name.endswith("_band")]
    for name in QUANTITIES:
        xr.testing.assert_identical(banded[name], plain[name])
    for name in SIGNED:
        xr.testing.assert_identical(banded[f"{name}_p_positive"], plain[f"{name}_p_positive"])


def test_tiles_do_not_show_in_a_band(given, grid, monkeypatch):
    options = {"rule": "simultaneous", "samples": 60, "rng": 1, "progress": False}
    whole = given.surface(grid, **options)
    monkeypatch.setattr("womble.band.TILE", 7)
    tiled = given.surface(grid, **options)
    for name in LINEAR:
        c = [ds[f"{name}_band"].attrs["critical_value"] for ds in (tiled, whole)]
        npt.assert_allclose(*c, rtol=1e-7)


@pytest.mark.parametrize("which", ["given", "fitted"])
def test_a_band_is_the_same_on_any_number_of_cores(which, grid, request, monkeypatch):
    post, found = request.getfixturevalue(which), []
    for workers in (1, 3):
        monkeypatch.setattr("womble.engines.ensemble.WORKERS", workers)
        monkeypatch.setattr("womble.paths.WORKERS", workers)
        options = {"rule": "simultaneous", "samples": 25, "rng": 7, "progress": False}
        found.append(post.surface(grid, **options))
    xr.testing.assert_identical(*found)


def test_cells_without_uncertainty_do_not_widen_a_band(zinc, grid):
    """Without noise the field is certain at the data: an sd there is rounding, about 1e-7 of the
    prior's, and a path passes closer still (rounding itself, and not its square root)."""
    post = wb.FieldModel().condition(zinc, "zinc", **(TRUTH | {"noise_sd": 0.0}))
    x, y = zinc.geometry.iloc[0].coords[0]
    at_a_datum = Grid(x + 20.0 * np.arange(2), y + 20.0 * np.arange(2), np.ones((2, 2), bool))
    apart = Grid(at_a_datum.x, at_a_datum.y, np.array([[False, True], [True, True]]))
    options = {"rule": "simultaneous", "samples": 199, "rng": 1, "progress": False}
    c = []
    for cells in (at_a_datum, apart):
        ds = post.surface(replace(cells, crs=zinc.crs), **options)
        c.append(ds["value_band"].attrs["critical_value"])
    npt.assert_allclose(*c, rtol=1e-9)


def test_a_rough_kernel_has_bands_of_first_order(zinc, grid):
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition(zinc, "zinc", **TRUTH)
    with pytest.warns(UserWarning, match="has no Hessian"):
        ds = post.surface(grid, rule="simultaneous", samples=25, rng=0, progress=False)
    assert {n for n in ds if n.endswith("_band")} == {"value_band", "dx_band", "dy_band"}


def test_a_band_on_the_response_scale_is_refused(log_given, given, grid):
    options = {"rule": "simultaneous", "samples": 25, "rng": 0, "progress": False}
    with pytest.raises(ValueError, match=r"need not exist; got scale='response'. Use scale='link'"):
        log_given.surface(grid, scale="response", **options)
    same = (given.surface(grid, scale=scale, **options) for scale in ("response", "link"))
    xr.testing.assert_identical(*same)


# --- kept draws ------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["given", "fitted"])
def test_kept_draws_are_the_paths(which, grid, request):
    post = request.getfixturevalue(which)
    ds = post.surface(grid, keep_draws=True, samples=20, rng=3, progress=False)
    (dx, dy), x, y = grid.spacing, grid.x, grid.y
    domain = (x.min() - dx, y.min() - dy, x.max() + dx, y.max() + dy)
    paths = post.paths(samples=20, domain=domain, rng=3, progress=False)
    jets = paths.jets(grid.points)
    assert set(ds.data_vars) == set(QUANTITIES)
    for name, quantity in QUANTITIES.items():
        assert ds[name].dims == ("draw", "y", "x")
        factor = 180 / np.pi if name == "gradient_direction" else 1.0
        npt.assert_array_equal(inside(ds[name], grid), factor * quantity.of(jets))
        assert np.isnan(ds[name].to_numpy()[:, ~grid.inside]).all()
    npt.assert_array_equal(ds["draw"], np.arange(20))


def test_kept_draws_are_described(given, grid, tmp_path):
    ds = given.surface(grid, keep_draws=True, samples=3, rng=3, progress=False)
    assert ds["dxy"].attrs["units"] == "mg kg-1 m-2"
    assert ds["gradient_direction"].attrs["units"] == "degree"
    assert "one function of location" in ds.attrs["comment"]
    assert ds.rio.crs.to_epsg() == 28992
    assert len(wb.write_geotiff(ds, tmp_path)) == len(QUANTITIES)


def test_kept_draws_on_the_response_scale_are_exponentiated(log_given, grid):
    options = {"keep_draws": True, "samples": 5, "rng": 3, "progress": False}
    link = log_given.surface(grid, **options)
    ds = log_given.surface(grid, scale="response", **options)
    jets = np.stack([inside(link[name], grid) for name in jet.PLANAR], axis=-1)
    for i, name in enumerate(jet.PLANAR):
        npt.assert_array_equal(inside(ds[name], grid), jet.unlink(jets, "log")[..., i])
    assert ds["value"].attrs["units"] == "mg kg-1"
    assert ds.attrs["scale"] == "response"


def test_more_draws_than_memory_are_refused(given, grid, monkeypatch):
    monkeypatch.setattr("womble.surface.MAXIMUM_BYTES", 12 * 20 * 8 * 30)
    given.surface(grid, keep_draws=True, samples=30, rng=0, progress=False)
    message = r"31 draws of 12 quantities on 4 x 5 cells take 0.0 GB. Ask for fewer `samples`"
    with pytest.raises(ValueError, match=message):
        given.surface(grid, keep_draws=True, samples=31, rng=0, progress=False)


def test_silence(given, grid, capfd):
    given.surface(grid, rule="simultaneous", samples=20, rng=0, progress=False)
    given.surface(grid, keep_draws=True, samples=2, rng=0, progress=False)
    assert capfd.readouterr() == ("", "")
