"""Responses that are not Gaussian, foretold: integrals, fields left out, and scores."""

import warnings
from itertools import pairwise

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.linalg import solve_triangular
from scipy.special import expit, logsumexp
from test_likelihoods import LAWS as LOG_DENSITIES
from test_likelihoods import RESPONSES, TRIALS, N, engines, state_of

import womble as wb
from womble import response_check
from womble.engines.sites import SitesEngine
from womble.kernels import Matern
from womble.likelihoods import LIKELIHOODS
from womble.observation_laws import GaussianLaw, observation_law
from womble.pareto import smoothed_weights
from womble.response_scores import DRAWS, FieldDraws, ResponsePredictive, foretold
from womble.trend import Trend

QUIET = {"progress": False}
EXPOSURE = np.random.default_rng(7).uniform(0.5, 2.0, N)
AMOUNTS = {"binomial": TRIALS, "poisson": EXPOSURE, "negative_binomial": EXPOSURE}
FROZEN = {
    "gaussian": lambda eta, tau: stats.norm(eta, np.sqrt(tau**2 / 2 + 0.09)),
    "student_t": lambda eta, s, nu: stats.t(nu, eta, s),
    "poisson": lambda eta: stats.poisson(EXPOSURE * np.exp(eta)),
    "negative_binomial": lambda eta, a: stats.nbinom(1 / a, 1 / (1 + a * EXPOSURE * np.exp(eta))),
    "bernoulli": lambda eta: stats.bernoulli(expit(eta)),
    "binomial": lambda eta: stats.binom(TRIALS, expit(eta)),
    "gamma": lambda eta, a: stats.gamma(a, scale=np.exp(eta) / a),
}
every_law = pytest.mark.parametrize("name", list(FROZEN))
ETA = np.random.default_rng(9).normal(0.3, 0.7, N)


def law_of(name):
    if name == "gaussian":
        return GaussianLaw(share=0.5, known=0.09)
    return observation_law(name, AMOUNTS.get(name, 1.0))


def plain_law(name, trials=1.0):
    """Without exposure and known noise."""
    if name == "gaussian":
        return GaussianLaw()
    return observation_law(name, trials if name == "binomial" else 1.0)


# --- laws of responses --------------------------------------------------------------------------


@every_law
def test_laws_are_those_of_scipy(name):
    y, parameters = RESPONSES[name]
    law, frozen = law_of(name), FROZEN[name](ETA, *parameters)
    log = frozen.logpmf(y) if law.discrete else frozen.logpdf(y)
    npt.assert_allclose(law.log_density(y, ETA, parameters), log, rtol=1e-10, atol=1e-12)
    for at in (y, y - 1) if law.discrete else (y,):
        npt.assert_allclose(law.distribution(at, ETA, parameters), frozen.cdf(at), atol=1e-12)
    for ours, theirs in zip(law.moments(ETA, parameters), frozen.stats("mv"), strict=True):
        npt.assert_allclose(ours, theirs * np.ones(N), rtol=1e-10)


@every_law
def test_laws_are_those_of_the_fit(name):
    law, (y, parameters) = plain_law(name, TRIALS), RESPONSES[name]
    expected = LOG_DENSITIES[name](y, ETA, *parameters)
    npt.assert_allclose(law.log_density(y, ETA, parameters), expected, rtol=1e-10, atol=1e-12)


@every_law
def test_draws_have_the_law(name):
    _, parameters = RESPONSES[name]
    law, rng = law_of(name), np.random.default_rng(4)
    made = law.draw(np.broadcast_to(ETA, (4000, N)), parameters, rng)
    u = 1.0 if not law.discrete else rng.uniform(size=made.shape)
    below = law.distribution(made - 1, ETA, parameters) if law.discrete else 0.0
    pit = below + u * (law.distribution(made, ETA, parameters) - below)
    # 160,000 uniform numbers: their largest deviation has 99.9% quantile 1.95 / sqrt(160,000).
    assert stats.kstest(pit.ravel(), "uniform").statistic < 0.005


