"""A scikit-learn regressor that predicts gradients and Hessians too.

Import it from `womble.interop.sklearn`, which loads scikit-learn only when it is asked for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from womble.arrays import FloatArray
from womble.interop.posterior import SklearnPosterior
from womble.interop.sklearn import from_sklearn

Moments = FloatArray | tuple[FloatArray, FloatArray]


class GradientGPR(GaussianProcessRegressor):
    """A GaussianProcessRegressor with `predict_gradient` and `predict_hessian`.

    Parameters, attributes, `fit` and `predict` are those of scikit-learn's class. Derivatives are
    of the latent field, without noise, by the inputs that `fit` was given: in a Pipeline behind a
    StandardScaler, by the *scaled* inputs. Divide by `scaler.scale_` once for each derivative,
    sds alike, or leave out the scaler and give the kernel one length scale per input, as in
    ``RBF([1.0, 1.0])``, which scales the inputs itself.

    References
    ----------
    Rasmussen and Williams (2006), sec. 9.4.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> GradientGPR:
        """Fit kernel and weights; see GaussianProcessRegressor.fit."""
        vars(self).pop("_posteriors", None)
        return super().fit(X, y)

    def predict_gradient(
        self, X: ArrayLike, return_std: bool = False, return_cov: bool = False
    ) -> Moments:
        """Posterior mean of the gradient at each point, with its sd or covariance on request.

        Parameters
        ----------
        X : array-like, shape (p, d)
        return_std, return_cov : bool
            At most one.

        Returns
        -------
        mean : array, shape (p, d), or (p, d, t) for t > 1 outputs
            In units of y per unit of input.
        std or covariance : array, shape (p, d) or (p, d, d); with t > 1 outputs, (.., t)
            The covariance of the gradient's components at each point.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the fitted kernel has no gradient or is not known to `from_sklearn`, both are asked
            for, or `X` has another number of inputs.
        """
        return self._moments("gradient", X, return_std, return_cov)

    def predict_hessian(
        self, X: ArrayLike, return_std: bool = False, return_cov: bool = False
    ) -> Moments:
        """Posterior mean of the Hessian at each point, with its sd or covariance on request.

        Parameters
        ----------
        X : array-like, shape (p, d)
        return_std, return_cov : bool
            At most one.

        Returns
        -------
        mean : array, shape (p, d, d), or (p, d, d, t) for t > 1 outputs
            In units of y per unit of input squared.
        std or covariance : array, shape (p, d, d) or (p, h, h); with t > 1 outputs, (.., t)
            The covariance is that of the h = d (d + 1) / 2 entries of the upper triangle, by rows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the fitted kernel has no Hessian or is not known to `from_sklearn`, both are asked
            for, or `X` has another number of inputs.
        """
        return self._moments("hessian", X, return_std, return_cov)

    def _moments(self, method: str, X: ArrayLike, std: bool, cov: bool) -> Moments:
        """A method of the posterior of each output; outputs trail, as in `predict`."""
        check_is_fitted(self, "L_")
        X = validate_data(self, X, reset=False)
        outputs = [
            getattr(posterior, method)(X, return_std=std, return_cov=cov)
            for posterior in self._each_posterior()
        ]
        if len(outputs) == 1:
            return outputs[0]
        if not (std or cov):
            return np.stack(outputs, axis=-1)
        means, spreads = zip(*outputs, strict=True)
        return np.stack(means, axis=-1), np.stack(spreads, axis=-1)

    def _each_posterior(self) -> list[SklearnPosterior]:
        """One per output, found once per fit."""
        if not hasattr(self, "_posteriors"):
            found = from_sklearn(self)
            self._posteriors = found if isinstance(found, list) else [found]
        return self._posteriors

    def __getstate__(self) -> dict[str, Any]:
        """What is saved and copied: all but the posteriors, which the factor gives again."""
        return {name: x for name, x in super().__getstate__().items() if name != "_posteriors"}
