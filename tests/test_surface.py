"""Surfaces are the posterior's own summaries, cell by cell, described as CF asks."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from cases import TRUTH
from scipy.stats import norm

import womble as wb
from womble import jet
from womble.grid import Grid
from womble.quantity import LINEAR, QUANTITIES
from womble.summaries import STATISTICS, of_draws

QUANTILES = {"q025": 0.025, "q50": 0.5, "q975": 0.975}
NONLINEAR = ("gradient_magnitude", "gaussian_curvature", "curvature_max", "curvature_min")
SIGNED = [name for name, quantity in QUANTITIES.items() if quantity.signed]
# Beyond this many standard errors once in 1.7 million: the comparisons here are a few hundred.
ERRORS = 5.0
DRAWS = 40_000


@pytest.fixture(scope="module")
def grid(zinc):
    """Three rows of four cells, two of them outside."""
    inside = np.ones((3, 4), dtype=bool)
    inside[0, 0] = inside[2, 1] = False
    x, y = 181020.0 + 20.0 * np.arange(4), 332030.0 + 20.0 * np.arange(3)
    return Grid(x, y, inside, zinc.crs, "m")


@pytest.fixture(scope="module")
def surface(given, grid):
    return given.surface(grid, samples=DRAWS, rng=1, progress=False)


def inside(array, grid):
    """The cells inside, flattened in the order of `grid.points`."""
    return array.to_numpy()[..., grid.inside]


def jets_by_brute_force(post, grid, seed):
    """Draws (DRAWS, p, 6) from the normal law that `jet_moments` states, by eigenvectors."""
    rng = np.random.default_rng(seed)
    out = []
    for mean, covariance in zip(*post.jet_moments(grid.points), strict=True):
        sd = np.sqrt(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
        root = sd[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
        out.append(mean + rng.standard_normal((DRAWS, 6)) @ root.T)
    return np.stack(out, axis=1)


def assert_quantiles(stated, draws):
    """The share of `draws` (N, p) below each stated quantile (3, p) is its level.

    Both sides come from N draws: the difference of two binomial shares.
    """
    for row, level in zip(stated, QUANTILES.values(), strict=True):
        error = np.sqrt(2 * level * (1 - level) / DRAWS)
        assert np.all(np.abs((draws < row).mean(axis=0) - level) < ERRORS * error), level


# --- what it looks like ----------------------------------------------------------------------


def test_variables_dimensions_and_coordinates(surface, grid):
    flags = [f"{name}_{what}" for name in SIGNED for what in ("p_positive", "significant")]
    assert set(surface.data_vars) == {*QUANTITIES, *flags}
    assert list(surface["statistic"].to_numpy()) == list(STATISTICS)
    for name in QUANTITIES:
        assert surface[name].dims == ("statistic", "y", "x")
    for name in flags:
        assert surface[name].dims == ("y", "x")
    npt.assert_array_equal(surface["x"], grid.x)
    npt.assert_array_equal(surface["y"], grid.y)


def test_outside_the_mask_is_nan_and_inside_is_not(surface, grid):
    for name, variable in surface.data_vars.items():
        known = np.isfinite(variable.to_numpy())
        if name == "gradient_direction":
            assert not known[2:].any()  # a direction has no quantiles
            known = known[:2]
        npt.assert_array_equal(known, np.broadcast_to(grid.inside, known.shape))


def test_cf_attributes(surface):
    assert surface.attrs["Conventions"] == "CF-1.11"
    units = {
        "value": "mg kg-1",
        "dx": "mg kg-1 m-1",
        "dxy": "mg kg-1 m-2",
        "gradient_magnitude": "mg kg-1 m-1",
        "gradient_direction": "degree",
        "laplacian": "mg kg-1 m-2",
        "gaussian_curvature": "(mg kg-1)2 m-4",
        "dx_p_positive": "1",
        "dx_significant": "1",
    }
    assert {name: surface[name].attrs["units"] for name in units} == units
    assert surface["dx"].attrs["long_name"] == "slope along x of zinc"
    assert surface["dx_significant"].attrs["rule"] == "interval, alpha = 0.05, per cell"
    for axis in "xy":
        assert surface[axis].attrs["units"] == "m"
        assert surface[axis].attrs["axis"] == axis.upper()


def test_the_crs_is_where_cf_puts_it(surface):
    import rioxarray  # noqa: F401

    assert surface.rio.crs.to_epsg() == 28992
    assert "crs_wkt" in surface["spatial_ref"].attrs
    for variable in surface.data_vars.values():
        where = variable.attrs | variable.encoding
        assert where["grid_mapping"] == "spatial_ref"


def test_without_units_and_crs_nothing_is_made_up():
    rng = np.random.default_rng(3)
    coords = rng.uniform(-200, 200, (15, 2))
    post = wb.FieldModel().condition(
        (coords, rng.standard_normal(15)), lengthscale=90.0, amplitude=1.0, noise_sd=0.3
    )
    ds = post.surface(
        Grid.from_data(coords, spacing=200.0, mask=None), samples=2, rng=0, progress=False
    )
    assert "units" not in ds["value"].attrs | ds["dx"].attrs | ds["x"].attrs
    assert ds["gradient_direction"].attrs["units"] == "degree"
    assert "spatial_ref" not in ds.coords


def test_netcdf_and_back(surface, tmp_path):
    path = tmp_path / "surface.nc"
    surface.to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all") as ds:
        xr.testing.assert_equal(ds.load(), surface)
        assert ds.attrs == surface.attrs
        assert ds["dx"].attrs["units"] == "mg kg-1 m-1"


# --- closed forms ----------------------------------------------------------------------------


def test_linear_quantities_are_the_normal_law_of_the_jets(given, surface, grid):
    mean, covariance = given.jet_moments(grid.points)
    rows = {name: np.eye(6)[i] for i, name in enumerate(jet.PLANAR)}
    rows["laplacian"] = rows["dxx"] + rows["dyy"]
    assert set(rows) == set(LINEAR)
    for name, row in rows.items():
        m, sd = mean @ row, np.sqrt(np.einsum("pab,a,b->p", covariance, row, row))
        expected = [m, sd, *(m + norm.ppf(level) * sd for level in QUANTILES.values())]
        scale = np.abs(m) + sd
        npt.assert_allclose(
            inside(surface[name], grid) / scale, np.array(expected) / scale, atol=1e-9
        )
        npt.assert_allclose(
            inside(surface[f"{name}_p_positive"], grid), norm.cdf(m / sd), atol=1e-9
        )


def test_quantiles_of_a_fit_are_exact_for_the_mixture_over_draws(zinc, fitted, grid):
    post = replace(fitted, draws=fitted.draws.isel(chain=[1], draw=slice(6)))
    ds = post.surface(grid, rng=0, progress=False)
    parts = []
    for draw in range(6):
        theta = {name: post.draws[name][0, draw].item() for name in TRUTH}
        one = wb.FieldModel().condition(zinc, "zinc", **theta)
        parts.append(one.jet_moments(grid.points))
    for i, name in enumerate(jet.PLANAR):
        m = np.array([mean[:, i] for mean, _ in parts])
        sd = np.sqrt([covariance[:, i, i] for _, covariance in parts])
        for statistic, level in QUANTILES.items():
            at = inside(ds[name].sel(statistic=statistic), grid)
            npt.assert_allclose(norm.cdf((at - m) / sd).mean(axis=0), level, rtol=1e-7)
        npt.assert_allclose(inside(ds[name].sel(statistic="mean"), grid), m.mean(axis=0), rtol=1e-9)


def test_process_is_the_surface_without_its_trend(given, grid):
    ds = given.surface(grid, target="process", samples=2, rng=0, progress=False)
    mean, _ = given.jet_moments(grid.points, target="process")
    npt.assert_allclose(inside(ds["value"].sel(statistic="mean"), grid), mean[:, 0], rtol=1e-9)


# --- against brute force ---------------------------------------------------------------------


def test_nonlinear_quantities_agree_with_brute_force(given, surface, grid):
    jets = jets_by_brute_force(given, grid, seed=2)
    for name in NONLINEAR:
        draws = QUANTITIES[name].of(jets)
        statistics = inside(surface[name], grid)
        assert_quantiles(statistics[2:], draws)
        sd = draws.std(axis=0)
        kurtosis = np.mean(((draws - draws.mean(axis=0)) / sd) ** 4, axis=0)
        error = sd * np.sqrt(2 / DRAWS)
        assert np.all(np.abs(statistics[0] - draws.mean(axis=0)) < ERRORS * error)
        # Var of a sample variance is (kurtosis - 1) sd^4 / N; half of it, relative, for the sd.
        error = sd * np.sqrt(2 * (kurtosis - 1) / (4 * DRAWS))
        assert np.all(np.abs(statistics[1] - sd) < ERRORS * error)
        if QUANTITIES[name].signed:
            p = (draws > 0).mean(axis=0)
            error = np.sqrt(2 * p * (1 - p) / DRAWS) + 1 / DRAWS
            assert np.all(np.abs(inside(surface[f"{name}_p_positive"], grid) - p) < ERRORS * error)


def test_intervals_of_few_draws_hold_as_many_as_they_state():
    """A further draw is below the k-th of S in order with probability k / (S + 1)."""
    draws = np.random.default_rng(6).permutation(np.arange(1.0, 200.0))[:, None]
    statistics, _ = of_draws("gradient_magnitude", draws, None)
    npt.assert_allclose(statistics[2:, 0], [5.0, 100.0, 195.0], rtol=1e-12)


def test_direction_is_the_circular_mean_and_sd(given, surface, grid):
    angle = jet.gradient_direction(jets_by_brute_force(given, grid, seed=3))
    resultant = np.exp(1j * angle).mean(axis=0)
    length, centred = np.abs(resultant), angle - np.angle(resultant)
    mean, sd = np.radians(inside(surface["gradient_direction"].sel(statistic=["mean", "sd"]), grid))
    # Delta method: the mean direction moves by E sin / R; the sd, sqrt(-2 log R), by dR / (R sd).
    error = np.sin(centred).std(axis=0) / length * np.sqrt(2 / DRAWS)
    apart = np.angle(np.exp(1j * (mean - np.angle(resultant))))
    assert np.all(np.abs(apart) < ERRORS * error)
    circular = np.sqrt(-2 * np.log(length))
    error = np.cos(centred).std(axis=0) / (length * circular) * np.sqrt(2 / DRAWS)
    assert np.all(np.abs(sd - circular) < ERRORS * error)


def test_response_scale_is_the_chain_rule(log_given, grid):
    ds = log_given.surface(grid, scale="response", samples=DRAWS, rng=4, progress=False)
    f = np.moveaxis(jets_by_brute_force(log_given, grid, seed=5), -1, 0)
    value = np.exp(f[0])
    fields = {
        "value": value,
        "dx": value * f[1],
        "dy": value * f[2],
        "dxx": value * (f[3] + f[1] ** 2),
        "dxy": value * (f[4] + f[1] * f[2]),
        "dyy": value * (f[5] + f[2] ** 2),
        "gradient_magnitude": value * np.hypot(f[1], f[2]),
        "laplacian": value * (f[3] + f[5] + f[1] ** 2 + f[2] ** 2),
    }
    for name, draws in fields.items():
        statistics = inside(ds[name], grid)
        assert np.isnan(statistics[:2]).all()  # means need not exist
        assert_quantiles(statistics[2:], draws)
    # The median of e^f is e^median, and f is normal: its rank is known without drawing.
    mean, covariance = log_given.jet_moments(grid.points, order=0)
    z = (np.log(inside(ds["value"].sel(statistic="q50"), grid)) - mean[:, 0]) / np.sqrt(
        covariance[:, 0, 0]
    )
    npt.assert_allclose(norm.cdf(z), 0.5, atol=ERRORS * 0.5 / np.sqrt(DRAWS))
    assert ds.attrs["scale"] == "response"
    assert ds["value"].attrs["units"] == "mg kg-1"
    assert ds["dx"].attrs["units"] == "mg kg-1 m-1"


def test_link_scale_of_logarithms_has_no_response_units(log_given, grid):
    ds = log_given.surface(grid, samples=2, rng=0, progress=False)
    assert ds["value"].attrs["units"] == "ln(re 1 mg kg-1)"
    assert ds["dx"].attrs["units"] == "m-1"


def test_response_scale_without_a_transform_is_the_link_scale(given, grid):
    options = {"samples": 20, "rng": 0, "progress": False}
    xr.testing.assert_identical(
        given.surface(grid, scale="response", **options), given.surface(grid, **options)
    )


# --- rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_interval_rule_is_the_interval(given, grid, alpha):
    ds = given.surface(grid, samples=2, alpha=alpha, rng=0, progress=False)
    mean, covariance = given.jet_moments(grid.points)
    for i, name in enumerate(jet.PLANAR):
        half = norm.isf(alpha / 2) * np.sqrt(covariance[:, i, i])
        expected = np.sign(mean[:, i]) * (np.abs(mean[:, i]) > half)
        npt.assert_array_equal(inside(ds[f"{name}_significant"], grid), expected)
        low = inside(ds[name].sel(statistic="q025"), grid)
        sd = np.sqrt(covariance[:, i, i])  # alpha moves flags, never quantiles
        npt.assert_allclose((low - mean[:, i]) / sd, norm.ppf(0.025), atol=1e-7)


def test_fdr_rule_bounds_the_expected_share_of_wrong_signs(given, grid, monkeypatch):
    # One cell a tile: cells are judged together all the same.
    monkeypatch.setattr("womble.surface.TILE_ENTRIES", 1)
    ds = given.surface(grid, samples=2, rule="fdr", alpha=0.1, rng=0, progress=False)
    for name in jet.PLANAR:
        p, sign = inside(ds[f"{name}_p_positive"], grid), inside(ds[f"{name}_significant"], grid)
        error = np.minimum(p, 1 - p)
        called = sign != 0
        npt.assert_array_equal(sign[called], np.sign(p[called] - 0.5))
        ordered = np.sort(error)
        count = int(np.sum(np.cumsum(ordered) <= 0.1 * np.arange(1, len(p) + 1)))
        assert called.sum() == count
        assert set(np.flatnonzero(called)) == set(np.argsort(error)[:count])
    assert ds["dx_significant"].attrs["rule"] == "fdr, alpha = 0.1, per cell"


# --- reproducible ----------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["given", "fitted"])
def test_the_same_seed_on_any_number_of_cores(which, grid, request, monkeypatch):
    post = request.getfixturevalue(which)
    results = []
    for workers in (1, 3):
        monkeypatch.setattr("womble.engines.ensemble.WORKERS", workers)
        results.append(post.surface(grid, samples=30, rng=7, progress=False))
    xr.testing.assert_identical(*results)
    other = post.surface(grid, samples=30, rng=8, progress=False)
    assert not other["gradient_magnitude"].equals(results[0]["gradient_magnitude"])


@pytest.mark.parametrize("which", ["given", "fitted"])
def test_tiles_do_not_show(which, grid, request, monkeypatch):
    post = request.getfixturevalue(which)
    whole = post.surface(grid, samples=30, rng=7, progress=False)
    monkeypatch.setattr("womble.surface.TILE_ENTRIES", 90)  # three cells a tile
    tiled = post.surface(grid, samples=30, rng=7, progress=False)
    for name in LINEAR:
        scale = whole[name].sel(statistic="sd")
        npt.assert_allclose(tiled[name] / scale, whole[name] / scale, atol=1e-8)
    assert list(tiled) == list(whole)


def test_silence(given, grid, capfd):
    given.surface(grid, samples=2, rng=0, progress=False)
    assert capfd.readouterr() == ("", "")


# --- grids and kernels -----------------------------------------------------------------------


def test_a_raster_to_be_like_keeps_its_order(given, zinc):
    x, y = 181010.0 + 25.0 * np.arange(4), 332090.0 - 25.0 * np.arange(4)
    like = xr.DataArray(np.zeros((4, 4)), {"y": y, "x": x}, ("y", "x")).rio.write_crs(zinc.crs)
    ds = given.surface(
        wb.Grid.from_data(zinc, like=like, mask=None), samples=2, rng=0, progress=False
    )
    npt.assert_array_equal(ds["y"], y)
    mean, _ = given.jet_moments([[x[2], y[0]]])
    at = ds["value"].sel(statistic="mean", x=x[2], y=y[0])
    npt.assert_allclose(at, mean[0, 0], rtol=1e-10)


def test_the_default_grid_covers_the_data(given):
    ds = given.surface(samples=2, rng=0, progress=False)
    default = Grid.from_data(given.data)
    npt.assert_array_equal(ds["x"], default.x)
    npt.assert_array_equal(np.isfinite(ds["value"][0]), default.inside)


def test_rough_kernels_yield_first_order_and_say_so(zinc, grid):
    post = wb.FieldModel(kernel=wb.Matern(1.5)).condition(zinc, "zinc", **TRUTH)
    with pytest.warns(UserWarning, match=r"has no Hessian.*Matern\(nu\) with nu > 2") as record:
        ds = post.surface(grid, samples=2, rng=0, progress=False)
    assert record[0].filename == __file__
    bases = {name for name in ds.data_vars if "_p_" not in name and "_signif" not in name}
    assert bases == {"value", "dx", "dy", "gradient_magnitude", "gradient_direction"}
    mean, _ = post.jet_moments(grid.points, order=1)
    npt.assert_allclose(inside(ds["dy"].sel(statistic="mean"), grid), mean[:, 2], rtol=1e-9)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"scale": "log"}, "`scale` must be 'link' or 'response'; got 'log'"),
        ({"rule": "bonferroni"}, "`rule` must be one of .* got 'bonferroni'"),
        (
            {"rule": "simultaneous", "samples": 18},
            "at alpha = 0.05 needs at least 19 draws; got 18. Ask for more",
        ),
        ({"rule": "fdr", "keep_draws": True}, r"without flags; got rule='fdr'. Leave `rule` out"),
        ({"alpha": 0.0}, r"`alpha` must be an error rate in \(0, 0.5\]; got 0.0"),
        ({"target": "trend"}, "`target` must be one of 'surface', 'process'"),
        ({"samples": 1}, "`samples` must be at least 2; got 1"),
    ],
)
def test_bad_options(given, grid, option, message):
    with pytest.raises(ValueError, match=message):
        given.surface(grid, progress=False, **option)


def test_a_grid_of_another_kind_or_crs(given, grid):
    with pytest.raises(
        TypeError, match=r"`grid` must be a womble\.Grid, a Transect or None; got ndarray"
    ):
        given.surface(grid.points)
    with pytest.raises(ValueError, match="`grid` must be in the data's CRS, 'Amersfoort"):
        given.surface(replace(grid, crs="EPSG:32631"))
