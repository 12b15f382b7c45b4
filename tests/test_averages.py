"""The spectral engine behind a Posterior: averages over draws, maps, measures, lines, files."""

import numpy as np
import numpy.testing as npt
import pytest
import shapely

import womble as wb
from womble.covariance import Scale
from womble.engines import spectral
from womble.engines.dense import DenseEngine
from womble.engines.resolution import captured_share
from womble.engines.spectral_choice import spectral_engine
from womble.hyperparameters import Theta
from womble.trend import Trend

GIVEN = {"lengthscale": 40.0, "amplitude": 1.0, "noise_sd": 0.3}
RNG = np.random.default_rng(0)
COORDS = RNG.uniform(0, 100, (300, 2))
VALUES = np.tanh((COORDS[:, 0] - 50) / 10) + 0.3 * RNG.standard_normal(300)
POINTS = RNG.uniform(5, 95, (12, 2))


@pytest.fixture(scope="module")
def dense():
    return wb.FieldModel().condition((COORDS, VALUES), **GIVEN)


@pytest.fixture(scope="module")
def closed():
    return wb.FieldModel().condition((COORDS, VALUES), engine="spectral", **GIVEN)


@pytest.fixture
def from_paths(monkeypatch):
    """The same without a factor of all features: answers come from paths."""
    monkeypatch.setattr(spectral, "DENSE_FEATURES", 10)
    return wb.FieldModel().condition((COORDS, VALUES), engine="spectral", **GIVEN)


def test_engine_says_what_runs(closed, from_paths):
    assert closed.engine.startswith("spectral (")
    assert "of the Hessian's variance" in closed.engine
    assert "their own likelihood): as asked" in closed.engine
    assert "likelihood of 300 data in blocks: 1" in from_paths.engine


def test_moments_are_those_of_the_dense_engine(dense, closed):
    mean, covariance = dense.jet_moments(POINTS)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    m, V = closed.jet_moments(POINTS)
    assert (np.abs(m - mean) / sd).max() < 0.02
    npt.assert_allclose(np.sqrt(np.diagonal(V, axis1=1, axis2=2)), sd, rtol=0.02)


def test_from_paths_means_are_exact_and_covariances_are_of_draws(dense, from_paths):
    mean, covariance = dense.jet_moments(POINTS)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    m, V = from_paths.jet_moments(POINTS, samples=60)
    assert (np.abs(m - mean) / sd).max() < 0.02
    # 60 draws: 72 sds with errors of (1 / 120)^(1/2), the largest four of them.
    npt.assert_allclose(np.sqrt(np.diagonal(V, axis1=1, axis2=2)), sd, rtol=4 * 120**-0.5)


def test_draws_of_groups_are_the_same_paths_each_time(from_paths):
    ensemble = from_paths.ensemble("surface", 5, np.random.default_rng(1))
    first = ensemble.draw_groups(POINTS.reshape(6, 2, 2), 2, np.random.default_rng(2))
    again = ensemble.draw_groups(POINTS.reshape(4, 3, 2), 1, np.random.default_rng(3), columns=[1])
    assert first.shape == (5, 6, 2, 6)
    npt.assert_allclose(again.reshape(5, 12), first.reshape(5, 12, 6)[..., 1], rtol=1e-9)


def test_everything_asked_of_a_posterior_runs_from_paths(dense, from_paths):
    grid = wb.Grid.from_data(COORDS, spacing=10.0, mask=None)
    ds = from_paths.surface(grid, samples=40, rng=1, progress=False)
    exact = dense.surface(grid, samples=40, rng=1, progress=False)
    for name in ("value", "dx", "dyy"):
        deviation = (ds[name] - exact[name]).sel(statistic="mean") / exact[name].sel(statistic="sd")
        assert np.abs(deviation).max() < 5 / np.sqrt(40)
    line = shapely.LineString([(50, 10), (50, 90)])
    ours, theirs = (
        post.womble([line], by="curve", samples=40, rng=1, progress=False)
        for post in (from_paths, dense)
    )
    error = ours["gradient_mean"] - theirs["gradient_mean"]
    assert (np.abs(error) < 5 / np.sqrt(40) * theirs["gradient_sd"]).all()
    sets = from_paths.excursions(grid, above=0.0, samples=40, rng=1, progress=False)
    right = grid.x > 70
    assert sets["marginal"].to_numpy()[:, right].min() > 0.9
    lines = from_paths.boundaries(samples=40, rng=1, progress=False)
    assert len(lines) == 1
    assert shapely.distance(lines.geometry.iloc[0].centroid, line) < 5


