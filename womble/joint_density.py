r"""The joint posterior density of hyperparameters and weights, on coordinates that NUTS likes.

Laplace's approximation at the mode q0 of the hyperparameters says what normal data, projected onto
the r directions B that the responses tell of, would have the same effect: y_r = G w + N(0, I) with
:math:`G = B' W^{1/2} F`. At any q these data give the weights a normal law whose map from v ~ N(0,
I) is

.. math:: w = v + G' h, \quad h = (I + G G')^{-1} y_r - L'^{-1} (L + I)^{-1} G v, \quad
          L L' = I + G G'

(Andrews 1968; its determinant is 1 / |L|), so that the posterior of u and v, q = q0 + C u, with the
covariance C C' of the hyperparameters, is close to N(0, I) for all q and not at q0 alone.

References
----------
Andrews (1968), AIAA Journal 6, 1165-1166; Tippett et al. (2003), Monthly Weather Review 131.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from womble.arrays import FloatArray
from womble.engines.approximation import like_normal
from womble.engines.latent import LatentEngine
from womble.hyperparameters import LatentLayout, State
from womble.laplace import NormalApproximation
from womble.log_density import HyperparameterDensity

# Directions of which the data say less than this share of what the prior says are left out: their
# sd is then 2% too large at most.
LEAST_INFORMATION = 0.05


class HyperparametersAt(Protocol):
    """Hyperparameters and their prior as a function of coordinates q (k,)."""

    layout: LatentLayout

    def at(self, q: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """Log prior, its gradient (k,), scaled hyperparameters (h,) and their slopes (h, k)."""
        ...


@dataclass(frozen=True, eq=False)
class Sampled:
    """Hyperparameters that are sampled: one coordinate each."""

    density: HyperparameterDensity

    @property
    def layout(self) -> LatentLayout:
        """Names and order."""
        return self.density.layout

    def at(self, q: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """See `HyperparametersAt.at`."""
        prior, units = self.density.prior.at(q), self.density.units
        return prior.value, prior.gradient, prior.theta / units, np.diag(prior.slope / units)


@dataclass(frozen=True, eq=False)
class Given:
    """Hyperparameters that are known: no coordinates."""

    layout: LatentLayout
    scaled: FloatArray

    def at(self, q: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """See `HyperparametersAt.at`."""
        return 0.0, np.empty(0), self.scaled, np.empty((len(self.scaled), 0))


@dataclass(frozen=True, eq=False)
class Frame:
    """The map from v to w at given sds of the features.

    Parameters
    ----------
    told : array, shape (r, m)
        P = B' W^1/2 Phi: G but for the sds.
    values : array, shape (r,)
        y_r.
    sds : array, shape (m,)
    """

    told: FloatArray
    values: FloatArray
    sds: FloatArray

    @cached_property
    def G(self) -> FloatArray:
        """Shape (r, m)."""
        return self.told * self.sds

    @cached_property
    def L(self) -> FloatArray:
        """Lower triangular, shape (r, r)."""
        return cholesky(self.G @ self.G.T + np.eye(len(self.values)), lower=True)

    @cached_property
    def log_determinant(self) -> float:
        """Of the map."""
        return -float(np.log(np.diag(self.L)).sum())

    def _forward(self, x: FloatArray) -> FloatArray:
        """L^-1 x."""
        return solve_triangular(self.L, x, lower=True, check_finite=False)

    def _backward(self, x: FloatArray) -> FloatArray:
        """L'^-1 x."""
        return solve_triangular(self.L, x, lower=True, trans="T", check_finite=False)

    @cached_property
    def _raised(self) -> FloatArray:
        return self.L + np.eye(len(self.L))

    @cached_property
    def _mean(self) -> tuple[FloatArray, FloatArray]:
        half = self._forward(self.values)
        return half, self._backward(half)

    def weights(self, v: FloatArray) -> FloatArray:
        """w (m,) of v (m,)."""
        inner = solve_triangular(self._raised, self.G @ v, lower=True, check_finite=False)
        return v + self.G.T @ (self._mean[1] - self._backward(inner))

    def pull_back(self, v: FloatArray, by_w: FloatArray) -> FloatArray:
        """Gradient by v of a function of w with gradient `by_w`, both (m,)."""
        inner = solve_triangular(
            self._raised, self._forward(self.G @ by_w), lower=True, trans="T", check_finite=False
        )
        return by_w - self.G.T @ inner

    def by_sds(self, v: FloatArray, by_w: FloatArray) -> FloatArray:
        """Gradient by the sds of that function plus `log_determinant`, shape (m,).

        References
        ----------
        Murray (2016), arXiv:1602.07527, on the derivative of Cholesky factors.
        """
        half, mean = self._mean
        x = solve_triangular(self._raised, self.G @ v, lower=True, check_finite=False)
        turned = self._backward(x)
        by_h = self.G @ by_w
        c = self._forward(by_h)
        b = -solve_triangular(self._raised, c, lower=True, trans="T", check_finite=False)
        by_L = np.outer(turned - mean, c) - np.outer(b, x) - np.outer(self._backward(c), half)
        by_L -= np.diag(1 / np.diag(self.L))
        lower = np.tril(self.L.T @ by_L)
        np.fill_diagonal(lower, 0.5 * np.diag(lower))
        by_S = self._backward(self._backward(lower + lower.T).T)  # twice, symmetric
        of_S = np.sum(self.told * (by_S @ self.G), axis=0)
        return of_S + (self.told.T @ (mean - turned)) * by_w + (self.told.T @ b) * v


