"""Derivatives of fitted scikit-learn regressors against differences of their own predictions."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.testing as npt
import pytest
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    Exponentiation,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)

import womble as wb
from womble import jet

# Central differences of order 8 on offsets -4 .. 4.
FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
VALUE = np.eye(9)[4]
DIFFERENCES = (VALUE, FIRST, SECOND)


@dataclass(frozen=True)
class Model:
    """A regressor on d inputs; `order` derivatives exist, `white` is its WhiteKernel's level."""

    kernel: object
    d: int
    order: int = 2
    normalize: bool = False
    white: float = 0.0
    nu: float = np.inf  # k has a term |h|^(2 nu) at h = x - x' = 0
    per_point: bool = False


MODELS = {
    "rbf": Model(RBF(0.8), 2),
    "anisotropic rbf": Model(ConstantKernel(2.5) * RBF([0.7, 1.5, 1.0, 3.0]), 4, normalize=True),
    "matern 3/2": Model(2.0 * Matern(1.1, nu=1.5), 2, order=1, nu=1.5),
    "matern 5/2": Model(Matern([0.8, 1.7], nu=2.5), 2, normalize=True, nu=2.5),
    "matern 3.2": Model(Matern(1.2, nu=3.2) + WhiteKernel(0.01), 2, white=0.01, nu=3.2),
    "matern inf": Model(Matern(0.6, nu=np.inf), 1, normalize=True),
    "rational quadratic": Model(RationalQuadratic(0.9, alpha=0.7), 2, normalize=True),
    "linear": Model(DotProduct(0.5) + WhiteKernel(0.05), 4, white=0.05),
    "periodic": Model(ExpSineSquared(1.3, periodicity=1.7), 1),
    "locally periodic": Model(
        ConstantKernel(1.5) * ExpSineSquared(0.9, 2.1) * RBF(2.0) + WhiteKernel(0.02),
        1,
        normalize=True,
        white=0.02,
    ),
    "linear times rbf": Model(
        DotProduct(0.7) * RBF([1.0, 1.6]) + ConstantKernel(0.4), 2, normalize=True
    ),
    "quadratic": Model(DotProduct(1.0) * DotProduct(0.3), 4),
    "sum of products": Model(
        0.5 * RBF(0.9) + RationalQuadratic(1.1, 1.4) * Matern(1.5, nu=3.5) * 1.2,
        2,
        nu=3.5,
        per_point=True,
    ),
    "noise in a product": Model(RBF(1.0) + WhiteKernel(0.2) * ConstantKernel(0.1), 2, white=0.02),
}
EACH_MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def fitted(model, n=20, seed=3):
    """A fit at the given hyperparameters, and five points that are far from the data."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.5, 1.5, (n, model.d))
    y = 4.0 + 3 * np.sin(2 * X[:, 0]) + X.sum(axis=1) + 0.1 * rng.standard_normal(n)
    alpha = rng.uniform(1e-3, 1e-2, n) if model.per_point else 1e-3
    gpr = GaussianProcessRegressor(
        model.kernel, alpha=alpha, optimizer=None, normalize_y=model.normalize
    ).fit(X, y)
    candidates = rng.uniform(-1.5, 1.5, (500, model.d))
    distance = np.linalg.norm(candidates[:, None] - X, axis=-1).min(axis=1)
    return gpr, candidates[np.argsort(distance)[-5:]]


def stencil(d, order, step):
    """Offsets (m, d) and weights (c, m) of the differences of a jet."""
    parts, weights = jet.components(d, order), {}
    for row, indices in enumerate(parts):
        factors = [DIFFERENCES[indices.count(i)] for i in range(d)]
        places = [np.flatnonzero(factor) for factor in factors]
        for place in product(*places):
            weight = np.prod([f[i] for f, i in zip(factors, place, strict=True)])
            weights[place, row] = weight / step ** len(indices)
    nodes = sorted({place for place, _ in weights})
    W = np.zeros((len(parts), len(nodes)))
    for (place, row), weight in weights.items():
        W[row, nodes.index(place)] = weight
    return step * (np.array(nodes) - 4.0), W


@EACH_MODEL
def test_mean_is_the_difference_of_predictions(model):
    gpr, points = fitted(model)
    # Truncation (0.01 / distance from the data)^8 and rounding 1e-14 / 0.01^2 are both under 1e-8.
    offsets, W = stencil(model.d, model.order, 0.01)
    expected = np.array([W @ gpr.predict(x + offsets) for x in points])
    posterior = wb.from_sklearn(gpr)
    mean, _ = posterior.jet_moments(points, order=model.order)
    gradient, expected_gradient = posterior.gradient(points), expected[:, 1 : 1 + model.d]
    scale = np.abs(expected_gradient).max()
    npt.assert_allclose(mean, expected, rtol=0, atol=1e-6 * scale)
    npt.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-6 * scale)
    if model.order == 2:
        hessian = posterior.hessian(points)
        npt.assert_allclose(hessian, jet.hessian(expected, model.d), rtol=0, atol=1e-6 * scale)


def differenced_covariance(gpr, model, x, order, step):
    """Differences at either end of the predictive covariance, without the noise, (c, c)."""
    offsets, W = stencil(model.d, order, step)
    _, covariance = gpr.predict(x + offsets, return_cov=True)
    noise = model.white * np.asarray(gpr._y_train_std).item() ** 2
    return W @ (covariance - noise * np.eye(len(offsets))) @ W.T


@EACH_MODEL
def test_gradient_covariance_is_the_mixed_difference_of_predictions(model):
    gpr, points = fitted(model)
    # Under Matern 3/2, k has a term |h|^3 at 0, so that differences err by the step itself; under
    # smoother kernels by step^3 or less. Rounding is 1e-15 / step^2.
    step = 1e-5 if model.order == 1 else 1e-3
    posterior = wb.from_sklearn(gpr)
    _, covariance = posterior.gradient(points, return_cov=True)
    scale = np.abs(posterior.covariance.prior(points, 1)).max() * posterior.spread**2
    for x, actual in zip(points, covariance, strict=True):
        expected = differenced_covariance(gpr, model, x, 1, step)
        npt.assert_allclose(actual, expected[1:, 1:], rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize(
    "model",
    [m for m in MODELS.values() if m.order == 2],
    ids=[name for name, m in MODELS.items() if m.order == 2],
)
def test_jet_covariance_is_the_difference_of_predictions(model):
    gpr, points = fitted(model)
    points = points[:2]
    posterior = wb.from_sklearn(gpr)
    _, actual = posterior.jet_moments(points)

    def differenced(step):
        return np.array([differenced_covariance(gpr, model, x, 2, step) for x in points])

    # Rounding is 1e-15 / 0.03^4 = 1e-9, truncation 0.03^8 times derivatives of order 12: 1e-7.
    expected, tolerance = differenced(0.03), 1e-6
    if np.isfinite(model.nu):
        # |h|^(2 nu) adds an error of step^(2 nu - 4), which extrapolation takes away; the next
        # term is step^2 smaller.
        ratio = 2 ** (2 * model.nu - 4)
        expected, tolerance = (ratio * expected - differenced(0.06)) / (ratio - 1), 1e-3
    scale = np.abs(posterior.covariance.prior(points, 2)).max() * posterior.spread**2
    npt.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def test_agrees_with_the_dense_engine():
    """Matern 7/2 without a trend: the same law, by the same formulas, from another fit."""
    model = Model(4.0 * Matern(0.9, nu=3.5) + WhiteKernel(0.25), 2)
    gpr, points = fitted(model)
    gpr.set_params(alpha=1e-10).fit(gpr.X_train_, gpr.y_train_)
    own = wb.FieldModel(kernel=wb.Matern(nu=3.5), trend="none").condition(
        (gpr.X_train_, gpr.y_train_), lengthscale=0.9, amplitude=2.0, noise_sd=0.5
    )
    mean, covariance = wb.from_sklearn(gpr).jet_moments(points)
    expected_mean, expected = own.jet_moments(points)
    npt.assert_allclose(mean, expected_mean, rtol=1e-7, atol=1e-7)
    npt.assert_allclose(covariance, expected, rtol=1e-7, atol=1e-7)


def test_parts_agree_over_many_blocks():
    """Standard deviations, covariances and single components are parts of the same jets."""
    model = MODELS["sum of products"]
    posterior = wb.from_sklearn(fitted(model)[0])
    X = np.random.default_rng(0).uniform(-2, 2, (3000, 2))
    mean, covariance = posterior.jet_moments(X)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for actual, std, first in [
        (*posterior.gradient(X, return_std=True), 1),
        (*posterior.hessian(X, return_std=True), 3),
    ]:
        shaped = jet.gradient if first == 1 else jet.hessian
        npt.assert_allclose(actual, shaped(mean), rtol=1e-9, atol=1e-12)
        npt.assert_allclose(std, shaped(sd), rtol=1e-6)
    npt.assert_allclose(posterior.hessian(X, return_cov=True)[1], covariance[:, 3:, 3:], atol=1e-10)
    lone_mean, lone = posterior.jet_moments(X[-1:])
    npt.assert_allclose(lone_mean[0], mean[-1], rtol=1e-9, atol=1e-12)
    npt.assert_allclose(lone[0], covariance[-1], atol=1e-10)
    assert posterior.gradient(X[:0]).shape == (0, 2)


def test_one_posterior_per_output():
    rng = np.random.default_rng(1)
    X, Y = rng.uniform(size=(15, 2)), rng.standard_normal((15, 3)) * [1.0, 5.0, 0.1]
    both = GaussianProcessRegressor(RBF(0.5), alpha=1e-2, optimizer=None, normalize_y=True)
    posteriors = wb.from_sklearn(both.fit(X, Y))
    assert len(posteriors) == 3
    for posterior, y in zip(posteriors, Y.T, strict=True):
        alone = wb.from_sklearn(both.fit(X, y))
        for actual, expected in zip(posterior.jet_moments(X), alone.jet_moments(X), strict=True):
            npt.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)
    column = wb.from_sklearn(both.fit(X, Y[:, :1]))
    npt.assert_allclose(column.gradient(X), posteriors[0].gradient(X), rtol=1e-9, atol=1e-9)


def test_noise_alone_leaves_no_field():
    X, y = np.eye(3), np.arange(3.0)
    gpr = GaussianProcessRegressor(WhiteKernel(0.3), optimizer=None).fit(X, y)
    mean, covariance = wb.from_sklearn(gpr).jet_moments(X)
    assert not mean.any()
    assert not covariance.any()


def regressor(kernel, d=2):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(8, d))
    return GaussianProcessRegressor(kernel, alpha=1e-3, optimizer=None).fit(X, X.sum(axis=1))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Matern(nu=0.5), r"Matern\(nu=0.5\).* expected nu > 1"),
        (RBF() + Matern(nu=1.0), "expected nu > 1"),
        (Exponentiation(RBF(), 2), "RBF, Matern .* WhiteKernel, and sums and products"),
        (PairwiseKernel(), "are not known. Refit with a kernel made of: RBF, Matern"),
        (
            ExpSineSquared() + WhiteKernel(9.0),
            r"d = 2 are not known.* ExpSineSquared \(one input\)",
        ),
    ],
)
def test_kernels_without_known_derivatives(kernel, message):
    with pytest.raises(ValueError, match=message):
        wb.from_sklearn(regressor(kernel))


def test_subclasses_may_be_other_functions():
    class Doubled(RBF):
        def __call__(self, *args, **kwargs):
            return 2 * super().__call__(*args, **kwargs)

    with pytest.raises(ValueError, match=r"Doubled.* are not known"):
        wb.from_sklearn(regressor(Doubled()))


@pytest.mark.parametrize("kernel", [Matern(nu=1.5), RBF() + DotProduct() * Matern(nu=2.0)])
def test_hessians_need_smooth_paths(kernel):
    posterior = wb.from_sklearn(regressor(kernel))
    assert posterior.gradient(np.zeros((1, 2))).shape == (1, 2)
    for method in (posterior.hessian, posterior.jet_moments):
        with pytest.raises(ValueError, match=r"a Hessian. Use .* nu > 2"):
            method(np.zeros((1, 2)))


def test_what_is_no_fitted_regressor():
    with pytest.raises(ValueError, match=r"not fitted\. Call gpr\.fit"):
        wb.from_sklearn(GaussianProcessRegressor())
    with pytest.raises(TypeError, match="got GaussianProcessClassifier"):
        wb.from_sklearn(GaussianProcessClassifier())


def test_bad_points_and_options():
    posterior = wb.from_sklearn(regressor(RBF()))
    with pytest.raises(ValueError, match=r"shape \(p, 2\).*got \(2,\)"):
        posterior.gradient(np.zeros(2))
    with pytest.raises(ValueError, match="`X` must be finite"):
        posterior.hessian(np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match="at most one of `return_std` and `return_cov`"):
        posterior.gradient(np.zeros((1, 2)), return_std=True, return_cov=True)
    with pytest.raises(ValueError, match="`order` must be 0, 1 or 2; got 3"):
        posterior.jet_moments(np.zeros((1, 2)), order=3)


def test_variances_below_zero_are_told():
    """A factor that is wrong by more than the variance left stands for rounding at its worst."""
    X = np.linspace(-1, 1, 9)[:, None]
    gpr = GaussianProcessRegressor(RBF(2.0), alpha=1e-10, optimizer=None).fit(X, X[:, 0])
    exact = wb.from_sklearn(gpr)
    _, std = exact.gradient(X, return_std=True)
    assert (std > 0).all()
    off = replace(exact, whitener=exact.whitener * (1 + 1e-5), lower=None)
    _, covariance = off.gradient(X, return_cov=True)
    negative = covariance[:, 0, 0] < 0
    assert negative.any()
    with pytest.warns(UserWarning, match="variances are below 0 by rounding .* taken as 0"):
        _, std = off.gradient(X, return_std=True)
    npt.assert_array_equal(std[:, 0] == 0, negative)