@every_law
def test_information_is_the_variance_of_the_slope(name):
    _, parameters = RESPONSES[name]
    law, step = law_of(name), 1e-5
    made = law.draw(np.broadcast_to(ETA, (4000, N)), parameters, np.random.default_rng(4))
    slope = law.log_density(made, ETA + step, parameters)
    slope = (slope - law.log_density(made, ETA - step, parameters)) / (2 * step)
    ratio = slope.var(axis=0) / law.information(ETA, parameters)
    # 4,000 draws a site; the sd of a variance's estimate is at most some 8% here.
    npt.assert_allclose(ratio, 1, atol=0.4)
    npt.assert_allclose(ratio.mean(), 1, atol=0.04)


# --- sums over the field ------------------------------------------------------------------------


@every_law
@pytest.mark.parametrize("sd", [0.0, 0.3, 2.0])
def test_sums_are_the_integrals(name, sd):
    y, parameters = RESPONSES[name]
    law = law_of(name)
    found = foretold(law, y, ETA, np.full(N, sd), parameters)
    for i in (0, 7, 21):

        def expectation(function, i=i):
            def at(eta):
                return function(np.full(N, eta))[i]

            if sd == 0:
                return at(ETA[i])
            normal = stats.norm(ETA[i], sd)
            inside = ETA[i] + sd * np.linspace(-9, 9, 37)
            return sum(
                quad(lambda eta: at(eta) * normal.pdf(eta), *piece, epsabs=1e-12)[0]
                for piece in pairwise(inside)
            )

        density = expectation(lambda eta: np.exp(law.log_density(y, eta, parameters)))
        npt.assert_allclose(found.log_density[i], np.log(density), atol=1e-5)
        up_to = expectation(lambda eta: law.distribution(y, eta, parameters))
        npt.assert_allclose(found.up_to[i], up_to, atol=1e-6)
        mean = expectation(lambda eta: law.moments(eta, parameters)[0])
        npt.assert_allclose(found.mean[i], mean, rtol=1e-6)
        square = expectation(
            lambda eta: sum(m**p for m, p in zip(law.moments(eta, parameters), (2, 1), strict=True))
        )
        npt.assert_allclose(found.variance[i], square - mean**2, rtol=1e-4)


def mixture(name, count=30, n=N):
    """A predictive mixture with unequal weights, and data drawn from it."""
    rng = np.random.default_rng(2)
    _, parameters = RESPONSES[name]
    field = FieldDraws(
        rng.normal(0.3, 0.6, (count, n)),
        rng.uniform(0.1, 0.5, (count, n)),
        np.tile(parameters, (count, 1)) * rng.uniform(0.8, 1.2, (count, 1)),
    )
    weights = rng.dirichlet(np.ones(count), n).T
    law = plain_law(name, 3.0)
    chosen = [rng.choice(count, p=w) for w in weights.T], np.arange(n)
    eta = field.means[chosen] + field.sds[chosen] * rng.standard_normal(n)
    y = law.draw(eta, [column[chosen[0]] for column in field.parameters.T], rng)
    return ResponsePredictive(law, y, field, field.foretold(law, y), weights, rng)


@every_law
def test_the_mixture_is_that_of_its_draws(name):
    found = mixture(name)
    draws = found.draws
    npt.assert_array_equal(draws, np.sort(draws, axis=0))
    # Of 1,000 draws: mean to 4 standard errors; P(Y <= y) to 4 binomial ones.
    assert (np.abs(draws.mean(axis=0) - found.mean) < 4 * found.sd / np.sqrt(DRAWS)).all()
    up_to = np.clip(np.sum(found.weights * found.parts.up_to, axis=0), 0, 1)
    share = (draws <= found.observed).mean(axis=0)
    assert (np.abs(share - up_to) <= 4 * np.sqrt(up_to * (1 - up_to) / DRAWS) + 1e-9).all()
    low, high = found.quantiles
    inside = (low <= found.observed) & (found.observed <= high)
    assert np.mean(inside == found.covered) >= 0.95  # quantiles are from draws


