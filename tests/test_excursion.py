"""Joint excursion sets against the exact joint law."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from scipy.special import ndtr
from test_band import inside, joint_jets

import womble as wb
from womble.excursion import FIELDS
from womble.quantity import LINEAR, QUANTITIES

pytestmark = pytest.mark.usefixtures("few_modes")

SAMPLES, COUNT = 300, 10_000
ERRORS = 4.5
# Levels at which some cells are sure, some are not, and the joint probabilities fall in between.
CASES = [
    ("value", 9.0, 1),
    ("value", 11.5, -1),
    ("slope", 0.03, 1),
    ("slope", 0.2, -1),
    ("curvature", 0.004, -1),
    ("dx", -0.08, 1),
    ("gaussian_curvature", -1e-5, 1),
]
cases = pytest.mark.parametrize(("of", "threshold", "side"), CASES)


@pytest.fixture(scope="module")
def jets(given, grid):
    return joint_jets(given, grid.points, COUNT, 5)


def excursions(post, grid, of, threshold, side, **options):
    level = {"above" if side > 0 else "below": threshold}
    options = {"samples": SAMPLES, "rng": 1, "progress": False} | options
    return post.excursions(grid, of=of, **level, **options)


@cases
def test_probabilities_are_those_of_the_exact_joint_law(given, grid, jets, of, threshold, side):
    ds = excursions(given, grid, of, threshold, side)
    marginal, function = (inside(ds[name], grid) for name in ("marginal", "excursion_function"))
    beyond = side * (QUANTITIES[FIELDS[of]].of(jets) - threshold) > 0
    share = beyond.mean(axis=0)
    assert share.max() > 0.9  # the case says something
    assert share.min() < 0.9
    # Half a draw more than the binomial error, where a share is 0 or 1.
    error = np.sqrt(share * (1 - share) * (1 / SAMPLES + 1 / COUNT)) + 0.5 / SAMPLES
    npt.assert_array_less(np.abs(marginal - share), ERRORS * error)
    # A cell's set: all cells that the excursion function puts no later.
    exact = np.array([beyond[:, function >= own].all(axis=1).mean() for own in function])
    error = np.sqrt(exact * (1 - exact) * (1 / SAMPLES + 1 / COUNT)) + 0.5 / SAMPLES
    npt.assert_array_less(np.abs(function - exact), ERRORS * error)
    npt.assert_array_equal(inside(ds["set"], grid), function >= 0.95 - 1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_marginals_of_linear_fields_are_closed_forms(given, grid, name):
    of = next(key for key, value in FIELDS.items() if value == name)
    row = QUANTITIES[name].of(np.eye(6))
    mean, covariance = given.jet_moments(grid.points)
    m, sd = mean @ row, np.sqrt(np.einsum("a,pab,b->p", row, covariance, row))
    threshold = float(np.median(m))
    above, below = (excursions(given, grid, of, threshold, side, samples=20) for side in (1, -1))
    npt.assert_allclose(inside(above["marginal"], grid), ndtr((m - threshold) / sd), atol=1e-9)
    npt.assert_allclose(above["marginal"] + below["marginal"], 1.0 + 0 * above["set"], atol=1e-12)


def test_a_joint_set_is_smaller_than_the_marginal_one(given, grid):
    ds = excursions(given, grid, "value", 9.5, 1)
    alone = inside(ds["marginal"], grid) >= 0.95
    together = inside(ds["set"], grid) > 0
    assert 0 < together.sum() < alone.sum()
    assert not (together & ~alone).any()


def test_alpha_moves_the_set_and_nothing_else(given, grid):
    strict, loose = (
        excursions(given, grid, "slope", 0.03, 1, alpha=a, samples=200) for a in (0.05, 0.4)
    )
    xr.testing.assert_equal(strict["excursion_function"], loose["excursion_function"])
    assert inside(strict["set"], grid).sum() < inside(loose["set"], grid).sum()
    assert "alpha = 0.4" in loose["set"].attrs["rule"]


def test_sampled_hyperparameters_are_averaged(fitted, grid):
    ds = excursions(fitted, grid, "slope", 0.05, 1, samples=200)
    marginal = inside(ds["marginal"], grid)
    drawn = fitted.paths(samples=200, rng=9, progress=False).jets(grid.points, 1)
    share = (np.hypot(drawn[..., 1], drawn[..., 2]) > 0.05).mean(axis=0)
    npt.assert_array_less(np.abs(marginal - share), ERRORS * np.sqrt(2 * 0.25 / 200))
    linear = excursions(fitted, grid, "dx", 0.0, 1, samples=200)
    exact = fitted.surface(grid, samples=200, rng=1, progress=False)["dx_p_positive"]
    npt.assert_allclose(inside(linear["marginal"], grid), inside(exact, grid), atol=1e-9)


def test_tiles_and_cores_do_not_show(given, grid, monkeypatch):
    whole = excursions(given, grid, "value", 9.0, 1, samples=50)
    monkeypatch.setattr("womble.excursion.TILE", 4)
    monkeypatch.setattr("womble.paths.WORKERS", 1)
    tiled = excursions(given, grid, "value", 9.0, 1, samples=50)
    npt.assert_allclose(tiled["marginal"], whole["marginal"], atol=1e-9)
    other = excursions(given, grid, "value", 9.0, 1, samples=50, rng=2)
    assert not other["excursion_function"].equals(whole["excursion_function"])


def test_batches_of_draws_are_all_counted(given, grid, monkeypatch):
    monkeypatch.setattr("womble.excursion.TILE", 1)  # ten draws of a cell at a time
    ds = excursions(given, grid, "slope", 0.0, 1, samples=25)
    npt.assert_array_equal(inside(ds["marginal"], grid), 1.0)
    npt.assert_array_equal(inside(ds["set"], grid), 1.0)


def test_a_map_of_it_is_described(given, grid, tmp_path):
    ds = excursions(given, grid, "slope", 0.05, 1, samples=20)
    assert set(ds.data_vars) == {"set", "excursion_function", "marginal"}
    for variable in ds.data_vars.values():
        assert variable.dims == ("y", "x")
        npt.assert_array_equal(np.isfinite(variable), grid.inside)
        assert variable.attrs["units"] == "1"
    assert ds["marginal"].attrs["long_name"] == "P(steepness of zinc > 0.05 mg kg-1 m-1)"
    assert ds["set"].attrs["rule"] == "joint excursion, alpha = 0.05, over all cells"
    assert "20 joint draws" in ds["excursion_function"].attrs["comment"]
    assert ds.rio.crs.to_epsg() == 28992
    ds.to_netcdf(tmp_path / "set.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "set.nc", engine="h5netcdf", decode_coords="all") as back:
        xr.testing.assert_equal(back.load(), ds)
    assert len(wb.write_geotiff(ds, tmp_path)) == 3


def test_a_rough_kernel_has_slopes_and_no_curvature(zinc, grid):
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition(
        zinc, "zinc", lengthscale=30.0, amplitude=2.0, noise_sd=0.5
    )
    assert np.isfinite(excursions(post, grid, "slope", 0.05, 1, samples=20)["set"]).any()
    with pytest.raises(ValueError, match="no mean-square derivative of order 2"):
        excursions(post, grid, "curvature", 0.0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": "gradient_magnitude", "above": 0.0}, "got 'gradient_magnitude'. 'slope' is the"),
        ({"of": "gradient_direction", "above": 0.0}, "`of` must be one of 'value', 'slope', 'cur"),
        ({}, "exactly one of `above` and `below` must be given; got above=None, below=None"),
        ({"above": 0.0, "below": 1.0}, "exactly one .* got above=0.0, below=1.0. Call twice"),
        ({"above": np.nan}, "the level must be a finite number; got nan"),
        ({"above": 0.0, "alpha": 0.7}, r"`alpha` must be an error rate in \(0, 0.5\]; got 0.7"),
        ({"above": 0.0, "samples": 18}, "at alpha = 0.05 needs at least 19 draws; got 18"),
        ({"above": 0.0, "target": "trend"}, "`target` must be one of 'surface', 'process'"),
    ],
)
def test_bad_options(given, grid, options, message):
    with pytest.raises(ValueError, match=message):
        given.excursions(grid, progress=False, **options)


def test_a_grid_of_another_crs_is_refused(given, grid):
    with pytest.raises(ValueError, match="`grid` must be in the data's CRS"):
        given.excursions(replace(grid, crs="EPSG:32631"), above=0.0)


def test_silence(given, grid, capfd):
    excursions(given, grid, "slope", 0.05, 1, samples=20)
    assert capfd.readouterr() == ("", "")
