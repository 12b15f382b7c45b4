"""GradientGPR as a scikit-learn estimator, and its derivatives."""

import copy
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import womble as wb
from womble.interop import regressor
from womble.interop.sklearn import GradientGPR

KERNEL = ConstantKernel(2.0) * RBF([0.7, 1.5]) + WhiteKernel(0.05)
RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (30, 2))
Y = np.column_stack([np.sin(X[:, 0]) + X[:, 1], 10 * X[:, 0] * X[:, 1]])
POINTS = RNG.uniform(-2, 2, (7, 2))


def unfitted(**params):
    return GradientGPR(KERNEL, optimizer=None, normalize_y=True).set_params(**params)


@pytest.fixture
def gpr():
    return unfitted().fit(X, Y[:, 0])


def output(script, **env):
    """What a fresh interpreter prints."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | env
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env
    ).stdout


def central(predict, points, step=1e-4):
    """Central differences of predictions, (p, d): they err by step^2 and 1e-16 / step."""
    ends = step * np.eye(points.shape[1])
    return np.stack([predict(points + e) - predict(points - e) for e in ends], axis=1) / (2 * step)


# -- as an estimator -----------------------------------------------------------------------------

# The array API is switched on before SciPy is imported: without it one check is not run.
CHECKS = """
import json, warnings
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from womble.interop.sklearn import GradientGPR
warnings.simplefilter("ignore")  # the checks' data are no Gaussian process: bounds are reached
results = check_estimator(GradientGPR(), on_fail=None, on_skip=None)
ours = [(r["check_name"], r["status"], r["expected_to_fail"]) for r in results]
theirs = [c.func.__name__ for _, c in estimator_checks_generator(GaussianProcessRegressor())]
print(json.dumps([ours, theirs]))
"""


def test_every_check_of_scikit_learn_passes():
    ours, theirs = json.loads(output(CHECKS, SCIPY_ARRAY_API="1"))
    assert len(ours) >= 40  # of scikit-learn 1.6 and later
    assert [(name, status) for name, status, _ in ours if status != "passed"] == []
    assert not any(expected_to_fail for *_, expected_to_fail in ours)
    assert sorted(name for name, *_ in ours) == sorted(theirs)


def test_derivatives_need_a_fit(gpr):
    for method in (unfitted().predict_gradient, clone(gpr).predict_hessian):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            method(POINTS)


def test_a_new_fit_is_a_new_posterior(gpr):
    first = gpr.predict_gradient(POINTS)
    assert gpr.set_params(alpha=0.5).predict_gradient(POINTS) == pytest.approx(first)
    second = gpr.fit(X, Y[:, 1]).predict_gradient(POINTS)
    npt.assert_array_equal(second, wb.from_sklearn(gpr).gradient(POINTS))
    assert np.abs(second - first).min() > 1e-3


def test_a_fit_is_translated_once(gpr, monkeypatch):
    calls = []
    monkeypatch.setattr(regressor, "from_sklearn", lambda g: calls.append(g) or wb.from_sklearn(g))
    for method in (gpr.predict_gradient, gpr.predict_hessian, gpr.predict_gradient):
        method(POINTS, return_std=True)
    assert calls == [gpr]
    gpr.fit(X, Y).predict_gradient(POINTS)
    assert calls == [gpr, gpr]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_predict_the_same(gpr, again):
    size = len(pickle.dumps(gpr))
    expected = gpr.predict_hessian(POINTS, return_std=True)
    assert len(pickle.dumps(gpr)) == size  # the posterior is not saved with it
    for actual, other in zip(
        again(gpr).predict_hessian(POINTS, return_std=True), expected, strict=True
    ):
        npt.assert_array_equal(actual, other)


def test_a_saved_fit_is_read_by_a_process_that_knows_nothing(gpr, tmp_path):
    path = tmp_path / "fit.pickle"
    path.write_bytes(pickle.dumps(gpr))
    read = f"import pickle; gpr = pickle.loads(open({str(path)!r}, 'rb').read());"
    found = output(f"{read} print(gpr.predict_gradient([[0.5, -0.5]]).tolist())")
    npt.assert_allclose(json.loads(found), gpr.predict_gradient([[0.5, -0.5]]), rtol=1e-9)


def test_in_a_grid_search():
    search = GridSearchCV(unfitted(), {"alpha": [1e-3, 10.0]}, cv=3).fit(X, Y[:, 0])
    best = search.best_estimator_
    assert best.alpha == 1e-3
    npt.assert_allclose(best.predict_gradient(POINTS), central(best.predict, POINTS), atol=1e-6)


def test_behind_a_scaler_derivatives_are_by_scaled_inputs():
    raw = X * [100.0, 0.01] + [5e3, -1.0]
    points = POINTS * [100.0, 0.01] + [5e3, -1.0]
    pipe = make_pipeline(StandardScaler(), unfitted()).fit(raw, Y[:, 0])
    scale = pipe[0].scale_
    gradient, sd = pipe[-1].predict_gradient(pipe[:-1].transform(points), return_std=True)
    expected = np.stack(
        [
            central(lambda x: pipe.predict(x), points, step)[:, i]
            for i, step in [(0, 1e-2), (1, 1e-6)]
        ],
        axis=1,
    )
    npt.assert_allclose(gradient / scale, expected, rtol=1e-5)
    # One length scale per input does what the scaler does.
    kernel = ConstantKernel(2.0) * RBF([0.7, 1.5] * scale) + WhiteKernel(0.05)
    alone = unfitted(kernel=kernel).fit(raw, Y[:, 0])
    own_gradient, own_sd = alone.predict_gradient(points, return_std=True)
    npt.assert_allclose(own_gradient, gradient / scale, rtol=1e-6)
    npt.assert_allclose(own_sd, sd / scale, rtol=1e-6)


# -- results -------------------------------------------------------------------------------------


def test_the_gradient_is_the_difference_of_predict(gpr):
    # Truncation step^2 / 6 times derivatives of order one.
    npt.assert_allclose(gpr.predict_gradient(POINTS), central(gpr.predict, POINTS), atol=1e-6)
    differences = central(gpr.predict_gradient, POINTS)
    npt.assert_allclose(gpr.predict_hessian(POINTS), differences, atol=1e-6)


@pytest.mark.parametrize("method", ["gradient", "hessian"])
@pytest.mark.parametrize("option", [{}, {"return_std": True}, {"return_cov": True}], ids=str)
def test_outputs_trail(gpr, method, option):
    def predicted(y):
        found = getattr(gpr.fit(X, y), f"predict_{method}")(POINTS, **option)
        return found if option else (found,)

    alone = [predicted(y) for y in Y.T]
    column = predicted(Y[:, :1])
    for k, both in enumerate(predicted(Y)):
        for t in range(2):
            npt.assert_allclose(both[..., t], alone[t][k], rtol=1e-9, atol=1e-12)
        npt.assert_allclose(column[k], alone[0][k], rtol=1e-9, atol=1e-12)


def test_frames_with_names():
    frame = pd.DataFrame(X, columns=["east", "north"])
    named = unfitted().fit(frame, Y[:, 0])
    points = pd.DataFrame(POINTS, columns=["east", "north"])
    # The frame comes as an array in another order of memory: products round differently.
    expected = wb.from_sklearn(named).gradient(POINTS)
    npt.assert_allclose(named.predict_gradient(points), expected, rtol=1e-13)
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict_gradient(points.rename(columns={"north": "up"}))


def test_bad_requests(gpr):
    with pytest.raises(ValueError, match="3 features, but GradientGPR is expecting 2"):
        gpr.predict_gradient(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="at most one of `return_std` and `return_cov`"):
        gpr.predict_gradient(POINTS, return_std=True, return_cov=True)
    rough = unfitted(kernel=Matern(nu=1.5)).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match=r"a Hessian\. Use a smoother kernel"):
        rough.predict_hessian(POINTS)
    # What has no derivatives still predicts.
    rougher = unfitted(kernel=Matern(nu=0.5)).fit(X, Y[:, 0])
    assert rougher.predict(POINTS).shape == (7,)
    with pytest.raises(ValueError, match="expected nu > 1"):
        rougher.predict_gradient(POINTS)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.delitem(sys.modules, "womble.interop.regressor")
    monkeypatch.setitem(sys.modules, "sklearn.gaussian_process", None)
    with pytest.raises(ImportError, match=r"scikit-learn .* pip install \"womble\[sklearn\]\""):
        from womble.interop.sklearn import GradientGPR  # noqa: F401
    with pytest.raises(ImportError, match=r"pip install \"womble\[sklearn\]\""):
        wb.from_sklearn(GaussianProcessRegressor())


def test_no_other_names_are_made_up():
    from womble.interop import sklearn

    with pytest.raises(AttributeError, match="has no attribute 'GradientGPC'"):
        sklearn.GradientGPC  # noqa: B018
