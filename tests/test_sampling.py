"""The three ways to the hyperparameters agree with brute force, and say what they did."""

import warnings

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
import xarray as xr
from cases import TRUTH

import womble as wb
from womble import diagnostics, inference, sampling
from womble.hyperparameters import PLAIN
from womble.importance import Weighted
from womble.laplace import find_modes

QUIET = {"inference": "importance", "rng": 1, "progress": False}


def waves(seed):
    """Twelve sites on a line and the sum of a slow and a fast wave there, with noise of sd 0.05.

    The fast wave may be signal (short lengthscale) or noise (long lengthscale).
    """
    rng = np.random.default_rng(seed)
    if seed % 4 < 2:
        x = np.sort(rng.uniform(0, 12, 12))
    else:
        x = np.arange(12.0) + 0.2 * rng.standard_normal(12)
    slow, period = rng.uniform(0.5, 3), rng.uniform(2.2, 5)
    y = slow * np.sin(2 * np.pi * x / 24 + rng.uniform(0, 6))
    y += np.sin(2 * np.pi * x / period + rng.uniform(0, 6)) + 0.05 * rng.standard_normal(12)
    return x, y


def density_of(post):
    return inference.hyperparameter_density(post._engine, PLAIN, post.data, None)


def log_draws(post):
    return np.log(np.stack([post.draws[name].to_numpy().ravel() for name in PLAIN.names], axis=1))


# --- two modes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_modes():
    """An importance fit, its density's modes, and the posterior on a lattice of logs (N, 3).

    The trapezoidal rule errs by e^-(2 pi^2 sd^2 / step^2) of a normal: the noise of the long
    lengthscale's mode is the narrowest direction, sd 0.3.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few effective draws, which is so
        post = wb.FieldModel(kernel=wb.Matern(4.5)).fit(waves(744), **QUIET)
    density = density_of(post)
    modes = inference.modes_of(density)
    start = density.prior.start
    spans = [(-1.75, 4.6), (-3.5, 1.4), (-7.5, 1.4)]
    axes = [s + np.arange(*span, 0.28) for s, span in zip(start, spans, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = np.array([density.value(q) for q in nodes.reshape(-1, 3)]).reshape(nodes.shape[:3])
    weights = np.exp(values - values.max())
    return (
        post,
        modes,
        nodes + np.log(density.theta(start) / np.exp(start)),
        weights / weights.sum(),
    )


def test_the_two_modes_are_apart(two_modes):
    """On a path from one to the other the density falls below both: a valley on the lattice."""
    _, modes, _, weights = two_modes
    assert len(modes) == 2
    marginal = weights.max(axis=(0, 1))  # the highest path over all others, by noise
    peaks = np.flatnonzero((marginal[1:-1] > marginal[:-2]) & (marginal[1:-1] > marginal[2:])) + 1
    assert len(peaks) == 2
    valley = marginal[peaks[0] : peaks[1]].min()
    assert valley < 0.6 * marginal[peaks].min()


def test_each_mode_has_its_mass(two_modes):
    post, modes, nodes, weights = two_modes
    between = np.mean([mode.mode[2] for mode in modes])
    exact = weights[nodes[..., 2] < between].sum()
    assert 0.1 < exact < 0.9
    ours = (log_draws(post)[:, 2] < between).mean()
    ess = float(post.sample_stats["ess"])
    assert abs(ours - exact) < 4 * np.sqrt(exact * (1 - exact) / ess)


def test_moments_are_those_on_the_lattice(two_modes):
    post, _, nodes, weights = two_modes
    logs, ess = log_draws(post), float(post.sample_stats["ess"])
    flat, p = nodes.reshape(-1, 3), weights.ravel()
    mean = p @ flat
    variance, fourth = p @ (flat - mean) ** 2, p @ (flat - mean) ** 4
    assert (np.abs(logs.mean(axis=0) - mean) < 4 * np.sqrt(variance / ess)).all()
    ours = ((logs - mean) ** 2).mean(axis=0)
    assert (np.abs(ours - variance) < 4 * np.sqrt((fourth - variance**2) / ess)).all()


def test_a_mode_that_the_usual_starts_miss_is_found():
    with pytest.warns(UserWarning, match="gradients and curvature between the sites"):
        post = wb.FieldModel(kernel=wb.Matern(4.5)).fit(waves(662), **QUIET | {"inference": "map"})
    density = density_of(post)
    assert len(find_modes(density, inference.starts(density))) == 1
    assert len(inference.modes_of(density)) == 2


# --- importance sampling ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def weighted(zinc):
    return wb.FieldModel().fit(zinc, "zinc", **QUIET)


def test_it_says_what_it_did(weighted):
    stats = weighted.sample_stats
    ess, distinct = float(stats["ess"]), int(stats["distinct"])
    assert weighted.inference == (
        f"importance: 1 mode, 1200 points, k-hat {float(stats['k_hat']):.2f}, ESS {ess:.0f}, "
        f"{distinct} distinct draws of 1000"
    )
    assert weighted.draws.sizes == {"chain": 1, "draw": 1000}
    assert tuple(weighted.draws) == PLAIN.names
    assert distinct == len(np.unique(weighted.draws["lengthscale"]))
    assert ess > 600
    summary = weighted.summary()
    npt.assert_array_equal(summary[["ess_bulk", "ess_tail"]], ess)
    assert summary["r_hat"].isna().all()
    assert "importance, n = 40" in weighted._source()
    npt.assert_array_equal(weighted.inference_data["sample_stats"]["lp"], stats["lp"])


def test_it_agrees_with_nuts(weighted, fitted):
    """Means within the error of NUTS' few draws; `test_importance_study` compares long runs."""
    ours, theirs = log_draws(weighted), log_draws(fitted)
    error = theirs.std(axis=0) * np.sqrt(1 / 700 + 1 / 150)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error).all()


