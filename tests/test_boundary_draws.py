"""Boundaries of posterior draws: lines, raster, bands, profiles (hyperparameters given)."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
import shapely
import xarray as xr
from cases import A6, simulate
from scipy.integrate import trapezoid

import womble as wb
from womble import jet, paths
from womble.across import Across, band_polygons
from womble.engines import ensemble
from womble.front import Fronts, summaries
from womble.hyperparameters import PLAIN
from womble.kinds import Gradient, downward_axis
from womble.profile import Probes
from womble.rasterize import cells_crossed
from womble.vertices import Vertices

QUIET = {"rng": 1, "progress": False}


def condition(data, **given):
    theta = {"lengthscale": 0.7, "amplitude": 0.6, "noise_sd": 0.05} | given
    return wb.FieldModel(kernel=wb.Matern(nu=3.5)).condition(data, **theta)


@pytest.fixture(scope="module")
def front():
    """The front of A6 from 200 sites."""
    return condition(simulate(A6, 200, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def steep():
    """tanh(5 (x - 0.5)) on a lattice of 21 x 21 sites, all but without noise."""
    side = np.linspace(0, 1, 21)
    coords = np.column_stack([axis.ravel() for axis in np.meshgrid(side, side)])
    return condition((coords, np.tanh(5 * (coords[:, 0] - 0.5))), lengthscale=0.5, noise_sd=1e-3)


def coarse(post):
    """Cells of 1 / 20, to be quick."""
    return wb.Grid.from_data(post.data, spacing=0.05, mask="hull")


# -- lines of draws --------------------------------------------------------------------------------


def same_paths(post, grid, samples, domain_of):
    """The paths that boundary_draws(rng=1) searches."""
    box = domain_of(grid).ravel()
    return post.paths(samples=samples, domain=box, **QUIET)


@pytest.mark.parametrize("kind", ["level", "zero_curvature", "ridge"])
def test_lines_of_a_draw_lie_on_that_draw(front, kind):
    grid = wb.Grid.from_data(front.data, mask="hull")
    levels = [0.1] if kind == "level" else None
    draws = front.boundary_draws(grid, kind=kind, levels=levels, samples=5, **QUIET)
    drawn = same_paths(front, grid, 5, front._box)
    assert set(draws.draw) == set(range(5))
    on_grid = drawn.jets(grid.points)
    for draw, lines in draws.groupby("draw"):
        own = drawn.jets(shapely.get_coordinates(lines.geometry))[draw]
        # What is 0 on the line, and its size at large.
        if kind == "level":
            left, at_large = own[:, 0] - 0.1, on_grid[draw][:, 0] - 0.1
        elif kind == "zero_curvature":
            left, at_large = jet.laplacian(own), jet.laplacian(on_grid[draw])
        else:
            left, at_large = (
                np.sum(jet.gradient(jets) * downward_axis(jets), axis=1)
                for jets in (own, on_grid[draw])
            )
            # A side counts where both its ends have it negative.
            assert (jet.laplacian(own) < 0).mean() > 0.95
        # A path's Laplacian has 3/2 derivatives, and 1 / 60 to the power 3/2 is 0.002; beside it
        # axes that turn by up to 30 degrees from cell to cell leave 0.03 of the vector.
        error = np.abs(left) / np.abs(at_large).max()
        assert np.median(error) < 0.004
        assert error.max() < 0.06


def test_crests_of_draws_lie_at_the_front_and_are_interior_maxima(steep):
    draws = steep.boundary_draws(samples=20, **QUIET)
    assert (draws.groupby("draw").size() == 1).all()
    assert set(draws.draw) == set(range(20))
    x, y = shapely.get_coordinates(draws.geometry).T
    # Noise of 1e-3 at sites 0.05 apart leaves the slope's maximum, of curvature 250, to 0.01.
    npt.assert_allclose(x, 0.5, atol=0.01)
    assert np.ptp(y) > 0.9


def test_columns_and_settings(front):
    draws = front.boundary_draws(samples=3, min_length=0.2, **QUIET)
    assert list(draws) == ["draw", "line_id", "kind", "level", "length", "geometry"]
    npt.assert_allclose(draws.length, shapely.length(draws.geometry))
    assert draws["length"].min() >= 0.2
    settings = draws.attrs["womble"]
    assert (settings["kind"], settings["samples"], settings["min_length"]) == ("gradient", 3, 0.2)
    x = wb.Grid.from_dict(settings["grid"]).x
    npt.assert_array_equal(x, wb.Grid.from_data(front.data, mask="hull").x)


def test_draws_without_lines_are_counted(front):
    draws = front.boundary_draws(kind="level", levels=[7.0], samples=4, **QUIET)
    assert draws.empty
    assert list(draws) == ["draw", "line_id", "kind", "level", "length", "geometry"]
    raster = front.boundary_probability(kind="level", levels=[7.0], samples=4, **QUIET)
    assert raster.max() == 0


@pytest.mark.parametrize("kind", ["gradient", "zero_curvature"])
def test_the_seed_decides_and_not_the_number_of_cores(front, kind, monkeypatch):
    grid = coarse(front)
    first = front.boundary_draws(grid, kind=kind, samples=4, **QUIET)
    for module in (paths, ensemble):
        monkeypatch.setattr(module, "WORKERS", 1)
    assert first.equals(front.boundary_draws(grid, kind=kind, samples=4, **QUIET))
    other = front.boundary_draws(grid, kind=kind, samples=4, rng=2, progress=False)
    assert not first.equals(other)


def test_hyperparameters_may_be_sampled(given):
    # Draws about the given values stand for those of a fit.
    scatter = np.exp(0.1 * np.random.default_rng(0).standard_normal((3, 1, 30)))
    draws = xr.Dataset(
        {
            name: (("chain", "draw"), float(given.draws[name].item()) * factor)
            for name, factor in zip(PLAIN.names, scatter, strict=True)
        }
    )
    fitted = replace(given, draws=draws, sample_stats=draws)
    grid = wb.Grid.from_data(fitted.data, spacing=5.0, mask="hull")
    level = float(np.median(fitted.data.values))
    draws = fitted.boundary_draws(grid, kind="level", levels=[level], samples=12, **QUIET)
    assert draws.crs == fitted.data.crs
    assert draws.attrs["units"] == {"length": "m"}
    assert set(draws.draw) <= set(range(12))
    lines = fitted.boundaries(grid, kind="level", levels=[level], prominence=0.8, **QUIET)
    bands = fitted.boundary_bands(lines, samples=12, **QUIET)
    assert bands.crs == lines.crs
    assert bands.is_valid.all()
    with pytest.raises(ValueError, match="at most the number of posterior draws, 30; got 31"):
        fitted.boundary_draws(samples=31, progress=False)


# -- probability -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gradient", "zero_curvature"])
def test_the_probability_is_the_share_of_draws_that_cross_the_cell(front, kind):
    grid = coarse(front)
    raster = front.boundary_probability(grid, kind=kind, samples=8, **QUIET)
    draws = front.boundary_draws(grid, kind=kind, samples=8, **QUIET)
    share = np.zeros(grid.shape)
    for _, lines in draws.groupby("draw"):
        share += cells_crossed([np.array(line.coords) for line in lines.geometry], grid) / 8
    npt.assert_allclose(raster, np.where(grid.inside, share, np.nan))
    assert raster.name == "boundary_probability"
    assert raster.dims == ("y", "x")
    assert raster.attrs["units"] == "1"


def test_the_raster_has_a_crs_and_goes_into_a_file(given, tmp_path):
    import rasterio

    grid = wb.Grid.from_data(given.data, spacing=5.0, mask="hull")
    raster = given.boundary_probability(
        grid, kind="level", levels=[10.0], samples=5, min_length=10.0, **QUIET
    )
    assert raster.rio.crs == given.data.crs
    assert raster.x.attrs["units"] == "m"
    assert raster.attrs["levels"] == [10.0]
    npt.assert_array_equal(np.isnan(raster), ~grid.inside)
    (path,) = wb.write_geotiff(raster.to_dataset(), tmp_path)
    with rasterio.open(path) as file:
        npt.assert_array_equal(file.read(1), raster[::-1])
        assert file.crs == given.data.crs


# -- bands -----------------------------------------------------------------------------------------


def test_bands_of_a_level_are_as_wide_as_the_values_sd_over_the_slope(front):
    lines = front.boundaries(coarse(front), kind="level", levels=[0.0], **QUIET)
    bands = front.boundary_bands(lines, level=0.8, samples=200, **QUIET)
    mean, covariance = front.jet_moments(shapely.get_coordinates(lines.geometry), order=1)
    sd = np.sqrt(covariance[:, 0, 0]) / np.linalg.norm(mean[:, 1:], axis=1)
    # First order in the small sd; the sd of an estimated quantile's width is 7% for 200 draws.
    npt.assert_allclose(bands.area / lines.geometry.length, 2 * 1.2816 * sd.mean(), rtol=0.15)
    assert (bands.band_level == 0.8).all()
    assert bands.columns.tolist() == [*lines.columns, "band_level"]
    assert bands.geometry[0].buffer(1e-9).contains(lines.geometry[0])


def test_a_wider_level_holds_the_narrower_and_the_order_of_rows_is_kept(front):
    lines = front.boundaries(coarse(front), kind="level", levels=[0.0, 0.2, -0.2], **QUIET)
    narrow, wide = (front.boundary_bands(lines, level=p, samples=20, **QUIET) for p in (0.5, 0.9))
    for one, other, line in zip(narrow.geometry, wide.geometry, lines.geometry, strict=True):
        assert one.intersects(line)
        assert other.buffer(1e-9).contains(one)
    turned = front.boundary_bands(lines.iloc[::-1], level=0.5, samples=20, **QUIET)
    npt.assert_allclose(turned.area.to_numpy()[::-1], narrow.area.to_numpy())


def across(points, directions, line=None):
    points = np.array(points, dtype=float)
    line = np.zeros(len(points), int) if line is None else np.array(line)
    vertices = Vertices(points, np.array(directions, dtype=float), line, np.arange(len(points)))
    return Across(Gradient(), vertices, Probes(np.ones((len(points), 2))))


def test_a_band_about_a_straight_line_is_a_rectangle():
    item = across([(0, 0), (0, 1), (0, 3)], [(1, 0)] * 3)
    (band,) = band_polygons(item, np.tile([-0.1, 0.3], (3, 1)))
    assert band.equals(shapely.box(-0.1, 0, 0.3, 3))


def test_where_profiles_cross_a_band_is_their_two_triangles():
    # Rays from (0, 0) and (0, 1) that meet at (1, 0.5), the middle of both.
    item = across([(0, 0), (0, 1)], [(2, 1), (2, -1)])
    (band,) = band_polygons(item, np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert band.is_valid
    npt.assert_allclose(band.area, 2 * 0.5 * 1 * 1)


def test_a_band_of_no_width_is_empty_and_gaps_are_not_bridged():
    item = across([(0, 0), (0, 1)], [(1, 0)] * 2)
    assert band_polygons(item, np.zeros((2, 2)))[0].is_empty
    item = across([(0, 0), (0, 1), (0, 2), (0, 3)], [(1, 0)] * 4, [0, 0, 1, 1])
    bands = band_polygons(item, np.tile([0.0, 1.0], (4, 1)))
    npt.assert_allclose([band.area for band in bands], 1.0)


# -- profiles --------------------------------------------------------------------------------------


def test_the_profile_of_a_known_front(steep):
    lines = steep.boundaries(coarse(steep), **QUIET)
    found = steep.boundary_profile(lines, samples=30, **QUIET).iloc[0]
    # d/dx tanh(5 x) = 5 sech^2(5 x), half of it where cosh(5 x) = sqrt 2. Sites 0.05 apart leave
    # 0.5% of the slope to the interpolation; nodes of the profile 0.016 apart do far less.
    npt.assert_allclose(found.peak_slope_q50, 5.0, rtol=0.02)
    npt.assert_allclose(found.width_q50, 2 * np.arccosh(np.sqrt(2)) / 5, rtol=0.02)
    npt.assert_allclose(found.step_height_q50, 2 * np.tanh(2.5), rtol=0.01)
    assert found.share_censored == 0
    assert found.kind == "gradient"
    assert found.peak_slope_q025 < found.peak_slope_mean < found.peak_slope_q975
    assert found.width_sd > 0


def test_the_profile_rises_by_the_integral_of_its_slope(steep):
    ds = steep.profile_across(steep.boundaries(coarse(steep), **QUIET), samples=10, **QUIET)
    assert dict(ds.sizes) == {"boundary": 1, "statistic": 5, "offset": 61}
    mean = ds.sel(statistic="mean", boundary=0)
    distance = mean.distance.to_numpy()
    rise = trapezoid(mean.slope, distance)
    # Trapezoid rule: h^2 / 12 times the difference of end slopes' derivatives, nearly 0 here.
    npt.assert_allclose(rise, mean.value[-1] - mean.value[0], rtol=2e-3)
    npt.assert_allclose(np.interp(0.0, distance, mean.value), 0.0, atol=0.02)
    assert (ds.slope.sel(statistic="q025") <= ds.slope.sel(statistic="q975")).all()


def test_profiles_of_an_edge_go_uphill(steep):
    lines = steep.boundaries(coarse(steep), kind="zero_curvature", **QUIET)
    edge = lines.iloc[[lines.geometry.length.argmax()]]
    found = steep.boundary_profile(edge, samples=10, **QUIET).iloc[0]
    npt.assert_allclose(found.peak_slope_q50, 5.0, rtol=0.03)
    assert found.step_height_q025 > 0


def test_widths_that_the_profile_does_not_hold_are_censored():
    offsets = np.linspace(-1, 1, 41)
    width = np.array([0.2, 0.4, 0.6, np.inf])  # full widths of triangles at half height
    slope = np.array([np.maximum(1 - np.abs(offsets) / w, 0) for w in width])[:, None, :]
    drawn = Fronts(offsets[None], slope, slope, np.array([[1.0], [2.0], [3.0], [4.0]]))
    row = drawn.table().iloc[0]
    assert row.share_censored == 0.25
    npt.assert_allclose([row.width_q025, row.width_q50], [0.2, 0.4], atol=1e-12)
    assert np.isnan(row[["width_mean", "width_sd", "width_q975"]].astype(float)).all()
    npt.assert_allclose(row.peak_slope_mean, 1.0)
    npt.assert_allclose(row[["step_height_mean", "step_height_q50"]].astype(float), [2.5, 2.0])


def test_summaries_are_of_the_draws():
    draws = np.arange(1.0, 1001.0)[:, None]
    npt.assert_allclose(summaries(draws)[:, 0], [500.5, draws.std(), 25, 500, 975])


# -- refusals --------------------------------------------------------------------------------------


def test_methods_that_take_lines_want_those_of_this_posterior(front, steep):
    lines = front.boundaries(**QUIET)
    bare = lines.copy()
    bare.attrs = {}
    elsewhere = lines.set_geometry(lines.geometry.translate(0.25, 0))
    for method in (front.boundary_bands, front.boundary_profile, front.profile_across):
        with pytest.raises(ValueError, match=r"settings of its search in attrs\['womble'\]"):
            method(bare, progress=False)
        with pytest.raises(ValueError, match="must be boundaries of this posterior"):
            method(elsewhere, samples=5, progress=False)
        with pytest.raises(ValueError, match="`lines` and the data must be in one CRS"):
            method(lines.set_crs(28992), progress=False)
    with pytest.raises(ValueError, match=r"`level` must lie in \(0, 1\); got 90"):
        front.boundary_bands(lines, level=90, progress=False)


def test_ridges_have_no_step(front):
    lines = front.boundaries(kind="ridge", **QUIET)
    with pytest.raises(ValueError, match="across which the surface rises; got 'ridge'"):
        front.boundary_profile(lines, progress=False)


def test_no_lines_give_empty_tables(front):
    nothing = front.boundaries(min_length=5.0, **QUIET)
    assert front.boundary_bands(nothing, samples=5, **QUIET).empty
    profile = front.boundary_profile(nothing, samples=5, **QUIET)
    assert profile.empty
    assert "width_q50" in profile
    assert front.profile_across(nothing, samples=5, **QUIET).sizes["boundary"] == 0
