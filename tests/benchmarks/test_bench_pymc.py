"""The likelihood with its gradient, and effective draws a second, beside PyMC's `gp.Marginal`."""

import warnings
from time import perf_counter

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
from threadpoolctl import threadpool_limits
from timing import best_of

import womble as wb
from womble.diagnostics import diagnostics
from womble.engines.dense import DenseEngine
from womble.hyperparameters import PLAIN
from womble.trend import Trend

pytestmark = [
    pytest.mark.benchmark,
    # PyTensor 2 from a package index has no BLAS for products (its factors are LAPACK's).
    pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning"),
    pytest.mark.filterwarnings("ignore:Cannot cache compiled function"),  # Numba's, of PyTensor 3
]

THETA = np.array([0.4, 1.3, 0.2])  # lengthscale, amplitude, noise sd
SHORT = {"draws": 200, "tune": 200, "chains": 2}


def simulated(n):
    """A wave with noise at n sites of the unit square."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 2))
    return X, np.sin(6 * X[:, 0]) + X[:, 1] - 0.5 + 0.2 * rng.standard_normal(n)


def marginal_model(X, y, ls, eta, sigma):
    """As its documentation has it, without the 1e-6 that is added to the variances."""
    gp = pm.gp.Marginal(cov_func=eta**2 * pm.gp.cov.Matern52(2, ls=ls))
    return gp.marginal_likelihood("y", X=X, y=y, sigma=sigma, jitter=0.0)


@pytest.mark.parametrize(("n", "repeats"), [(100, 10), (500, 3), (1000, 2)])
def test_likelihood_and_gradient(n, repeats, record):
    """By logarithms of lengthscale, amplitude and noise sd, one BLAS thread."""
    X, y = simulated(n)
    with pm.Model() as model:
        marginal_model(X, y, *(pm.HalfFlat(name) for name in ("ls", "eta", "sigma")))
    start = perf_counter()
    theirs = model.logp_dlogp_function(ravel_inputs=True)
    theirs.set_extra_values({})
    theirs(np.log(THETA))
    compiled = perf_counter() - start
    engine = DenseEngine(wb.Matern(2.5), Trend("none"), X, y)
    theta = PLAIN.theta(THETA)

    with threadpool_limits(1, user_api="blas"):
        value, gradient = engine.log_likelihood(theta)
        their_value, their_gradient = theirs(np.log(THETA))
        # In turn, so that both meet the same machine; the least time is the least disturbed.
        pairs = [
            (
                best_of(lambda: engine.log_likelihood(theta), repeats),
                best_of(lambda: theirs(np.log(THETA)), repeats),
            )
            for _ in range(3)
        ]
    # Theirs has the Jacobian of the logarithms, whose sum has the gradient 1.
    npt.assert_allclose(value, their_value - np.log(THETA).sum(), rtol=1e-8)
    scale = np.abs(their_gradient).max()
    npt.assert_allclose(gradient * THETA, their_gradient - 1, rtol=1e-8, atol=1e-8 * scale)
    ours, others = (min(column) for column in zip(*pairs, strict=True))
    peer = f"PyMC {pm.__version__} gp.Marginal, compiled in {compiled:.0f} s"
    record(f"likelihood and gradient, n = {n}", ours, peer, others)
    assert n < 500 or others > 2 * ours


def test_effective_draws_a_second(record):
    """NUTS at the same priors, n = 100, two short chains each, their start included."""
    X, y = simulated(100)
    priors = {
        "lengthscale": pm.InverseGamma.dist(alpha=3, beta=1),
        "amplitude": pm.HalfNormal.dist(sigma=2),
        "noise_sd": pm.HalfNormal.dist(sigma=1),
    }
    model = wb.FieldModel(kernel=wb.Matern(2.5), trend="none", priors=priors)
    with pm.Model() as theirs:
        ls = pm.InverseGamma("ls", alpha=3, beta=1)
        eta, sigma = pm.HalfNormal("eta", sigma=2), pm.HalfNormal("sigma", sigma=1)
        marginal_model(X, y, ls, eta, sigma)
    options = {"progressbar": False, "random_seed": 1, "nuts_sampler": "pymc", "cores": 2}
    rate = {}
    with warnings.catch_warnings(), theirs, threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")  # of short chains
        # Compiled code of either is kept from these.
        model.fit((X, y), draws=5, tune=5, chains=1, rng=1, progress=False)
        pm.sample(draws=2, tune=2, chains=1, **options)
        start = perf_counter()
        post = model.fit((X, y), rng=1, progress=False, **SHORT)
        rate["womble"] = post.summary().loc["lengthscale", "ess_bulk"] / (perf_counter() - start)
        start = perf_counter()
        sampled = wb.from_pymc(pm.sample(**SHORT, **options), X, y, kernel=wb.Matern(2.5))
        seconds = perf_counter() - start
    rate["PyMC"] = float(diagnostics(sampled.draws, None)["ess_bulk"]["lengthscale"]) / seconds
    means = [p.summary().loc["lengthscale", ["mean", "sd"]] for p in (post, sampled)]
    peer = f"PyMC {pm.__version__} gp.Marginal"
    what = "effective draw of the lengthscale by NUTS, n = 100"
    record(what, 1 / rate["womble"], peer, 1 / rate["PyMC"])
    # Some 100 effective draws each: four standard errors of the difference.
    assert abs(means[0]["mean"] - means[1]["mean"]) < 4 * np.sqrt(2 / 100) * means[0]["sd"]
    assert rate["womble"] > rate["PyMC"]