def test_log_density_and_weights_are_of_the_draws(weighted):
    density, stats = density_of(weighted), weighted.sample_stats
    q = log_draws(weighted)[:5]
    npt.assert_allclose([density(x)[0] for x in q], stats["lp"][0, :5], rtol=1e-8)
    # Points that are copied have more weight.
    copies = np.bincount(stats["point"].to_numpy().ravel(), minlength=1000)
    weights = np.exp(stats["log_weight"].to_numpy().ravel())
    assert (np.abs(copies[stats["point"].to_numpy().ravel()] - 1000 * weights) < 1).all()


def test_the_same_seed_gives_the_same_draws(zinc, weighted):
    again = wb.FieldModel().fit(zinc, "zinc", **QUIET)
    xr.testing.assert_identical(again.draws, weighted.draws)
    other = wb.FieldModel().fit(zinc, "zinc", **QUIET | {"rng": 2})
    assert not other.draws.equals(weighted.draws)


def test_any_number_of_draws(zinc):
    with pytest.warns(UserWarning, match="few effective draws"):
        few = wb.FieldModel().fit(zinc, "zinc", draws=50, **QUIET)
    assert few.draws.sizes["draw"] == 50
    assert int(few.sample_stats["points"]) == 480  # fewer could not tell the weights' tail


def test_it_comes_back_from_a_file(weighted, tmp_path):
    weighted.save(tmp_path / "fit.nc")
    loaded = wb.load(tmp_path / "fit.nc")
    xr.testing.assert_equal(loaded.draws, weighted.draws)
    xr.testing.assert_equal(loaded.sample_stats, weighted.sample_stats)
    assert loaded.inference == weighted.inference
    assert loaded.summary().equals(weighted.summary())


def test_priors_of_pymc_are_safe_in_threads(zinc, weighted):
    """The default priors, given as PyMC's own: the same posterior from the same numbers."""
    own = {"noise_sd": pm.HalfNormal.dist(sigma=float(zinc["zinc"].std(ddof=0)))}
    post = wb.FieldModel(priors=own).fit(zinc, "zinc", **QUIET)
    # Starts, and so the modes' last digits, differ a little, and then which points are copied.
    ours, theirs = log_draws(post), log_draws(weighted)
    error = theirs.std(axis=0) * np.sqrt(2 / 700)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < error).all()


def test_few_effective_points_are_told(weighted):
    stats = weighted.sample_stats.assign(ess=123.4)
    with pytest.warns(UserWarning, match=r"few effective draws \(below 400: 123 of 1200 weighted"):
        diagnostics.warn_of_trouble(weighted.draws, stats)


def test_where_it_fails_nuts_is_run(zinc, monkeypatch):
    def hopeless(density, modes, prior, count, rng, progress):
        points = modes[0].mode + np.zeros((count, 3))
        return Weighted(points, np.zeros(count), np.full(count, 1 / count), 0.83)

    monkeypatch.setattr(sampling, "importance_sample", hopeless)
    # The others are of so short a run.
    with pytest.warns(UserWarning, match="does not hold|chains disagree|few effective") as record:
        post = wb.FieldModel().fit(zinc, "zinc", draws=20, tune=20, chains=2, **QUIET)
    message = "importance sampling does not hold here (k-hat 0.83, above 0.7"
    assert str(record[0].message).startswith(message)
    assert record[0].filename == __file__
    given_up = "importance sampling was given up, k-hat 0.83"
    assert post.inference == f"NUTS: 2 x 20 draws after 20 tuning steps each; {given_up}"
    assert post.draws.sizes == {"chain": 2, "draw": 20}
    assert "diverging" in post.sample_stats