@dataclass(frozen=True, eq=False)
class JointDensity:
    """log p(u, v | y) but for a constant, and its gradient.

    Parameters
    ----------
    engine : LatentEngine
    hyperparameters : HyperparametersAt
    centre : array, shape (k,)
        q0.
    spread : array, shape (k, k)
        C.
    told : array, shape (r, m)
    values : array, shape (r,)
        See `Frame`.
    """

    engine: LatentEngine
    hyperparameters: HyperparametersAt
    centre: FloatArray
    spread: FloatArray
    told: FloatArray
    values: FloatArray

    @classmethod
    def around(
        cls,
        engine: LatentEngine,
        hyperparameters: HyperparametersAt,
        normal: NormalApproximation,
    ) -> JointDensity:
        """With the coordinates that Laplace's approximation gives.

        Raises
        ------
        ValueError
            If the mode of the weights is not found there.
        """
        state = hyperparameters.layout.theta(hyperparameters.at(normal.mode)[2])
        weights, _ = engine.peak(state)
        eta = engine.design(state) @ weights
        terms = engine.likelihood.terms(eta, np.array(state.parameters))
        like, information = like_normal(terms, eta)
        root = np.sqrt(information)
        whitened = root[:, None] * engine.design(state)
        axes, singular, _ = np.linalg.svd(whitened, full_matrices=False)
        axes = axes[:, singular**2 > LEAST_INFORMATION]
        told = (axes.T * root) @ engine.features
        values = axes.T @ (root * like)
        spread = np.linalg.cholesky(normal.covariance)
        return cls(engine, hyperparameters, normal.mode, spread, told, values)

    @property
    def size(self) -> int:
        """Number of coordinates k + m."""
        return len(self.centre) + self.engine.size

    def coordinates(self, z: FloatArray) -> FloatArray:
        """q (..., k) of z (..., k + m)."""
        return self.centre + z[..., : len(self.centre)] @ self.spread.T

    def weights(self, z: FloatArray) -> FloatArray:
        """w of z, both (k + m,)."""
        return self._frame(self.coordinates(z))[0].weights(z[len(self.centre) :])

    @cached_property
    def _only(self) -> tuple[Frame, State, FloatArray]:
        """At hyperparameters that are given."""
        return self._frame_at(self.hyperparameters.at(self.centre)[2])

    def _frame(self, q: FloatArray) -> tuple[Frame, State, FloatArray]:
        """The map, the state and the slopes of the logarithms of sds."""
        return self._frame_at(self.hyperparameters.at(q)[2]) if len(q) else self._only

    def _frame_at(self, scaled: FloatArray) -> tuple[Frame, State, FloatArray]:
        state = self.hyperparameters.layout.theta(scaled)
        sds, slopes = self.engine.sds_and_slopes(state.scales)
        return Frame(self.told, self.values, sds), state, slopes

    def __call__(self, z: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at `z`; -inf, which NUTS counts as a divergence, out of range."""
        engine, k = self.engine, len(self.centre)
        q, v = self.coordinates(z), z[k:]
        log_prior, by_q, scaled, slopes = self.hyperparameters.at(q)
        if not self.hyperparameters.layout.in_range(scaled):
            return -np.inf, np.zeros(len(z))
        frame, state, sd_slopes = self._frame(q)
        w = frame.weights(v)
        parameters = np.array(state.parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = engine.likelihood.terms(engine.features @ (frame.sds * w), parameters)
        value = log_prior + terms.value.sum() - 0.5 * w @ w + frame.log_determinant
        if not np.isfinite(value):
            return -np.inf, np.zeros(len(z))
        pull = engine.features.T @ terms.slope
        by_w = frame.sds * pull - w
        by_v = frame.pull_back(v, by_w)
        if not k:
            return float(value), by_v
        by_sds = pull * w + frame.by_sds(v, by_w)
        by_theta = np.concatenate([sd_slopes @ (by_sds * frame.sds), terms.value_by.sum(axis=1)])
        by_q = by_q + slopes.T @ by_theta
        return float(value), np.concatenate([self.spread.T @ by_q, by_v])
