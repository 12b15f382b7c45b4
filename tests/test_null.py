"""The null of smooth fields: its data, its statistic, its p-values; contour lengths by Rice."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import TRENDS, correlation, standard_bound

import womble as wb
from womble import null
from womble.covariance import Scale
from womble.engines.fourier import FourierPrior
from womble.kernels import Matern, SquaredExponential
from womble.mean_field import MeanField
from womble.null import expected_contour_length, gradient_measures, p_values
from womble.replicate import Simulator, recondition

STEP = {"lengthscale": 0.4, "amplitude": 0.5, "noise_sd": 0.2}
COMMON = {"rng": 1, "progress": False}


def sites(n, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, 2))


def noisy(values, seed=0):
    return values + STEP["noise_sd"] * np.random.default_rng(seed).standard_normal(len(values))


@pytest.fixture(scope="module")
def stepped():
    """A step of height 2 at x = 0.5 in an otherwise flat field, 150 sites."""
    coords = sites(150)
    data = coords, noisy(np.tanh((coords[:, 0] - 0.5) / 0.05))
    return wb.FieldModel().condition(data, **STEP)


@pytest.fixture(scope="module")
def smooth():
    """A field drawn from the model itself, with noise a fifth of its sd, 150 sites."""
    coords = sites(150)
    prior = FourierPrior(Matern(3.5), Scale(1.0, 0.4), np.array([[0.0, 0.0], [1.0, 1.0]]))
    field = prior.draw(np.random.default_rng(3)).jets(coords, 0)[:, 0]
    return wb.FieldModel().condition((coords, noisy(field)), **STEP | {"amplitude": 1.0})


@pytest.fixture(scope="module")
def grid():
    return wb.Grid.from_data(sites(150), spacing=1 / 20, mask="hull")


@pytest.fixture(scope="module")
def smooth_lines(smooth, grid):
    return smooth.boundaries(grid, prominence=0.8, **COMMON)


@pytest.fixture(scope="module")
def smooth_tested(smooth, smooth_lines):
    return smooth.null_test(smooth_lines, replicates=19, **COMMON)


# -- the data of a replicate ---------------------------------------------------------------------


@pytest.mark.parametrize("trend", TRENDS)
def test_the_trend_has_the_law_of_bayesian_regression(trend):
    coords = sites(30)
    values = noisy(1 + coords @ [3.0, -2.0])
    found = wb.FieldModel(trend=trend).condition((coords, values), **STEP)
    (theta,) = found.ensemble("surface", None, None).thetas
    engine = found._engine
    simulator = Simulator.at(engine, theta)
    # (H' C^-1 H + I)^-1 with C the covariance about the trend.
    C = theta.scales[0].amplitude ** 2 * correlation(
        Matern(3.5), engine.distances / theta.scales[0].lengthscale
    )
    C += theta.noise_sd**2 * np.eye(30)
    H = engine.trend_basis
    expected = np.linalg.inv(H.T @ np.linalg.solve(C, H) + np.eye(H.shape[1]))
    # Both forms lose digits to the wide prior: variances are 1e-4 of it or more, C's condition 1e3.
    npt.assert_allclose(simulator.trend_covariance, expected, rtol=1e-6, atol=1e-10)
    mean = expected @ H.T @ np.linalg.solve(C, engine.values)
    npt.assert_allclose(simulator.trend_mean, mean, atol=1e-8)


@pytest.mark.parametrize("trend", ["none", "linear"])
def test_simulated_data_have_the_covariance_of_the_model(trend):
    """Field, noise and trend together; two visits to one site share all but the noise."""
    samples, rng = 600, np.random.default_rng(0)
    coords = sites(12)
    coords = np.concatenate([coords, coords[:2]])
    found = wb.FieldModel(trend=trend).condition((coords, coords[:, 0] ** 2), **STEP)
    (theta,) = found.ensemble("surface", None, None).thetas
    engine = found._engine
    simulator = Simulator.at(engine, theta)
    draws = np.stack([simulator.values(rng) for _ in range(samples)])
    H = engine.trend_basis
    expected = theta.scales[0].amplitude ** 2 * correlation(
        Matern(3.5), engine.distances / theta.scales[0].lengthscale
    )
    expected += theta.noise_sd**2 * np.eye(14) + H @ simulator.trend_covariance @ H.T
    sd = np.sqrt(np.diag(expected))
    centred = (draws - H @ simulator.trend_mean) / sd
    of = expected / np.outer(sd, sd)
    assert np.abs(centred.mean(axis=0)).max() * np.sqrt(samples) < standard_bound(14, samples)
    deviation = np.abs(centred.T @ centred / samples - of) * np.sqrt(samples / (1 + of**2))
    assert deviation.max() < standard_bound(14 * 15 / 2, samples)


@pytest.mark.parametrize("target", ["surface", "process"])
def test_a_replicate_is_the_posterior_given_its_data(target):
    coords = sites(40)
    model = wb.FieldModel(trend="none")  # without trend nothing depends on the scale of the values
    first, second = (
        model.condition((coords, noisy(coords[:, 0], seed)), **STEP) for seed in (0, 1)
    )
    ensemble = first.ensemble(target, None, None)
    values = ensemble.scaling.values_in(second.data.values)
    replicate = recondition(ensemble, ensemble.thetas[0], values, 7)
    points = sites(9, seed=5)
    mean, covariance = second.jet_moments(points, target=target)
    found = replicate.moments(points, 2)
    npt.assert_allclose(found[0], mean, atol=1e-9 * np.abs(mean).max())
    npt.assert_allclose(found[1], covariance, atol=1e-9 * np.abs(covariance).max())
    assert replicate.draw_groups(points[:, None], 1, np.random.default_rng(0)).shape == (7, 9, 1, 3)


# -- the statistic -------------------------------------------------------------------------------


def test_the_measure_of_a_line_on_a_plane_is_slope_times_the_length_across():
    def plane(points):
        return np.tile([0.0, 3.0, 4.0], (len(points), 1))  # steepest along (0.6, 0.8)

    lines = [
        shapely.LineString([(0, 0), (-0.8, 0.6)]),  # a contour
        shapely.LineString([(-0.8, 0.6), (0, 0)]),  # travelled the other way
        shapely.LineString([(0, 0), (0.6, 0.8)]),  # straight uphill
        shapely.LineString([(0, 0), (0, 1), (0, 2)]),
        shapely.MultiLineString([[(0, 0), (0, 1)], [(0, 1), (0, 0)]]),
    ]
    npt.assert_allclose(gradient_measures(lines, plane, 1.0), [5, 5, 0, 6, 6], atol=1e-12)
    assert gradient_measures([], plane, 1.0).shape == (0,)


def test_the_statistic_is_the_gradient_measure_of_the_curve(stepped, grid):
    lines = stepped.boundaries(grid, **COMMON)
    found = stepped.null_test(lines, replicates=19, **COMMON)
    assert len(lines) > 0
    totals = stepped.womble(lines.geometry, by="curve", samples=200, **COMMON)
    npt.assert_allclose(found.statistic, totals.gradient_mean.abs(), rtol=1e-9)
    # On a crest of a straight step the gradient is all but normal to the line.
    npt.assert_allclose(found.statistic, lines.steepness_mean * lines.length, rtol=0.1)


# -- p-values ------------------------------------------------------------------------------------


def test_p_values_count_the_data_as_one_of_the_replicates():
    maxima = np.array([0.0, 1.0, 2.0, 2.0])
    npt.assert_allclose(p_values([3.0, 2.0, 1.5, 0.5], maxima), [1 / 5, 3 / 5, 3 / 5, 4 / 5])
    assert p_values(np.empty(0), maxima).shape == (0,)


def test_a_step_is_no_accident(stepped, grid):
    found = stepped.null_test(stepped.boundaries(grid, **COMMON), replicates=19, **COMMON)
    # The step's slope of 10 and more stands against slopes of 0.5 x 1.2 / 0.4 = 1.5.
    assert found.p_null.min() == 1 / 20


def test_lines_of_a_smooth_field_are_accidents(smooth_lines, smooth_tested):
    columns = smooth_lines.columns.tolist()
    assert smooth_tested.columns.tolist() == [*columns, "statistic", "p_null"]
    assert smooth_lines.equals(smooth_tested[columns])
    assert len(smooth_lines) > 1
    assert smooth_tested.p_null.min() > 0.05
    # Every line is compared with the same maxima: the larger its statistic, the smaller its p.
    assert (smooth_tested.sort_values("statistic").p_null.diff().dropna() <= 0).all()


def test_p_values_are_the_same_for_some_of_the_lines_and_on_one_core(
    smooth, smooth_lines, smooth_tested, monkeypatch
):
    monkeypatch.setattr(null, "WORKERS", 1)
    part = smooth.null_test(smooth_lines.iloc[1:], replicates=19, **COMMON)
    assert part.equals(smooth_tested.iloc[1:])


@pytest.mark.parametrize("trend", ["none", "linear"])
def test_levels_beyond_the_range_of_a_replicate_have_no_line(trend, grid):
    """A level near the top of the data's mean is above that of many replicates."""
    coords = sites(150)
    data = coords, noisy(coords[:, 0] + np.exp(-20 * ((coords - 0.5) ** 2).sum(axis=1)))
    found = wb.FieldModel(trend=trend).condition(data, **STEP)
    ensemble = found.ensemble("surface", 2, np.random.default_rng(0))
    top = MeanField(ensemble, grid, 0, False).jets[..., 0][grid.inside].max()
    settings = {"kind": "level", "prominence": 0.6, "min_length": 0.05, **COMMON}
    lines = found.boundaries(grid, levels=[0.5 * top, 0.95 * top], **settings)
    assert len(lines) > 0
    search = null.Search.of(lines.attrs["womble"])
    arguments = {"replicates": 20, "rng": np.random.default_rng(0), "progress": False}
    maxima = null.null_maxima(found.ensemble("surface", None, None), search, **arguments)
    assert (maxima >= 0).all()
    assert (maxima > 0).any()
    tested = found.null_test(lines, replicates=19, **COMMON)
    assert tested.p_null.between(1 / 20, 1).all()
    # On a contour the gradient is normal to the line.
    npt.assert_allclose(tested.statistic, lines.steepness_mean * lines.length, rtol=0.3)