def test_the_box_is_kept_to(closed, from_paths):
    grid = wb.Grid.from_data(COORDS, spacing=20.0, mask=None, bounds=(0, 0, 200, 100))
    with pytest.raises(ValueError, match=r"box from .* fit's series of waves is made for"):
        from_paths.boundaries(grid, samples=5, rng=1, progress=False)
    with pytest.raises(ValueError, match=r"box from .* fit's series of waves .* engine='dense'"):
        closed.jet_moments([[150.0, 50.0]])
    with pytest.raises(ValueError, match=r"fit's series of waves is made for"):
        closed.paths(samples=2, domain=(-100, 0, 100, 100), rng=1, progress=False)


def test_it_comes_back_from_a_file(closed, tmp_path):
    closed.save(tmp_path / "fit.nc")
    loaded = wb.load(tmp_path / "fit.nc")
    assert loaded.engine == closed.engine
    for ours, theirs in zip(closed.jet_moments(POINTS), loaded.jet_moments(POINTS), strict=True):
        npt.assert_array_equal(ours, theirs)


def test_the_likelihood_is_the_dense_one_wherever_the_band_was_made_for(dense):
    kernel, trend = wb.SquaredExponential(), Trend("constant")
    data = dense._engine.coords, dense._engine.values
    thetas = [
        Theta((Scale(amplitude, lengthscale),), 0.4)
        for amplitude, lengthscale in ((1.0, 0.6), (2.0, 1.2), (1.0, 0.8))
    ]
    engine, _ = spectral_engine(kernel, trend, *data, lambda _: thetas[:2])
    for theta in thetas:
        value, gradient = engine.marginal_likelihood(theta)
        exact, slope = DenseEngine(kernel, trend, *data).log_likelihood(theta)
        # The same density but for some per cent; scores are of order 10.
        npt.assert_allclose(value, exact, atol=0.05)
        npt.assert_allclose(gradient, slope, atol=0.1)


@pytest.mark.filterwarnings("ignore::UserWarning")  # few draws
def test_a_fit_plans_its_band_by_itself():
    model, options = wb.FieldModel(), {"draws": 4, "tune": 4, "chains": 1, "rng": 1}
    post = model.fit((COORDS, VALUES), engine="spectral", progress=False, **options)
    assert post.engine.startswith("spectral (")
    disc = post._engine.statistics.disc
    thetas = post.ensemble("surface", None, np.random.default_rng(0)).thetas
    assert all(captured_share(post.kernel, disc, theta, 0) > 0.999 for theta in thetas)
    assert (disc.period > 2 * max(theta.scales[0].lengthscale for theta in thetas)).all()


def test_what_it_cannot_do(closed):
    with pytest.raises(ValueError, match=r"needs noise in the data"):
        wb.FieldModel().condition(
            (COORDS, VALUES), engine="spectral", **(GIVEN | {"noise_sd": 0.0})
        )
    space = np.column_stack([COORDS, VALUES])
    with pytest.raises(ValueError, match=r"have 3 coordinates. Use engine='dense'"):
        wb.FieldModel().condition((space, VALUES), engine="spectral", **GIVEN)
    with pytest.raises(ValueError, match=r"does not take anisotropic=True"):
        wb.FieldModel(anisotropic=True).condition(
            (COORDS, VALUES), engine="spectral", anisotropy=(2.0, 30.0), **GIVEN
        )
    lines = closed.boundaries(samples=40, rng=1, progress=False)
    with pytest.raises(ValueError, match=r"null_test\(\) needs the dense engine"):
        closed.null_test(lines, progress=False)