# --- the mode --------------------------------------------------------------------------------


def test_the_mode_is_the_highest_point_on_logarithms(zinc):
    post = wb.FieldModel().fit(zinc, "zinc", **QUIET | {"inference": "map"})
    value, gradient = density_of(post)(log_draws(post)[0])
    # BFGS stops at a gradient of 1e-3.
    npt.assert_allclose(gradient, 0.0, atol=1e-3)
    near = log_draws(post)[0] + 0.3 * np.random.default_rng(0).standard_normal((100, 3))
    assert value > max(density_of(post).value(q) for q in near)
    assert post.inference == "posterior mode (map), on coordinates without bounds: highest of 1"


def test_the_mode_behaves_as_given_hyperparameters(zinc, grid, tmp_path):
    post = wb.FieldModel().fit(zinc, "zinc", **QUIET | {"inference": "map"})
    theta = {name: post.draws[name].item() for name in PLAIN.names}
    given = wb.FieldModel().condition(zinc, "zinc", **theta)
    assert post.given
    ours, theirs = (p.surface(grid, samples=30, rng=1, progress=False) for p in (post, given))
    xr.testing.assert_equal(ours, theirs)
    assert "posterior mode (map), n = 40" in ours.attrs["source"]
    assert "given hyperparameters, n = 40" in theirs.attrs["source"]
    assert post.summary()[["ess_bulk", "r_hat"]].isna().all(axis=None)
    post.save(tmp_path / "map.nc")
    assert wb.load(tmp_path / "map.nc").inference == post.inference


def test_unknown_inference(zinc):
    with pytest.raises(ValueError, match=r"`inference` must be one of 'nuts', 'importance', 'map'"):
        wb.FieldModel().fit(zinc, "zinc", inference="vi", progress=False)


def test_how_nuts_and_given_are_named(fitted, given):
    assert fitted.inference == "NUTS: 2 x 200 draws after 300 tuning steps each"
    assert given.inference == "given hyperparameters"
    assert set(TRUTH) == set(given.draws)


# --- advice ----------------------------------------------------------------------------------


def test_sites_too_far_apart_for_slopes_are_told():
    x = np.arange(30.0)
    draws = xr.Dataset({"lengthscale": (("chain", "draw"), [[1.5, 1.6, 1.7]])})
    with pytest.warns(UserWarning, match=r"median 1\.6\) is below 2 times .* \(median 1\)"):
        diagnostics.warn_of_short_lengthscale(draws, x[:, None])
    diagnostics.warn_of_short_lengthscale(draws, x[:, None] / 2)  # dense enough
    diagnostics.warn_of_short_lengthscale(
        draws, np.repeat(x, 2)[:, None] / 2
    )  # repeats are no sites


@pytest.mark.parametrize("lengthscale", [(0.5, 1.5), (5.0, 6.0)], ids=["short", "long"])
@pytest.mark.parametrize(
    ("likelihood", "options"),
    [
        ("gaussian", {"inference": "nuts"}),
        ("gaussian", {"inference": "importance"}),
        ("gaussian", {"inference": "map"}),
        ("gaussian", {"inference": "importance", "engine": "spectral"}),
        ("poisson", {"inference": "laplace"}),
        ("poisson", {"inference": "nuts"}),
        ("bernoulli", {"inference": "laplace"}),
    ],
    ids=lambda x: x if isinstance(x, str) else "-".join(x.values()),
)
def test_short_lengthscales_are_told_once_at_the_users_line(likelihood, options, lengthscale):
    """Of sites one apart, by every inference; not where the lengthscale is five spacings."""
    x = np.arange(40.0)
    y = np.random.default_rng(0).poisson(2.0, 40).astype(float)
    values = (y > 1).astype(float) if likelihood == "bernoulli" else y
    model = wb.FieldModel(
        likelihood=likelihood, priors={"lengthscale": pm.Uniform.dist(*lengthscale)}
    )
    options = {"draws": 20, "tune": 20, "chains": 2, "rng": 1, "progress": False} | options
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit((x, values), **options)
    told = [w for w in record if "gradients and curvature between" in str(w.message)]
    assert len(told) == (lengthscale[0] < 1)
    assert all(w.filename == __file__ for w in told)