@pytest.mark.parametrize("name", ["gaussian", "poisson", "bernoulli", "gamma"])
def test_pits_of_the_mixture_are_uniform(name):
    pit = mixture(name, n=2000).pit
    assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_scores_from_draws_are_the_closed_form():
    """CRPS of a normal; of presence the Brier score, which sums over both outcomes give too."""
    found = mixture("gaussian", count=1)
    sd = np.hypot(found.field.sds[0], found.field.parameters[0])
    z = (found.observed - found.field.means[0]) / sd
    expected = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    # Draws are stratified over components only: the sd of each score is at most 0.03 sds.
    npt.assert_allclose(found.crps, expected, atol=0.12 * sd.max())
    npt.assert_allclose(found.crps.mean(), expected.mean(), atol=0.01)
    presence = mixture("bernoulli")
    p = np.sum(presence.weights * presence.parts.mean, axis=0)
    # (F(0) - 1[y <= 0])^2 is all that the score's sum over 0, 1 has.
    npt.assert_allclose(presence.crps, (1 - p - (presence.observed == 0)) ** 2, rtol=1e-12)


# --- the field left out ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["poisson", "bernoulli", "student_t"])
def test_cavities_are_the_normal_law_without_a_factor(name):
    """By sites: as the dense engine leaves pseudo-data out. By waves: K = F F' in its place."""
    parameters = RESPONSES[name][1]
    state = state_of(name, [1.0, 1.2, *parameters])
    for engine in engines(name, "constant"):
        if isinstance(engine, SitesEngine):
            f, terms = engine.condition(state), engine.mode(state).terms
            mean, variance = f.left_out()
            variance = variance - 1 / terms.information
        else:
            eta = engine.design(state) @ engine.peak(state)[0]
            terms = engine.likelihood.terms(eta, np.array(state.parameters))
            F = engine.design(state)
            mean, variance = np.empty(N), np.empty(N)
            for i in range(N):
                W = np.where(np.arange(N) == i, 0.0, terms.information)
                A = np.linalg.inv(np.eye(F.shape[1]) + F.T @ (W[:, None] * F))
                variance[i] = F[i] @ A @ F[i]
                mean[i] = F[i] @ A @ F.T @ (W * eta + np.where(np.arange(N) == i, 0.0, terms.slope))
        found = engine.cavities(state)
        npt.assert_allclose(found[0], mean, rtol=1e-6, atol=1e-6)
        npt.assert_allclose(found[1], variance, rtol=1e-5)


def exact(engine, state, count=30_000):
    """log p(y_i | y_-i) by importance sampling of the field, draws and log-likelihoods of them."""
    rng, law = np.random.default_rng(0), engine.likelihood
    parameters, n = np.array(state.parameters), len(law.y)
    mode = engine.mode(state)
    prior = engine._covariance(state)[0] + 1e-10 * np.eye(n)
    covariance = np.linalg.inv(np.linalg.inv(prior) + np.diag(mode.terms.information))
    root, L = np.linalg.cholesky(covariance), np.linalg.cholesky(prior)
    t = rng.standard_normal((count, n)) / np.sqrt(rng.chisquare(6, count) / 6)[:, None]
    eta = mode.eta + t @ root.T
    log_q = -(6 + n) / 2 * np.log1p((t**2).sum(axis=1) / 6)
    ratio = -0.5 * (solve_triangular(L, eta.T, lower=True) ** 2).sum(axis=0) - log_q
    each = np.array([law.terms(x, parameters).value for x in eta])
    whole = each.sum(axis=1) + ratio
    without = [logsumexp(whole - each[:, i]) for i in range(n)]
    normal = mode.eta + rng.standard_normal((4000, n)) @ root.T
    return logsumexp(whole) - np.array(without), np.array(
        [law.terms(x, parameters).value for x in normal]
    )