def test_a_replicate_without_lines_has_maximum_0(smooth, smooth_lines):
    settings = smooth_lines.attrs["womble"] | {"min_steepness": 100.0}
    maxima = null.null_maxima(
        smooth.ensemble("surface", None, None),
        null.Search.of(settings),
        replicates=3,
        rng=np.random.default_rng(0),
        progress=False,
    )
    assert maxima.tolist() == [0.0, 0.0, 0.0]


def test_a_fit_takes_its_draws_in_turn(fitted, monkeypatch):
    lines = fitted.boundaries(
        wb.Grid.from_data(fitted.data, spacing=10.0),
        kind="level",
        levels=[float(np.median(fitted.data.values))],
        samples=20,
        **COMMON,
    )
    assert len(lines) > 0
    found = fitted.null_test(lines, replicates=19, **COMMON)
    assert found.attrs["units"]["statistic"] == "mg kg-1"
    assert "statistic" not in lines.attrs["units"]
    assert found.crs == lines.crs
    ensemble = fitted.ensemble("surface", None, np.random.default_rng(0))
    used = []

    def at(engine, theta):
        used.append(theta)
        return Simulator.at(engine, theta)

    monkeypatch.setattr(null, "Simulator", SimpleNamespace(at=at))
    search = null.Search.of(lines.attrs["womble"])
    arguments = {"replicates": 30, "rng": np.random.default_rng(0), "progress": False}
    null.null_maxima(ensemble, search, **arguments)
    assert len(used) == len(set(used)) == 30
    assert set(used) <= set(ensemble.thetas)


