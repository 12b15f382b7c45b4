"""Responses that are not Gaussian together with everything else: on a line, and what is refused."""

import warnings

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from scipy.special import expit

import womble as wb

QUIET = {"progress": False}
GIVEN = {"lengthscale": 2.0, "amplitude": 1.0}
GAUSSIAN = {**GIVEN, "noise_sd": 0.5}


@pytest.fixture(scope="module")
def counts():
    """Eighty Poisson counts along 20 m, at rates exp(1 + sin x)."""
    rng = np.random.default_rng(5)
    x = np.sort(rng.uniform(0, 20, 80))
    return pd.Series(rng.poisson(np.exp(1 + np.sin(x))), index=x, name="count")


@pytest.fixture(scope="module")
def plane():
    rng = np.random.default_rng(6)
    coords = rng.uniform(0, 100, (40, 2))
    return coords, rng.poisson(np.exp(1 + np.sin(coords[:, 0] / 20)))


@pytest.fixture(scope="module")
def laplace(counts):
    return wb.FieldModel(likelihood="poisson").condition(counts, **GIVEN)


@pytest.fixture(scope="module")
def waves(counts):
    """The same by NUTS: few draws, each a field of plane waves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        return wb.FieldModel(likelihood="poisson").condition(
            counts, **GIVEN, inference="nuts", draws=20, tune=40, chains=2, rng=1, **QUIET
        )


# -- on a line -------------------------------------------------------------------------------------


def test_the_truth_is_recovered_on_a_line(laplace, waves):
    x = np.linspace(2, 18, 9)
    mean, covariance = laplace.jet_moments(x, order=1)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    z = (mean - np.stack([1 + np.sin(x), np.cos(x)], axis=1)) / sd
    assert np.abs(z).max() < 4  # of 18 standardised errors: once in 900
    theirs, _ = waves.jet_moments(x, order=1)
    # Forty draws, at least twenty of them effective: five standard errors.
    npt.assert_allclose((theirs - mean) / sd, 0, atol=5 / np.sqrt(20))


@pytest.mark.parametrize("which", ["laplace", "waves"])
def test_rates_follow_the_chain_rule_on_a_line(which, request):
    post = request.getfixturevalue(which)
    grid = wb.Grid.from_data(post.data, spacing=2.0)
    options = {"samples": 10, "keep_draws": True, "rng": 1, **QUIET}
    link = post.surface(grid, **options)
    rate = post.surface(grid, scale="response", **options)
    f, df, ddf = (link[name] for name in ("value", "dx", "dxx"))
    npt.assert_allclose(rate["value"], np.exp(f), rtol=1e-12)
    npt.assert_allclose(rate["dx"], np.exp(f) * df, rtol=1e-12)
    npt.assert_allclose(rate["dxx"], np.exp(f) * (ddf + df**2), rtol=1e-10, atol=1e-12)
    assert rate["value"].attrs["long_name"] == "rate of count"


def test_antiderivatives_by_the_covariance_of_the_sites(laplace):
    # Gauss-Legendre with 40 nodes: to rounding for a field whose lengthscale is half the interval.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    mean, _ = laplace.jet_moments(7 + 2 * nodes, order=0)
    found = laplace.integral(5.0, 9.0)
    assert found["mean"] == pytest.approx(2 * weights @ mean[:, 0], rel=1e-6)
    assert found.name == "integral of log rate of count"


def test_change_points_of_rates(laplace):
    found = laplace.change_points(rng=1, prominence=0.5, rule="interval", alpha=0.5, **QUIET)
    # sin x is steepest at multiples of pi.
    distance = np.abs(found["position"].to_numpy()[:, None] - np.pi * np.arange(7)).min(axis=1)
    assert len(found) >= 2
    assert found.attrs["name"] == "log rate of count"
    assert (distance < 4 * found["position_sd"]).all()


def test_sums_of_kernels(counts):
    model = wb.FieldModel(kernel=wb.Matern(3.5) + wb.Matern(1.5), likelihood="poisson")
    post = model.condition(counts, lengthscale=[2.0, 0.5], amplitude=[1.0, 1e-6])
    plain = wb.FieldModel(likelihood="poisson").condition(counts, **GIVEN)
    for a, b in zip(*(p.jet_moments([3.0, 7.0], order=1) for p in (post, plain)), strict=True):
        npt.assert_allclose(a, b, atol=1e-6)


def test_files_on_a_line(waves, tmp_path):
    waves.save(tmp_path / "line.nc")
    loaded = wb.load(tmp_path / "line.nc")
    assert (loaded.engine, loaded.inference) == (waves.engine, waves.inference)
    assert loaded.inference.startswith("given hyperparameters, NUTS over the field: 2 x 20 draws")
    npt.assert_array_equal(loaded.jet_moments([3.0])[0], waves.jet_moments([3.0])[0])


# -- what is not worked out ------------------------------------------------------------------------

SLOPES = (np.array([[50.0, 50.0]]), np.array([[0.1, 0.1]]), 0.1)
REFUSED = [
    ({"gradient_data": SLOPES}, "`gradient_data` needs likelihood='gaussian'.* not worked out"),
    ({"measurement_sd": 0.1}, "`measurement_sd` needs likelihood='gaussian'"),
    ({"transform": "log"}, "`transform` must be None with likelihood='poisson'"),
    ({"engine": "spectral"}, "`engine` must be 'auto' with likelihood='poisson'"),
    ({"engine": "dense"}, "`engine` must be 'auto'"),
    ({"inference": "importance"}, "`inference` must be one of 'nuts', 'laplace' with"),
    ({"inference": "map"}, "`inference` must be one of 'nuts', 'laplace' with"),
    ({"trials": 3.0}, "`trials` is for likelihood 'binomial'"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_combinations_that_are_not_worked_out(plane, arguments, message):
    model = wb.FieldModel(likelihood="poisson")
    with pytest.raises(ValueError, match=message):
        model.fit(plane, **arguments, **QUIET)
    with pytest.raises(ValueError, match=message):
        model.condition(plane, **GIVEN, **arguments, **QUIET)


def test_other_doors(plane):
    with pytest.raises(ValueError, match="`anisotropic=True` needs likelihood='gaussian'"):
        wb.FieldModel(likelihood="poisson", anisotropic=True)
    with pytest.raises(ValueError, match=r"'map' with likelihood='gaussian', for which the field"):
        wb.FieldModel().fit(plane, inference="laplace")
    with pytest.raises(ValueError, match="`inference` must be None with likelihood='gaussian'"):
        wb.FieldModel().condition(plane, **GAUSSIAN, inference="laplace")
    with pytest.raises(ValueError, match="`exposure` is for likelihood 'poisson' or"):
        wb.FieldModel().condition(plane, **GAUSSIAN, exposure=2.0)
    space = np.random.default_rng(1).uniform(0, 1, (40, 3)), plane[1]
    with pytest.raises(ValueError, match=r"data have 3 coordinates\. Use inference='laplace'"):
        wb.FieldModel(likelihood="poisson").fit(space, **QUIET)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda post: post.cross_validate(), r"cross_validate\(\) needs a field with a law given"),
        (lambda post: post.coefficients(), "the model has no covariates"),
        (lambda post: post.jet_moments([3.0], target="total"), "needs covariates"),
        (lambda post: post.integral(1.0, 2.0), r"integral\(\) needs the covariance of the sites"),
        (lambda post: post.antiderivative([1.0]), r"antiderivative\(\) needs the covariance"),
    ],
)
def test_questions_that_are_not_worked_out(waves, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(waves)


def test_presence_has_bounded_rates(counts):
    seen = (counts > 2).astype(int)
    post = wb.FieldModel(likelihood="bernoulli").condition(seen, **GIVEN)
    grid = wb.Grid.from_data(post.data, spacing=2.0)
    options = {"samples": 10, "keep_draws": True, "rng": 1, **QUIET}
    p, f = (post.surface(grid, scale=s, **options) for s in ("response", "link"))
    npt.assert_allclose(p["value"], expit(f["value"]), rtol=1e-12)
    npt.assert_allclose(p["dx"], expit(f["value"]) * expit(-f["value"]) * f["dx"], rtol=1e-12)