@pytest.mark.parametrize("name", ["poisson", "bernoulli", "gamma"])
def test_the_law_without_a_response_beats_weights_on_the_field(name):
    """Against the exact densities of 15 responses, each left out, at given hyperparameters."""
    rng, n = np.random.default_rng(1), 15
    coords = rng.uniform(-1, 1, (n, 2))
    eta = np.sin(3 * coords[:, 0]) + coords[:, 1]
    made = {
        "poisson": rng.poisson(np.exp(eta)),
        "bernoulli": rng.random(n) < expit(eta),
        "gamma": rng.gamma(2, np.exp(eta) / 2),
    }
    likelihood = LIKELIHOODS[name](made[name].astype(float))
    engine = SitesEngine(Matern(3.5), Trend("none"), coords, likelihood)
    state = state_of(name, [0.6, 1.0, *([2.0] if name == "gamma" else [])])
    truth, drawn = exact(engine, state)
    mean, variance = engine.cavities(state)
    law = observation_law(name, 1.0)
    ours = foretold(law, likelihood.y, mean, np.sqrt(variance), state.parameters).log_density
    weights, _ = smoothed_weights(-drawn.T)
    theirs = logsumexp(drawn.T, axis=1, b=weights)
    error, other = (np.sqrt(np.mean((x - truth) ** 2)) for x in (ours, theirs))
    refits = np.empty(n)
    for i in range(n):
        rest = engine.of(np.setdiff1d(np.arange(n), [i])).condition(state)
        (m,), (v,) = rest.at_sites(coords[[i]], None)
        found = foretold(law, likelihood.y[[i]], m, np.sqrt(v), state.parameters)
        refits[i] = found.log_density[0]
    best = np.sqrt(np.mean((refits - truth) ** 2))
    print(f"{name}: rms {error:.3f} without the factor, {best:.3f} refitted, {other:.3f} weighted")
    # Laplace's approximation errs itself, and the integrals by 0.02.
    assert error < 1.5 * best + 0.02
    assert error < other


# --- through the posterior ------------------------------------------------------------------------

GIVEN = {"lengthscale": 40.0, "amplitude": 1.0}


@pytest.fixture(scope="module")
def counts():
    """Fifty sites with counts in unequal hours, and trials."""
    rng = np.random.default_rng(8)
    coords = rng.uniform(0, 100, (50, 2))
    eta = np.sin(coords[:, 0] / 20) + coords[:, 1] / 100
    hours, tries = rng.uniform(1, 3, 50), rng.integers(2, 8, 50)
    columns = {
        "birds": rng.poisson(hours * np.exp(eta)),
        "seen": (rng.random(50) < expit(eta)).astype(int),
        "eggs": rng.binomial(tries, expit(eta)),
        "hours": hours,
        "tries": tries,
    }
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(*coords.T, crs="EPSG:28992"))


def poisson(frame, **more):
    model = wb.FieldModel(likelihood="poisson", trend="none")
    return model.condition(frame, "birds", **GIVEN, exposure="hours", **more)


def test_left_out_is_nearly_a_fit_without(counts):
    post, rows = poisson(counts), [3, 17, 40]
    found = post.check(rng=1).observations
    for i in rows:
        without = poisson(counts.drop(index=i))
        row = without.check(counts.loc[[i]], exposure="hours", rng=1).observations.iloc[0]
        # The others' factors stay where they were: not quite where they would go.
        npt.assert_allclose(
            found.loc[i, ["mean", "sd"]].astype(float), row[["mean", "sd"]].astype(float), rtol=0.1
        )
        npt.assert_allclose(found.loc[i, "log_density"], row["log_density"], atol=0.05)


def test_blocks_left_out_are_a_fit_without(counts):
    post = poisson(counts)
    found = post.cross_validate(folds=4, rng=1)
    assert list(found.table.index) == ["4 spatial blocks"]
    block = found.observations["fold"] == 2
    held = poisson(counts[~block]).check(counts[block], exposure="hours", rng=1).observations
    for score in ("mean", "sd", "log_density"):
        npt.assert_allclose(found.observations.loc[block, score], held[score], rtol=1e-6)


def test_given_hyperparameters_have_no_weights(counts):
    found = poisson(counts).check(rng=1)
    assert found.observations["k_hat"].isna().all()
    assert (found.likelihood, found.name) == ("poisson", "birds")
    row, seen = found.table.iloc[0], found.observations
    npt.assert_allclose(row["rmse"], np.sqrt(((seen["observed"] - seen["mean"]) ** 2).mean()))
    assert (seen["q025"] <= seen["q975"]).all()
    again = poisson(counts).check(rng=1).observations
    npt.assert_array_equal(seen["pit"], again["pit"])


