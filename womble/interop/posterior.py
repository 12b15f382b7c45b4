"""The law of a field and its derivatives under a fitted scikit-learn Gaussian process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.compiled.rows import subtract_grams
from womble.engines.factor import whiten_rows
from womble.interop.derivatives import Covariance
from womble.warn import warn

if TYPE_CHECKING:
    from womble.interop.paths import SklearnPaths


@dataclass(frozen=True, eq=False)
class SklearnPosterior:
    r"""The latent field f and its derivatives given data, for one output of a fitted regressor.

    .. math:: E[D f(x)] = s\, D k(x, X)\, \alpha + D m, \qquad
              \mathrm{Cov} = s^2 \bigl(D D' k(x, x') - D k(x, X)\, K^{-1}\, D' k(X, x')\bigr)

    with D the derivatives of a jet, m and s the mean and sd that `normalize_y` removed, K the
    covariance of the data with `alpha` and WhiteKernel. Noise is no part of f.

    Attributes
    ----------
    covariance : Covariance
        The fitted kernel without its WhiteKernel.
    coords : array, shape (n, d)
        The training inputs.
    whitener : array, shape (n, n)
        L^-1 with K = L L'.
    weights : array, shape (n,)
        K^-1 times the normalised output.
    location, spread : float
        The mean and sd that were removed; 0 and 1 without `normalize_y`.
    noise_variances : array, shape (n,)
        What K has on its diagonal besides the covariance: `alpha` and WhiteKernel, of the
        normalised output.
    lower : array, shape (n, n), or None
        L, where K is so ill-conditioned that solves with it take the place of the whitener.

    References
    ----------
    Rasmussen and Williams (2006), sec. 9.4.
    """

    covariance: Covariance
    coords: FloatArray
    whitener: FloatArray
    weights: FloatArray
    location: float
    spread: float
    noise_variances: FloatArray
    lower: FloatArray | None = None

    @property
    def dimension(self) -> int:
        """Number d of inputs."""
        return self.coords.shape[1]

    def jet_moments(self, X: FloatArray, order: int = 2) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of the jet at each point.

        Parameters
        ----------
        X : array, shape (p, d)
            Points, in the units of the training inputs.
        order : {0, 1, 2}
            2: value, gradient and Hessian; 1: value and gradient; 0: value.

        Returns
        -------
        mean : array, shape (p, c)
            Components f; f_1 .. f_d; f_11, f_12, .., f_dd (upper triangle by rows).
        covariance : array, shape (p, c, c)

        Raises
        ------
        ValueError
            If the field has no derivatives of this order, or `X` has another shape.
        """
        return self._moments(self._checked(X, order), order, 0)

    def gradient(
        self, X: FloatArray, *, return_std: bool = False, return_cov: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Posterior mean of the gradient at each point, with its sd or covariance on request.

        Parameters
        ----------
        X : array, shape (p, d)
        return_std, return_cov : bool
            At most one.

        Returns
        -------
        mean : array, shape (p, d)
            In units of y per unit of input.
        std or covariance : array, shape (p, d) or (p, d, d)
            The covariance of the gradient's components at each point.

        Raises
        ------
        ValueError
            If the field has no gradient, both are asked for, or `X` has another shape.
        """
        return self._derivative(X, 1, return_std, return_cov)

    def hessian(
        self, X: FloatArray, *, return_std: bool = False, return_cov: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Posterior mean of the Hessian at each point, with its sd or covariance on request.

        Parameters
        ----------
        X : array, shape (p, d)
        return_std, return_cov : bool
            At most one.

        Returns
        -------
        mean : array, shape (p, d, d)
            In units of y per unit of input squared.
        std or covariance : array, shape (p, d, d) or (p, h, h)
            The covariance is that of the h = d (d + 1) / 2 entries of the upper triangle, by rows.

        Raises
        ------
        ValueError
            If the field has no Hessian, both are asked for, or `X` has another shape.
        """
        return self._derivative(X, 2, return_std, return_cov)

    def paths(
        self,
        samples: int = 200,
        *,
        domain: Sequence[float] | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> SklearnPaths:
        """Posterior draws of the field as functions: jets at any points, again and again.

        Parameters
        ----------
        samples : int
            Number of draws.
        domain : (xmin, xmax) or (xmin, ymin, xmax, ymax), optional
            Box in which the paths will be asked; by default the training inputs' with a margin of
            10% of its longer side. It is widened to hold them.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        SklearnPaths
            `paths.jets(points)` has shape (samples, p, c); `len(paths)` is the number of draws.

        Raises
        ------
        ValueError
            If there are more than two inputs, `samples` or `domain` is malformed, or the kernel is
            not made of Matern (nu > 1), RBF, DotProduct, ConstantKernel and WhiteKernel by sums
            and constant factors.

        References
        ----------
        Wilson et al. (2021), Pathwise conditioning of Gaussian processes.
        """
        from womble.interop.paths import draw_paths

        return draw_paths(self, samples, domain, np.random.default_rng(rng), progress)

    def _derivative(
        self, X: FloatArray, order: int, std: bool, cov: bool
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """The components of exactly this order, shaped as a gradient or a Hessian."""
        if std and cov:
            raise ValueError(
                "at most one of `return_std` and `return_cov` can be True; got both. "
                "The sd is the root of the covariance's diagonal."
            )
        X, first = self._checked(X, order), jet.size(self.dimension, order - 1)
        if not (std or cov):
            return self._shaped(self._mean(X, order, first), order)
        mean, covariance = self._moments(X, order, first)
        if cov:
            return self._shaped(mean, order), covariance
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        return self._shaped(mean, order), self._shaped(_root(variance), order)

    def _shaped(self, entries: FloatArray, order: int) -> FloatArray:
        """Entries (p, d) as they are, those (p, h) of upper triangles as matrices (p, d, d)."""
        if order == 1:
            return entries
        front = np.zeros((len(entries), 1 + self.dimension))
        return jet.hessian(np.concatenate([front, entries], axis=1), self.dimension)

    def _checked(self, X: FloatArray, order: int) -> FloatArray:
        return checked_points(self.covariance, X, self.dimension, order)

    def _cross(self, X: FloatArray, order: int, first: int) -> Iterator[tuple[slice, FloatArray]]:
        """Blocks of points and the covariance of their components from `first` on with the data."""
        for block, C in self.covariance.cross_blocks(X, self.coords, order):
            yield block, np.ascontiguousarray(C[:, first:])

    def _mean(self, X: FloatArray, order: int, first: int) -> FloatArray:
        """Mean of the components from `first` on, shape (p, k)."""
        mean = np.empty((len(X), jet.size(self.dimension, order) - first))
        for block, C in self._cross(X, order, first):
            mean[block] = C @ self.weights
        return self._in_units(mean, first)

    def _in_units(self, mean: FloatArray, first: int) -> FloatArray:
        """A mean in the units of y; the value has the location added."""
        mean *= self.spread
        if first == 0:
            mean[:, 0] += self.location
        return mean

    def _moments(self, X: FloatArray, order: int, first: int) -> tuple[FloatArray, FloatArray]:
        """Mean (p, k) and covariance (p, k, k) of the components from `first` on."""
        size = jet.size(self.dimension, order) - first
        mean, covariance = np.empty((len(X), size)), np.empty((len(X), size, size))
        for block, C in self._cross(X, order, first):
            mean[block] = C @ self.weights
            covariance[block] = self.covariance.prior(X[block], order)[:, first:, first:]
            whiten_rows(C.reshape(-1, C.shape[-1]), self.whitener, self.lower)
            subtract_grams(C, covariance[block])
        covariance *= self.spread**2
        return self._in_units(mean, first), covariance


def checked_points(covariance: Covariance, X: FloatArray, d: int, order: int) -> FloatArray:
    """Points as an array (p, d), for derivatives that exist."""
    if order not in (0, 1, 2):
        raise ValueError(f"`order` must be 0, 1 or 2; got {order!r}.")
    covariance.require_derivatives(order)
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or X.shape[1] != d:
        raise ValueError(
            f"`X` must have shape (p, {d}), one row per point as in training; "
            f"got {X.shape}. A single point is X[None, :]."
        )
    if not np.isfinite(X).all():
        raise ValueError("`X` must be finite; got NaN or infinity. Drop those rows.")
    return X


def _root(variance: FloatArray) -> FloatArray:
    """Square root of variances, which rounding can take below 0 where the data say all."""
    negative = variance < 0
    if negative.any():
        warn(
            f"{negative.sum()} of {variance.size} variances are below 0 by rounding (the least: "
            f"{variance.min():.3g}) and taken as 0. Refit with a larger `alpha` to resolve them."
        )
    return np.sqrt(np.where(negative, 0.0, variance))
