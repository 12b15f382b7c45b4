"""Gradient and Hessian of a fitted scikit-learn Gaussian process, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dtrtri

from womble.arrays import FloatArray
from womble.engines.rounding import LARGEST_ERROR, WORTH_SOLVES, expected_error
from womble.interop.derivatives import Constant
from womble.interop.posterior import SklearnPosterior
from womble.interop.translate import translate
from womble.warn import warn

if TYPE_CHECKING:
    from womble.interop.regressor import GradientGPR

__all__ = ["GradientGPR", "SklearnPosterior", "from_sklearn"]

# Of `expected_error`: standard deviations that are mostly rounding.
NOTHING_LEFT = 1.0

MISSING = 'scikit-learn 1.6 or newer is needed: pip install "womble[sklearn]"'


def __getattr__(name: str) -> Any:
    """`GradientGPR` is loaded when it is first used: its base class is scikit-learn's."""
    if name != "GradientGPR":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from womble.interop.regressor import GradientGPR
    except ImportError as error:
        raise ImportError(MISSING) from error
    return GradientGPR


def from_sklearn(gpr: Any) -> SklearnPosterior | list[SklearnPosterior]:
    """The posterior of gradient and Hessian of a fitted GaussianProcessRegressor.

    Nothing is fitted again and nothing is differenced: the regressor's kernel, Cholesky factor
    and weights are taken as they are, at its point estimate of the hyperparameters.

    Parameters
    ----------
    gpr : sklearn.gaussian_process.GaussianProcessRegressor
        Fitted, with d >= 1 inputs. Kernels: RBF, Matern (nu > 1; Hessians need nu > 2),
        RationalQuadratic, DotProduct, ExpSineSquared (d = 1), ConstantKernel, WhiteKernel, and
        sums and products of these.

    Returns
    -------
    SklearnPosterior, or a list of them where y has several columns

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    TypeError
        If `gpr` is no GaussianProcessRegressor.
    ValueError
        If it is not fitted, or its kernel is not among those above.

    References
    ----------
    Rasmussen and Williams (2006), sec. 9.4.

    Examples
    --------
    >>> import numpy as np
    >>> import womble as wb
    >>> from sklearn.gaussian_process import GaussianProcessRegressor
    >>> from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    >>> X = np.random.default_rng(0).uniform(size=(80, 2))
    >>> gpr = GaussianProcessRegressor(RBF(0.5) + WhiteKernel(1e-4), optimizer=None)
    >>> posterior = wb.from_sklearn(gpr.fit(X, X[:, 0] ** 2 + X[:, 1]))
    >>> mean, sd = posterior.gradient([[0.5, 0.5]], return_std=True)
    >>> mean.round(2).tolist(), sd.round(2).tolist()  # of x^2 + y: (1, 1)
    ([[1.0, 1.0]], [[0.03, 0.03]])
    """
    _require_fitted(gpr)
    coords = np.array(gpr.X_train_, dtype=float)
    covariance = translate(gpr.kernel_, coords.shape[1]) or Constant(0.0)
    L = np.asfortranarray(np.tril(gpr.L_))
    whitener, _ = dtrtri(L, lower=1)
    weights = np.array(gpr.alpha_, dtype=float).reshape(len(coords), -1)
    location, spread = (
        np.broadcast_to(x, weights.shape[1]) for x in (gpr._y_train_mean, gpr._y_train_std)
    )
    # `alpha` may have been set since the fit: the factor holds what it was. What rounding loses of
    # it here (1e-16 of K) the factor has lost too, and may leave slightly less than nothing.
    diagonal = np.sum(L**2, axis=1)
    noise = np.maximum(diagonal - covariance.prior(coords, 0)[:, 0, 0], 0.0)
    lower = L if _require_accurate(L, diagonal, noise) > WORTH_SOLVES else None
    posteriors = [
        SklearnPosterior(covariance, coords, whitener, w.copy(), float(m), float(s), noise, lower)
        for w, m, s in zip(weights.T, location, spread, strict=True)
    ]
    return posteriors if len(posteriors) > 1 else posteriors[0]


def _require_accurate(L: FloatArray, diagonal: FloatArray, noise: FloatArray) -> float:
    """What rounding may do, in posterior sds: with a warning where digits are lost.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    error = expected_error(L, diagonal, noise)
    told = (
        "the regressor's covariance is ill-conditioned: rounding may move gradients and Hessians "
        f"by {error:.0e} posterior sds. Refit with a larger `alpha` (1e-10 is no noise at all), or "
        "with a WhiteKernel."
    )
    if error > NOTHING_LEFT:
        raise ValueError(told)
    if error > LARGEST_ERROR:
        warn(told)
    return error


def _require_fitted(gpr: Any) -> None:
    """Raise unless `gpr` is a regressor that has seen data."""
    try:
        from sklearn.gaussian_process import GaussianProcessRegressor
    except ImportError as error:
        raise ImportError(MISSING) from error
    if not isinstance(gpr, GaussianProcessRegressor):
        raise TypeError(
            f"`gpr` must be a fitted GaussianProcessRegressor; got {type(gpr).__name__}. "
            "Of a pipeline give the last step: its derivatives are by the scaled inputs."
        )
    if not hasattr(gpr, "L_"):
        raise ValueError("`gpr` is not fitted. Call gpr.fit(X, y) first.")
