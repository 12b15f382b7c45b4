"""Fields with geometric anisotropy: the isotropic engine in mapped coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import numpy as np

from womble import jet
from womble.anisotropy import coordinate_map, squared_map_derivatives
from womble.arrays import FloatArray
from womble.engines.base import Blocks, Conditional, Path, Target
from womble.engines.dense import DenseEngine
from womble.engines.observations import CovariateTerms, Field, Observations
from womble.functional import Functional
from womble.hyperparameters import Theta
from womble.trend import Trend


@dataclass(frozen=True)
class MappedTrend:
    """A trend as a function of mapped coordinates: the same values at the same sites.

    Parameters
    ----------
    trend : Trend
    back : array, shape (2, 2)
        From mapped coordinates to the trend's own; symmetric.
    """

    trend: Trend
    back: FloatArray

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `Trend.jets`."""
        chain = jet.chain_rule(self.back, order)
        return np.einsum("ab,pbk->pak", chain, self.trend.jets(points @ self.back, order))


@dataclass(frozen=True, eq=False)
class MappedField:
    """A known field as a function of mapped coordinates; parameters as of `MappedTrend`."""

    field: Field
    back: FloatArray

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `Field.jets`."""
        return self.field.jets(points @ self.back, order) @ jet.chain_rule(self.back, order).T


@dataclass(frozen=True)
class AnisotropicEngine(Observations):
    """A DenseEngine in the coordinates in which a draw's field is isotropic; d = 2, no slopes."""

    def isotropic(self, theta: Theta) -> tuple[DenseEngine, Theta]:
        """The engine in mapped coordinates, and the hyperparameters there."""
        M = coordinate_map(theta.anisotropy)
        trend = MappedTrend(self.trend, np.linalg.inv(M))
        coords = self.coords @ M
        engine = DenseEngine(
            self.kernel,
            trend,
            coords,
            self.values,
            self.measurement_sd,
            covariates=self._mapped_covariates(trend.back),
            weights=self.weights,
        )
        return engine, replace(theta, anisotropy=None)

    def _mapped_covariates(self, back: FloatArray) -> CovariateTerms | None:
        if self.covariates is None:
            return None
        fields = tuple(f if f is None else MappedField(f, back) for f in self.covariates.fields)
        return replace(self.covariates, fields=fields)

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        r"""Log marginal likelihood and its gradient.

        With v = M h, the map enters by :math:`|v|^2 = h' M^2 h`, so that

        .. math:: dk = \tfrac12 \sigma^2 z^2 D \rho \; u' M^{-1} (d M^2) M^{-1} u, \quad u = v / |v|

        Returns
        -------
        value : float
        gradient : array, shape (k,)
            In the order of `Layout`.
        """
        engine, mapped = self.isotropic(theta)
        found = engine.marginal(mapped)
        if found is None:
            return -np.inf, np.zeros(2 * len(theta.scales) + 3)
        back = np.linalg.inv(coordinate_map(theta.anisotropy))
        by_map = back @ found.axes(engine.coords) @ back
        by_pair = 0.25 * np.sum(by_map * squared_map_derivatives(theta.anisotropy), axis=(1, 2))
        return found.value, np.concatenate([found.gradient(), by_pair])

    def log_likelihood_value(self, theta: Theta) -> float:
        """See `Engine.log_likelihood_value`."""
        engine, mapped = self.isotropic(theta)
        return engine.log_likelihood_value(mapped)

    def condition(self, theta: Theta, target: Target = "surface") -> MappedConditional:
        """See `DenseEngine.condition`."""
        engine, mapped = self.isotropic(theta)
        return MappedConditional(engine.condition(mapped, target), coordinate_map(theta.anisotropy))


@dataclass(frozen=True, eq=False)
class MappedConditional:
    """A Conditional g in mapped coordinates, seen as f(s) = g(M s).

    Parameters
    ----------
    mapped : Conditional
    map : array, shape (2, 2)
        M, symmetric.
    """

    mapped: Conditional
    map: FloatArray
    domain: ClassVar[None] = None

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """See `Conditional.mean`."""
        return self.mapped.mean(points @ self.map, order) @ jet.chain_rule(self.map, order).T

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.groups`."""
        mean, covariance = self.mapped.groups(points @ self.map, order)
        chain = np.kron(np.eye(points.shape[1]), jet.chain_rule(self.map, order))
        return mean @ chain.T, chain @ covariance @ chain.T

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.joint`."""
        return self.mapped.joint(functional.mapped(self.map))

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.marginal`."""
        return self.mapped.marginal(functional.mapped(self.map))

    def coefficient_law(self) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.coefficient_law`: the map leaves the coefficients as they are."""
        return self.mapped.coefficient_law()

    def left_out(self, blocks: Blocks = None) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.left_out`."""
        return self.mapped.left_out(blocks)

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """See `Conditional.at_sites`."""
        return self.mapped.at_sites(points @ self.map, design)

    def path(self, rng: np.random.Generator, domain: FloatArray) -> MappedPath:
        """See `Conditional.path`."""
        corners = np.array(list(product(*domain.T))) @ self.map
        box = np.stack([corners.min(axis=0), corners.max(axis=0)])
        return MappedPath(self.mapped.path(rng, box), self.map)


@dataclass(frozen=True, eq=False)
class MappedPath:
    """A Path g in mapped coordinates, seen as f(s) = g(M s).

    Parameters
    ----------
    mapped : Path
    map : array, shape (2, 2)
        M, symmetric.
    """

    mapped: Path
    map: FloatArray

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """See `Path.jets`."""
        return self.mapped.jets(points @ self.map, order) @ jet.chain_rule(self.map, order).T

    def at_sites(self, points: FloatArray, design: FloatArray) -> FloatArray:
        """See `Path.at_sites`."""
        return self.mapped.at_sites(points @ self.map, design)
