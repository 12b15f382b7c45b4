"""Fits are the exact posterior, reproducible, and honest about their own trouble."""

import re
import warnings
from itertools import product

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
import xarray as xr
from cases import TRUTH
from scipy.stats import halfnorm, invgamma
from threadpoolctl import threadpool_limits

import womble as wb
from womble import diagnostics
from womble.engines import choose_engine
from womble.hyperparameters import PLAIN
from womble.priors import inverse_gamma, lengthscale_range
from womble.trend import Trend

TINY = {"draws": 20, "tune": 20, "chains": 2, "progress": False}


def hastily(model, *args, **options):
    """A fit too short to be of use, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return model.fit(*args, **{**TINY, **options})


# --- arguments -------------------------------------------------------------------------------


def test_unknown_trend():
    with pytest.raises(ValueError, match=r"`trend` must be one of none, constant.*got 'cubic'"):
        wb.FieldModel(trend="cubic")


@pytest.mark.parametrize("kernel", ["Matern", wb.Matern, 3.5])
def test_what_is_no_kernel(kernel):
    with pytest.raises(TypeError, match="`kernel` must be a womble kernel, such as Matern"):
        wb.FieldModel(kernel=kernel)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"draws": 3}, "`draws` must be at least 4; got 3"),
        ({"tune": 0}, "`tune` must be at least 1; got 0"),
        ({"chains": 0}, "`chains` must be at least 1; got 0"),
        ({"engine": "sparse"}, "`engine` must be one of .*'spectral'; got 'sparse'"),
        ({"transform": "sqrt"}, "`transform` must be None or 'log'; got 'sqrt'"),
    ],
)
def test_bad_options_of_fit(zinc, option, message):
    with pytest.raises(ValueError, match=message):
        wb.FieldModel().fit(zinc, "zinc", progress=False, **option)


def test_priors_are_checked_by_fit(zinc):
    model = wb.FieldModel(priors={"nugget": pm.HalfNormal.dist()})
    with pytest.raises(ValueError, match=r"`priors` may name .*; got nugget"):
        model.fit(zinc, "zinc", progress=False)


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("lengthscale", 0.0, "`lengthscale` must be positive and finite; got 0.0"),
        ("lengthscale", np.inf, "`lengthscale` must be positive and finite; got inf"),
        ("amplitude", -1.0, "`amplitude` must be positive and finite; got -1.0"),
        ("noise_sd", -0.1, "`noise_sd` must be at least 0 and finite; got -0.1"),
        ("noise_sd", np.nan, "`noise_sd` must be at least 0 and finite; got nan"),
    ],
)
def test_hyperparameters_out_of_range(zinc, name, number, message):
    with pytest.raises(ValueError, match=message):
        wb.FieldModel().condition(zinc, "zinc", **(TRUTH | {name: number}))


def test_auto_takes_the_dense_engine_for_as_many_data_as_it_is_meant_for():
    rng = np.random.default_rng(0)
    given = {"lengthscale": 0.5, "amplitude": 1.0, "noise_sd": 0.5}
    for n, expected in ((2000, r"dense .*: n = 2000 is at most 2000"), (2001, "spectral .* 2001")):
        data = rng.uniform(size=(n, 2)), rng.standard_normal(n)
        assert re.match(expected, wb.FieldModel().condition(data, **given).engine)
    post = wb.FieldModel().condition(data, **given, engine="dense")
    assert post.engine == "dense (exact Cholesky factors): as asked"


# --- the field at given hyperparameters ------------------------------------------------------


def test_without_noise_the_field_passes_through_the_data(zinc):
    post = wb.FieldModel().condition(zinc, "zinc", **(TRUTH | {"noise_sd": 0.0}))
    mean, covariance = post.jet_moments(zinc.geometry, order=0)
    # K^-1 K = I up to rounding times the condition number of K, about 1e6 here.
    npt.assert_allclose(mean[:, 0], zinc["zinc"], rtol=1e-8)
    npt.assert_allclose(covariance[:, 0, 0], 0.0, atol=1e-8)


def test_log_transform_is_a_fit_to_the_logarithms(zinc):
    logs = zinc.copy()
    logs["zinc"] = np.log(zinc["zinc"])
    given = {"lengthscale": 30.0, "amplitude": 0.3, "noise_sd": 0.05}
    direct = wb.FieldModel().condition(logs, "zinc", **given)
    transformed = wb.FieldModel().condition(zinc, "zinc", transform="log", **given)
    npt.assert_array_equal(transformed.data.values, direct.data.values)
    points = [[181030.0, 332040.0], [181070.0, 332010.0]]
    for ours, theirs in zip(
        transformed.jet_moments(points), direct.jet_moments(points), strict=True
    ):
        npt.assert_array_equal(ours, theirs)
    assert transformed.data.link_units != direct.data.link_units


# --- the posterior ---------------------------------------------------------------------------


def test_fit_records_what_was_asked(fitted):
    assert fitted.draws.sizes == {"chain": 2, "draw": 200}
    assert tuple(fitted.draws) == PLAIN.names
    assert {"diverging", "energy", "tree_depth", "lp"} <= set(fitted.sample_stats)
    assert fitted.engine == "dense (exact Cholesky factors): n = 40 is at most 2000"
    assert not fitted.given


def posterior_on_a_lattice(post):
    """Log hyperparameters (N, 3) and their posterior weights (N,), by brute force.

    The trapezoidal rule converges faster than any power of the step for a smooth density that
    has died out at the ends: steps of 0.7 standard deviations leave e^-(2 pi^2 / 0.49) of a normal.
    """
    data = post.data
    engine, _ = choose_engine("dense", post.kernel, Trend(post.trend), data)
    alpha, beta = inverse_gamma(*lengthscale_range(data.coords))
    sd = data.values.std()
    laws = invgamma(alpha, scale=beta), halfnorm(scale=2 * sd), halfnorm(scale=sd)
    logs = np.log(np.stack([post.draws[name].to_numpy().ravel() for name in PLAIN.names]))
    units = PLAIN.units(data.scaling)
    steps = np.arange(-8, 8.5, 0.7)
    axes = [x.mean() + x.std() * steps for x in logs]
    prior = [law.logpdf(np.exp(x)) + x for law, x in zip(laws, axes, strict=True)]
    nodes = np.array(list(product(*axes)))
    density = np.array([sum(terms) for terms in product(*prior)])
    with threadpool_limits(1, user_api="blas"):
        density += [engine.log_likelihood(PLAIN.theta(np.exp(x) / units))[0] for x in nodes]
    weights = np.exp(density - density.max())
    return nodes, weights / weights.sum()


def test_draws_are_the_posterior_by_brute_force(fitted):
    import arviz

    nodes, weights = posterior_on_a_lattice(fitted)
    logs = np.log(fitted.draws)
    for i, name in enumerate(PLAIN.names):
        mean = weights @ nodes[:, i]
        for power in (1, 2):
            # First and second moments, each with the standard error that its own ESS gives.
            moment = (logs[[name]] - mean) ** power
            exact = weights @ (nodes[:, i] - mean) ** power
            error = float(moment[name].std() / np.sqrt(arviz.ess(moment, method="mean")[name]))
            assert abs(float(moment[name].mean()) - exact) < 4 * error, (name, power)


def test_the_same_seed_gives_the_same_draws(zinc):
    model = wb.FieldModel()
    first, second, other = (hastily(model, zinc, "zinc", rng=seed) for seed in (1, 1, 2))
    xr.testing.assert_equal(first.draws, second.draws)
    assert not first.draws.equals(other.draws)


def test_priors_in_user_units_reach_the_posterior(zinc):
    """A prior of 2% around 12 m leaves the lengthscale nowhere else to be."""
    narrow = pm.LogNormal.dist(mu=np.log(12.0), sigma=0.02)
    post = hastily(wb.FieldModel(priors={"lengthscale": narrow}), zinc, "zinc", tune=60, rng=1)
    # The data pull by 0.02^2 times the slope of their log-likelihood, below 40.
    npt.assert_allclose(np.log(post.draws["lengthscale"] / 12.0), 0.0, atol=5 * 0.02 + 0.016)


def test_a_model_that_is_open_stays_as_it_is(zinc):
    with pm.Model() as theirs:
        hastily(wb.FieldModel(), zinc, "zinc", chains=1, rng=1)
        hastily(wb.FieldModel(), zinc, "zinc", inference="importance", rng=1)
    assert not theirs.named_vars


def test_silence(zinc, capfd):
    hastily(wb.FieldModel(), zinc, "zinc", rng=1)
    assert capfd.readouterr() == ("", "")


# --- warnings --------------------------------------------------------------------------------

# Where chains disagree there are few effective draws too; both must be caught.
TROUBLE = "chains disagree|few effective draws"


def draws_of(independent, shift=0.0):
    """Four chains of a normal each; `shift` moves the first."""
    rng = np.random.default_rng(4)
    arrays = {name: rng.standard_normal((4, independent)) for name in PLAIN.names}
    arrays["lengthscale"][0] += shift
    posterior = xr.Dataset({name: (("chain", "draw"), x) for name, x in arrays.items()})
    none = np.zeros((4, independent), dtype=bool)
    return posterior, xr.Dataset({"diverging": (("chain", "draw"), none)})


def test_good_draws_pass_in_silence():
    diagnostics.warn_of_trouble(*draws_of(1000))


def test_divergences_are_counted():
    posterior, stats = draws_of(1000)
    stats["diverging"][1, :3] = True
    with pytest.warns(UserWarning, match="3 of 4000 draws diverged.*informative prior"):
        diagnostics.warn_of_trouble(posterior, stats)


def test_disagreeing_chains_are_named():
    with pytest.warns(UserWarning, match=TROUBLE) as record:
        diagnostics.warn_of_trouble(*draws_of(1000, shift=3.0))
    messages = [str(warning.message) for warning in record]
    assert any("chains disagree (R-hat above 1.01: lengthscale" in m for m in messages)
    assert not any("amplitude" in m for m in messages)


def test_few_effective_draws_are_named():
    with pytest.warns(UserWarning, match=r"few effective draws \(below 400: lengthscale \d+"):
        diagnostics.warn_of_trouble(*draws_of(80))


def test_draws_that_never_move_are_trouble():
    posterior, stats = draws_of(1000)
    posterior["noise_sd"][:] = [[1.0], [2.0], [3.0], [4.0]]
    with pytest.warns(UserWarning, match=TROUBLE) as record:
        diagnostics.warn_of_trouble(posterior, stats)
    assert "R-hat above 1.01: noise_sd" in str(record[0].message)


def test_a_single_chain_is_told_so():
    posterior, stats = (ds.isel(chain=[0]) for ds in draws_of(2000))
    with pytest.warns(UserWarning, match="a single chain cannot show") as record:
        diagnostics.warn_of_trouble(posterior, stats)
    assert len(record) == 1


def test_warnings_point_at_the_call_of_fit(zinc):
    with pytest.warns(UserWarning, match=TROUBLE) as record:
        wb.FieldModel().fit(zinc, "zinc", rng=1, **TINY)
    # Python 3.13 warns of forks in a process with threads, of which a test run has many.
    ours = [warning for warning in record if issubclass(warning.category, UserWarning)]
    assert {warning.filename for warning in ours} == {__file__}