@pytest.fixture(scope="module")
def laplace(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        model = wb.FieldModel(likelihood="binomial")
        settings = {"inference": "laplace", "draws": 100, "rng": 1}
        return model.fit(counts, "eggs", trials="tries", **settings, **QUIET)


def test_weights_undo_what_the_hyperparameters_have_seen(laplace):
    ensemble = laplace.ensemble("surface", None, np.random.default_rng(0))
    found, k_hat = response_check.leave_one_out(ensemble, laplace.data, np.random.default_rng(1))
    logs = found.parts.log_density
    harmonic = np.log(len(logs)) - logsumexp(-logs, axis=0)
    npt.assert_allclose(found.log_density[k_hat < 0.5], harmonic[k_hat < 0.5], atol=0.01)
    seen = logsumexp(logs, axis=0) - np.log(len(logs))
    assert (found.log_density < seen + 1e-12).all()


@pytest.fixture(scope="module")
def sampled(counts):
    """Presence and absence by NUTS, few draws and few waves."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("womble.latent_model.MOST_WAVES", 80)
        warnings.simplefilter("ignore", UserWarning)
        settings = {"inference": "nuts", "draws": 300, "tune": 100, "chains": 1, "rng": 1}
        model = wb.FieldModel(likelihood="bernoulli")
        return model.condition(counts, "seen", **GIVEN, **settings, **QUIET)


def test_draws_of_the_field_are_weighted(sampled, counts):
    """Densities by weights on the field, against Laplace's approximation."""
    ensemble = sampled.ensemble("surface", None, np.random.default_rng(0))
    found, k_hat = response_check.leave_one_out(ensemble, sampled.data, np.random.default_rng(1))
    assert (found.field.sds == 0).all()
    y, p = sampled.data.values, expit(found.field.means)
    npt.assert_allclose(np.exp(found.parts.log_density), np.where(y == 1, p, 1 - p), rtol=1e-10)
    quick = wb.FieldModel(likelihood="bernoulli").condition(counts, "seen", **GIVEN).check(rng=1)
    theirs = quick.observations["log_density"].to_numpy()
    good = k_hat < 0.7
    assert good.mean() > 0.8
    # 300 draws, and an approximation that errs most with presence and absence.
    npt.assert_allclose(found.log_density[good], theirs[good], atol=0.25)
    npt.assert_allclose(found.log_density[good].mean(), theirs[good].mean(), atol=0.05)
    with pytest.raises(ValueError, match=r"this one was sampled by NUTS.*inference='laplace'"):
        sampled.cross_validate()
    held = sampled.check(counts.iloc[:8].translate(1.0, 1.0).to_frame("geometry").assign(seen=1))
    assert held.table["n"].item() == 8


def test_counts_are_not_compared_with_numbers(counts):
    smooth = poisson(counts)
    rough = wb.FieldModel(likelihood="poisson", trend="none", kernel=Matern(1.5))
    rough = rough.condition(counts, "birds", **GIVEN, exposure="hours")
    table = wb.compare({"smooth": smooth, "rough": rough}, rng=1)
    npt.assert_allclose(
        table.loc["smooth", "elpd"], smooth.check(rng=1).observations["log_density"].sum()
    )
    plain = wb.FieldModel().condition(counts, "birds", **GIVEN, noise_sd=1.0)
    with pytest.raises(ValueError, match="models must all be of counts or all of numbers; 0 and 1"):
        wb.compare([smooth, plain])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out": 0}, "`exposure` must be given for `held_out` too, as the fit had it"),
        ({"exposure": 1.0}, "`exposure` is of held-out data, and there are none"),
        ({"covariates": ["hours"]}, "`covariates` is of held-out data, and there are none"),
        ({"held_out": 0, "covariates": ["hours"], "exposure": 1.0}, "the model has none"),
        ({"held_out": 0, "exposure": -1.0}, "`exposure` must be positive and finite"),
        ({"held_out": 0, "exposure": 1.0, "trials": 2}, "`trials` is for likelihood 'binomial'"),
        ({"held_out": 0, "exposure": 1.0, "measurement_sd": 2}, "`measurement_sd` needs"),
    ],
)
def test_what_held_out_counts_need(counts, arguments, message):
    if "held_out" in arguments:
        arguments = arguments | {"held_out": counts.iloc[:5]}
    with pytest.raises(ValueError, match=message):
        poisson(counts).check(**arguments)
