r"""The joint posterior density of hyperparameters and weights, on coordinates that NUTS likes.

With the mode q0 of Laplace's approximation to the hyperparameters' posterior, their covariance
there C C', the mode w0 of the weights, its derivative J by q, and the precision I + U S U' of the
weights,

.. math:: q = q_0 + C u, \qquad w = w_0 + J (q - q_0) + v + U [(1 + S)^{-1/2} - 1] U' v

makes the posterior of z = (u, v) close to N(0, I). The map is linear: no Jacobian. Data tell of
few directions U among many weights, so that it costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from womble.arrays import FloatArray
from womble.engines.latent import LatentEngine
from womble.hyperparameters import LatentLayout, State
from womble.laplace import NormalApproximation
from womble.log_density import HyperparameterDensity

# Of the differences that give J, on logarithms.
DIFFERENCE = 1e-3
# Directions of which the data say less than this share of what the prior says keep their prior sd,
# which is then 2% too large at most.
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
class JointDensity:
    """log p(z | y) but for a constant, and its gradient.

    Parameters
    ----------
    engine : LatentEngine
    hyperparameters : HyperparametersAt
    centre : array, shape (k,)
        q0.
    spread : array, shape (k, k)
        C.
    weights : array, shape (m,)
        w0.
    drift : array, shape (m, k)
        J.
    axes : array, shape (m, r)
        U, orthonormal.
    shrinkage : array, shape (r,)
        (1 + S)^(-1/2) - 1.
    """

    engine: LatentEngine
    hyperparameters: HyperparametersAt
    centre: FloatArray
    spread: FloatArray
    weights: FloatArray
    drift: FloatArray
    axes: FloatArray
    shrinkage: FloatArray

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

        def state(q: FloatArray) -> State:
            return hyperparameters.layout.theta(hyperparameters.at(q)[2])

        weights, information = engine.peak(state(normal.mode))
        told = np.sqrt(information)[:, None] * engine.design(state(normal.mode))
        steps = DIFFERENCE * np.eye(len(normal.mode))
        drift = np.empty((len(weights), len(normal.mode)))
        for i, step in enumerate(steps):
            plus, minus = (engine.peak(state(normal.mode + sign * step))[0] for sign in (1, -1))
            drift[:, i] = (plus - minus) / (2 * DIFFERENCE)
        spread = np.linalg.cholesky(normal.covariance)
        axes, shrinkage = _shrinkage(told)
        return cls(engine, hyperparameters, normal.mode, spread, weights, drift, axes, shrinkage)

    @property
    def size(self) -> int:
        """Number of coordinates k + m."""
        return len(self.centre) + len(self.weights)

    def split(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """q (..., k) and w (..., m) of coordinates z (..., k + m)."""
        k = len(self.centre)
        moved = z[..., :k] @ self.spread.T
        v = z[..., k:]
        return self.centre + moved, self.weights + moved @ self.drift.T + self._shrunk(v)

    def _shrunk(self, v: FloatArray) -> FloatArray:
        """(I + U S U')^(-1/2) v, shape (..., m)."""
        return v + ((v @ self.axes) * self.shrinkage) @ self.axes.T

    def __call__(self, z: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at `z`; -inf, which NUTS counts as a divergence, out of range."""
        engine, layout = self.engine, self.hyperparameters.layout
        q, w = self.split(z)
        log_prior, by_q, scaled, slopes = self.hyperparameters.at(q)
        if not layout.in_range(scaled):
            return -np.inf, np.zeros(len(z))
        state = layout.theta(scaled)
        sds = engine.sds(state.scales)
        parameters = np.array(state.parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = engine.likelihood.terms(engine.features @ (sds * w), parameters)
        value = log_prior + terms.value.sum() - 0.5 * w @ w
        if not np.isfinite(value):
            return -np.inf, np.zeros(len(z))
        pull = sds * (engine.features.T @ terms.slope)
        by_scales = engine.log_sd_derivatives(state.scales) @ (pull * w)
        by_theta = np.concatenate([by_scales, terms.value_by.sum(axis=1)])
        by_w = pull - w
        by_q = by_q + slopes.T @ by_theta + self.drift.T @ by_w
        return float(value), np.concatenate([self.spread.T @ by_q, self._shrunk(by_w)])


def _shrinkage(told: FloatArray) -> tuple[FloatArray, FloatArray]:
    """U (m, r) and (1 + S)^(-1/2) - 1 of the precision I + B' B, for B (n, m)."""
    n, m = told.shape
    information, axes = np.linalg.eigh(told @ told.T if n <= m else told.T @ told)
    kept = information > LEAST_INFORMATION
    information, axes = information[kept], axes[:, kept]
    if n <= m:
        axes = told.T @ axes / np.sqrt(information)
    return np.ascontiguousarray(axes), 1 / np.sqrt(1 + information) - 1
