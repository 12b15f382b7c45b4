"""At equal hyperparameters the packages of the study do the same sums.

Matern 5/2, whose lengthscale GSTools counts in sqrt(nu) r / l.
"""

import numpy as np
import numpy.testing as npt
import peers
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import womble as wb

LENGTHSCALE, AMPLITUDE, NOISE_SD = 0.4, 1.3, 0.2
RNG = np.random.default_rng(2)
COORDS, NEW = RNG.uniform(size=(40, 2)), RNG.uniform(size=(6, 2))
VALUES = np.sin(6 * COORDS[:, 0]) + COORDS[:, 1] - 0.5 + NOISE_SD * RNG.standard_normal(40)


def by_womble(trend):
    known = {"lengthscale": LENGTHSCALE, "amplitude": AMPLITUDE, "noise_sd": NOISE_SD}
    post = wb.FieldModel(kernel=wb.Matern(2.5), trend=trend).condition((COORDS, VALUES), **known)
    found = post.predict(NEW)
    return found["mean"], found["sd"]


@pytest.fixture(scope="module")
def matern():
    import gstools as gs

    return gs.Matern(
        dim=2, var=AMPLITUDE**2, len_scale=LENGTHSCALE / np.sqrt(2), nugget=NOISE_SD**2, nu=2.5
    )


def test_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(AMPLITUDE**2) * Matern(LENGTHSCALE, nu=2.5) + WhiteKernel(NOISE_SD**2)
    gpr = GaussianProcessRegressor(kernel, optimizer=None).fit(COORDS, VALUES)
    mean, sd = gpr.predict(NEW, return_std=True)
    ours = by_womble("none")
    npt.assert_allclose(ours[0], mean, atol=1e-7)  # scikit-learn adds 1e-10 to the variances
    npt.assert_allclose(ours[1], sd, rtol=1e-7)


def test_simple_kriging_of_gstools(matern):
    import gstools as gs

    mean, variance = gs.krige.Simple(matern, COORDS.T, VALUES, mean=0.0)(NEW.T)
    ours = by_womble("none")
    npt.assert_allclose(ours[0], mean, atol=1e-9)
    npt.assert_allclose(ours[1], np.sqrt(variance), rtol=1e-9)


def test_ordinary_kriging(matern):
    """Its constant has a flat prior, ours one ten times as wide as the data."""
    import gstools as gs
    from pykrige.ok import OrdinaryKriging

    mean, variance = gs.krige.Ordinary(matern, COORDS.T, VALUES)(NEW.T)
    kriging = OrdinaryKriging(*COORDS.T, VALUES, variogram_model=matern, exact_values=False)
    for theirs, gs_has in zip(kriging.execute("points", *NEW.T), (mean, variance), strict=True):
        npt.assert_allclose(theirs, gs_has, rtol=1e-7)
    ours = by_womble("constant")
    npt.assert_allclose(ours[0], mean, atol=0.01 * NOISE_SD)
    npt.assert_allclose(ours[1], np.sqrt(variance), rtol=0.01)


def test_scores_of_a_normal_prediction():
    y, mean, sd = np.array([0.3, -2.0, 1.5]), np.array([0.5, 0.1, 1.5]), np.array([0.7, 0.9, 0.2])
    found = peers.normal_scores(y, mean, sd)
    for i, (a, m, s) in enumerate(zip(y, mean, sd, strict=True)):
        law = norm(m, s)
        below = quad(lambda x, law=law: law.cdf(x) ** 2, m - 12 * s, a)[0]
        above = quad(lambda x, law=law: law.sf(x) ** 2, a, m + 12 * s)[0]
        npt.assert_allclose(found["crps"][i], below + above, rtol=1e-7)
    npt.assert_allclose(found["log_density"], norm.logpdf(y, mean, sd), rtol=1e-12)
    assert found["covered"].tolist() == [True, False, True]