def test_no_lines_have_no_p_values(smooth, grid):
    lines = smooth.boundaries(grid, min_length=2.0, **COMMON)
    found = smooth.null_test(lines, **COMMON)
    assert found.empty
    assert found.columns.tolist()[-2:] == ["statistic", "p_null"]


# -- what is refused -----------------------------------------------------------------------------


def test_boundaries_leave_their_settings(smooth, grid):
    lines = smooth.boundaries(grid, prominence=0.9, samples=50, alpha=0.1, **COMMON)
    settings = dict(lines.attrs["womble"])
    assert wb.Grid.from_dict(settings.pop("grid")).shape == grid.shape
    npt.assert_allclose(settings.pop("min_length"), 0.05 * np.sqrt(2), rtol=0.05)
    assert settings == {
        "kind": "gradient",
        "levels": None,
        "min_steepness": 0.0,
        "prominence": 0.9,
        "target": "surface",
        "samples": 50,
        "rule": "fdr",
        "alpha": 0.1,
    }


def test_lines_that_lost_their_settings_are_refused(given, tmp_path):
    levels = [float(np.median(given.data.values))]
    lines = given.boundaries(kind="level", levels=levels, prominence=0.8, **COMMON)
    lines.to_file(tmp_path / "lines.gpkg")
    with pytest.raises(ValueError, match=r"attrs\['womble'\].*Pass the frame that boundaries"):
        given.null_test(gpd.read_file(tmp_path / "lines.gpkg"), **COMMON)


