"""Fields on a line: positions to evaluate, and surfaces with one dimension."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import shapely
import xarray as xr
from scipy.stats import norm

import womble as wb
from womble import mixture
from womble.axis import Axis
from womble.grid import Grid
from womble.mask import data_distance
from womble.transect import Transect

N = 60
DAYS = pd.date_range("2001-03-01", periods=N, freq="36h", name="when")
X = np.random.default_rng(8).uniform(0, 10, N)
Y = np.sin(X) + 0.1 * np.random.default_rng(9).standard_normal(N)
THETA = {"lengthscale": 3.0, "amplitude": 1.0, "noise_sd": 0.1}


@pytest.fixture(scope="module")
def post():
    return wb.FieldModel().condition((X, Y), "level", units="m", **THETA)


@pytest.fixture(scope="module")
def series():
    values = pd.Series(3 + Y[np.argsort(X)], index=DAYS, name="level")
    values.attrs["units"] = "mg kg-1"
    return values


@pytest.fixture(scope="module")
def dated(series):
    return wb.FieldModel().condition(series, lengthscale=25.0, amplitude=1.0, noise_sd=0.1)


# --- where it is evaluated -------------------------------------------------------------------


def test_positions_run_from_the_first_to_the_last():
    grid = Grid.from_data(X)
    assert isinstance(grid, Transect)
    npt.assert_allclose(grid.x, np.linspace(X.min(), X.max(), 201), rtol=1e-14)
    assert grid.inside.all()
    npt.assert_array_equal(grid.points, grid.x[:, None])
    npt.assert_allclose(Grid.from_data((X, Y), spacing=0.7).spacing, 0.7)
    npt.assert_allclose(
        Grid.from_data(X[:, None], spacing=0.7, bounds=(0, 7)).x, 0.7 * np.arange(11), atol=1e-15
    )


def test_daily_positions_are_the_days(series):
    grid = Grid.from_data(series, spacing=1.0, bounds=("2001-03-05", "2001-03-09"))
    npt.assert_array_equal(grid.labels["when"], pd.date_range("2001-03-05", "2001-03-09"))
    npt.assert_array_equal(grid.x, np.arange(4.0, 9.0))


def test_masks_keep_what_is_near_the_data():
    x = np.concatenate([np.arange(20.0), 50 + np.arange(20.0)])
    near = Grid.from_data(x, spacing=0.5, bounds=(-10, 80))
    away = np.abs(near.x[:, None] - x).min(axis=1)
    npt.assert_array_equal(near.inside, away <= 4)  # four times the step
    hull = Grid.from_data(x, spacing=0.5, bounds=(-10, 80), mask="hull")
    npt.assert_array_equal(hull.inside, (hull.x >= 0) & (hull.x <= 69))
    assert Grid.from_data(x, spacing=0.5, bounds=(-10, 80), mask=None).inside.all()


def test_few_positions_sampled_at_random_are_masked():
    """Beyond four times the percentile with probability 0.05^4; neighbours at the rate 2 lambda."""
    x = np.random.default_rng(3).uniform(0, 1, 20_000)
    limit = data_distance(x[:, None])
    npt.assert_allclose(limit, 4 * -np.log(0.05) / (2 * 20_000), rtol=0.03)


def test_contains_and_fill_follow_the_positions():
    inside = np.array([True, False, True, True])
    grid = Transect(np.array([1.0, 2.0, 3.0, 4.0]), inside)
    npt.assert_array_equal(
        grid.contains([0.4, 0.6, 1.9, 3.4, 4.6]), [False, True, False, True, False]
    )
    npt.assert_array_equal(grid.fill(np.arange(3.0)), [0, np.nan, 1, 2])
    npt.assert_array_equal(grid.box, [[0.0], [5.0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": 0.0}, "`spacing` must be a positive number"),
        ({"spacing": 1e-9}, r"at most 1e\+08 positions"),
        ({"mask": "disc"}, "`mask` must be None, 'distance' or 'hull'; got 'disc'"),
        ({"mask": shapely.box(0, 0, 1, 1)}, "`mask` must be None, 'distance' or 'hull'"),
        ({"bounds": (3, 1)}, r"two finite positions \(first, last\)"),
        ({"bounds": (0, 0, 1, 1)}, r"two finite positions \(first, last\)"),
        ({"bounds": (50, 60)}, "at least one position; none of 201"),
        ({"like": xr.Dataset()}, "`like` is a raster"),
    ],
)
def test_bad_arguments_on_a_line(options, message):
    with pytest.raises(ValueError, match=message):
        Grid.from_data(X, **options)


def test_dates_are_no_bounds_of_numbers():
    with pytest.raises(TypeError, match="must be numbers, as those of the data are; got dates"):
        Grid.from_data(X, bounds=(DAYS[0], DAYS[3]))


# --- the surface -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ds(post):
    return post.surface(Grid.from_data(post.data, spacing=0.5), progress=False)


def test_a_surface_on_a_line_has_value_slope_and_curvature(ds):
    names = ("value", "dx", "dxx")
    flags = {f"{name}_{what}" for name in names for what in ("p_positive", "significant")}
    assert set(ds.data_vars) == {*names, *flags}
    for name in names:
        assert ds[name].dims == ("statistic", "x")
        assert ds[f"{name}_p_positive"].dims == ("x",)
    assert ds["dx"].attrs == {"long_name": "slope of level"}  # the unit of x is not known
    assert ds["value"].attrs["units"] == "m"
    assert ds["x"].attrs == {"axis": "X", "long_name": "x"}
    assert ds.attrs["Conventions"] == "CF-1.11"


def test_given_hyperparameters_make_it_the_jet_s_normal_law(post, ds):
    mean, covariance = post.jet_moments(ds["x"].to_numpy())
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for i, name in enumerate(("value", "dx", "dxx")):
        scale = np.abs(mean[:, i]).max()
        stated = ds[name].to_numpy()
        npt.assert_allclose(stated[0], mean[:, i], atol=1e-10 * scale)
        npt.assert_allclose(stated[1], sd[:, i], rtol=1e-7)
        quantiles = mean[:, i] + norm.ppf([[0.025], [0.5], [0.975]]) * sd[:, i]
        npt.assert_allclose(stated[2:], quantiles, atol=1e-6 * scale)
        positive = norm.cdf(mean[:, i] / sd[:, i])
        npt.assert_allclose(ds[f"{name}_p_positive"], positive, atol=1e-9)
        flags = np.sign(mean[:, i]) * (np.abs(mean[:, i] / sd[:, i]) > norm.ppf(0.975))
        npt.assert_array_equal(ds[f"{name}_significant"], flags)


def test_sampled_hyperparameters_make_it_a_mixture(post):
    """Two draws, with equal weight: quantiles are where the mean of two normal laws says."""
    draws = xr.Dataset(
        {
            "lengthscale": (("chain", "draw"), [[2.0, 4.0]]),
            "amplitude": (("chain", "draw"), [[1.0, 0.8]]),
            "noise_sd": (("chain", "draw"), [[0.1, 0.2]]),
        }
    )
    both = replace(post, draws=draws, sample_stats=xr.Dataset())
    grid = Grid.from_data(post.data, spacing=1.0)
    found = both.surface(grid, progress=False)
    moments = []
    for index in range(2):
        theta = {name: float(draws[name][0, index]) for name in draws}
        one = wb.FieldModel().condition((X, Y), **theta)
        mean, covariance = one.jet_moments(grid.points)
        moments.append((mean, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))))
    means, sds = (np.stack(part) for part in zip(*moments, strict=True))
    for i, name in enumerate(("value", "dx", "dxx")):
        scale = np.abs(means[..., i]).max()
        centre, sd = mixture.moments(means[..., i], sds[..., i])
        npt.assert_allclose(found[name][0], centre, atol=1e-9 * scale)
        npt.assert_allclose(found[name][1], sd, rtol=1e-6)
        for at, level in zip(found[name][2:], (0.025, 0.5, 0.975), strict=True):
            below = norm.cdf((at.to_numpy() - means[..., i]) / sds[..., i]).mean(axis=0)
            npt.assert_allclose(below, level, atol=1e-6)


def test_draws_kept_are_functions(post):
    grid = Grid.from_data(post.data, spacing=0.05)
    kept = post.surface(grid, samples=100, keep_draws=True, rng=3, progress=False)
    assert kept["dx"].dims == ("draw", "x")
    # Each draw's slope is the difference of its values: truncation O(step^2) of a third derivative.
    slope = np.gradient(kept["value"].to_numpy(), grid.x, axis=1)[:, 1:-1]
    error = np.abs(slope - kept["dx"].to_numpy()[:, 1:-1]).max()
    assert error < 0.05**2 * np.abs(np.diff(kept["dxx"], axis=1)).max() / 0.05
    mean, covariance = post.jet_moments(grid.points)
    deviation = (kept["dx"].mean("draw") - mean[:, 1]) / np.sqrt(covariance[:, 1, 1] / 100)
    assert np.abs(deviation).max() < 5


@pytest.mark.parametrize("rule", ["interval", "fdr", "simultaneous"])
def test_rules_name_themselves_and_widen_in_order(post, rule):
    found = post.surface(rule=rule, samples=100, rng=1, progress=False)
    assert found["dx_significant"].attrs["rule"].startswith(f"{rule}, alpha = 0.05")
    if rule == "simultaneous":
        lower, upper = found["dx_band"].to_numpy()
        assert found["dx_band"].dims == ("bound", "x")
        low, high = (found["dx"].sel(statistic=q).to_numpy() for q in ("q025", "q975"))
        assert (lower < low).all()
        assert (upper > high).all()
        npt.assert_array_equal(found["dx_significant"], (lower > 0) * 1.0 - (upper < 0))


def test_the_response_scale_is_the_exponential():
    y = np.exp(Y)
    post = wb.FieldModel().condition((X, y), transform="log", **THETA)
    grid = Grid.from_data(post.data, spacing=0.5)
    options = {"samples": 50, "keep_draws": True, "rng": 2, "progress": False}
    link = post.surface(grid, **options)
    response = post.surface(grid, scale="response", **options)
    npt.assert_allclose(response["value"], np.exp(link["value"]))
    npt.assert_allclose(response["dx"], np.exp(link["value"]) * link["dx"])
    bend = np.exp(link["value"]) * (link["dxx"] + link["dx"] ** 2)
    npt.assert_allclose(response["dxx"], bend)
    found = post.surface(grid, scale="response", samples=2000, rng=1, progress=False)
    sharp = np.exp(post.jet_moments(grid.points)[0][:, 0])
    # The median of 2,000 draws: relative error at most 5 standard errors of an sd of 0.25.
    npt.assert_allclose(found["value"].sel(statistic="q50"), sharp, rtol=5 * 1.25 * 0.25 / 44)
    assert found["value"].sel(statistic="mean").isnull().all()


def test_target_process_leaves_the_trend_out(post):
    grid = Grid.from_data(post.data, spacing=1.0)
    process = post.surface(grid, target="process", progress=False)
    mean, _ = post.jet_moments(grid.points, target="process")
    npt.assert_allclose(process["value"][0], mean[:, 0], atol=1e-10)


def test_a_rough_kernel_leaves_curvature_out():
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition((X, Y), **THETA)
    with pytest.warns(UserWarning, match="has no Hessian"):
        ds = post.surface(progress=False)
    assert "dx" in ds
    assert "dxx" not in ds


# --- dates -----------------------------------------------------------------------------------


def test_dates_in_dates_out(dated, series):
    grid = Grid.from_data(series, spacing=1.5)
    ds = dated.surface(grid, progress=False)
    npt.assert_array_equal(ds["when"], DAYS)
    assert ds["dx"].dims == ("statistic", "when")
    assert ds["dx"].attrs["units"] == "mg kg-1 days-1"
    assert ds["dxx"].attrs["units"] == "mg kg-1 days-2"
    assert ds["when"].attrs == {"axis": "T", "standard_name": "time", "long_name": "when"}
    by_dates, by_days = dated.jet_moments(DAYS)[0], dated.jet_moments(1.5 * np.arange(N))[0]
    npt.assert_array_equal(by_dates, by_days)
    npt.assert_allclose(ds["dx"].sel(statistic="mean"), by_dates[:, 1], atol=1e-12)


def test_dated_surfaces_pass_through_a_file(dated, tmp_path):
    ds = dated.surface(progress=False)
    ds.to_netcdf(tmp_path / "ds.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "ds.nc", engine="h5netcdf") as again:
        npt.assert_array_equal(again["when"], ds["when"])
        npt.assert_array_equal(again["dx"], ds["dx"])


def test_a_saved_posterior_remembers_its_dates(dated, tmp_path):
    dated.save(tmp_path / "fit.nc")
    again = wb.load(tmp_path / "fit.nc")
    assert again.data.axis == dated.data.axis
    xr.testing.assert_identical(again.surface(progress=False), dated.surface(progress=False))


def test_a_posterior_on_numbers_comes_back(post, tmp_path):
    post.save(tmp_path / "fit.nc")
    again = wb.load(tmp_path / "fit.nc")
    assert again.data.axis == Axis("x")
    xr.testing.assert_identical(again.surface(progress=False), post.surface(progress=False))


# --- refusals --------------------------------------------------------------------------------


def test_grids_must_suit_the_data(post, dated, given, grid):
    with pytest.raises(TypeError, match=r"must be a Transect, as the data are on a line; got Grid"):
        post.surface(grid)
    with pytest.raises(TypeError, match=r"must be a womble.Grid; got Transect"):
        given.surface(Grid.from_data(X))
    with pytest.raises(ValueError, match=r"must have the data's axis.*Grid.from_data\(post.data"):
        dated.surface(Grid.from_data(X))


def test_surfaces_on_a_line_are_no_rasters(ds, tmp_path):
    with pytest.raises(ValueError, match="on the dimensions 'y' and 'x'"):
        wb.write_geotiff(ds, tmp_path)