def test_other_lines_are_refused(smooth, smooth_lines):
    with pytest.raises(ValueError, match=r"at least 19, for p-values down to 0\.05; got 18"):
        smooth.null_test(smooth_lines, replicates=18, **COMMON)
    with pytest.raises(TypeError, match=r"GeoDataFrame that boundaries.* got GeoSeries"):
        smooth.null_test(smooth_lines.geometry, **COMMON)
    with pytest.raises(ValueError, match="`lines` and the data must be in one CRS"):
        smooth.null_test(smooth_lines.set_crs(28992), **COMMON)
    ridges = smooth_lines.copy()
    ridges.attrs = {"womble": smooth_lines.attrs["womble"] | {"kind": "ridge"}}
    with pytest.raises(ValueError, match="of kind 'gradient' or 'level'; got 'ridge'"):
        smooth.null_test(ridges, **COMMON)


# -- Rice ----------------------------------------------------------------------------------------


def contours(values, level):
    """Contour lines at every cell of the unit square, and at every other."""
    found = []
    for every in (1, 2):
        cells = values[::every, ::every]
        axis = np.linspace(0.0, 1.0, len(cells))
        field = MeanField(None, wb.Grid(axis, axis, np.ones(cells.shape, dtype=bool)), 0, False)
        found.append([shapely.LineString(line) for line in field.contours(cells, level)])
    return found


def require_mean(fine, coarse, expected):
    """The mean is `expected` within 4 Monte Carlo errors, the polygons' bias within one.

    A polygon's errors are even in the step: Richardson takes off the first of them.
    """
    best = (4 * fine - coarse) / 3
    error = best.std(ddof=1) / np.sqrt(len(best))
    bias = fine.mean() - best.mean()
    print(f"{best.mean():.4g} +- {error:.2g}, Rice {expected:.4g}, bias {bias:.2g}")
    assert abs(bias) < error
    assert abs(best.mean() - expected) < 4 * error


@pytest.mark.parametrize("kernel", [Matern(2.5), Matern(3.5), SquaredExponential()], ids=repr)
def test_contours_of_paths_have_the_length_and_the_slope_of_rice_s_formula(kernel):
    """E length = A sqrt(lambda2) / 2 exp(-u^2 / 2), E int |grad f| dl = A p(u) E|grad f|^2."""
    scale, paths, side = Scale(2.0, 0.12), 50, 61
    prior = FourierPrior(kernel, scale, np.array([[0.0, 0.0], [1.0, 1.0]]))
    axis = np.linspace(0.0, 1.0, side)
    points = np.column_stack([a.ravel() for a in np.meshgrid(axis, axis)])
    middle, high, slopes = np.empty((3, paths, 2))  # lengths at u = 0 and 1.2 sd, slopes at 0
    for i, stream in enumerate(np.random.default_rng(8).spawn(paths)):
        jets = partial(prior.draw(stream).jets, order=1)
        values = jets(points)[:, 0].reshape(side, side)
        lines = contours(values, 0.0)
        middle[i] = [shapely.length(part).sum() for part in lines]
        high[i] = [shapely.length(part).sum() for part in contours(values, 1.2 * scale.amplitude)]
        slopes[i] = [gradient_measures(part, jets, scale.lengthscale).sum() for part in lines]
    for lengths, u in ((middle, 0.0), (high, 1.2)):
        require_mean(*lengths.T, expected_contour_length(kernel, scale, u * scale.amplitude, 1.0))
    gradient_variance = -float(kernel.radial(np.zeros(1), 1)[0]) / scale.lengthscale**2
    require_mean(*slopes.T, scale.amplitude * 2 * gradient_variance / np.sqrt(2 * np.pi))


def test_expected_contour_length_scales_with_units():
    kernel, scale = Matern(3.5), Scale(2.0, 0.12)
    length = expected_contour_length(kernel, scale, 1.0, 3.0)
    # nu = 7/2: -D rho(0) = nu / (nu - 1).
    npt.assert_allclose(length, 3 * np.sqrt(1.4) / 0.12 / 2 * np.exp(-1 / 8))
    metres = expected_contour_length(kernel, replace(scale, lengthscale=120.0), 1.0, 3e6)
    npt.assert_allclose(metres, 1000 * length)
