"""What was observed: values, and slopes where there are any, each with its noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from womble import jet
from womble.arrays import FloatArray
from womble.engines.base import Target, has_covariates, has_trend, parameters
from womble.engines.noise import Noise
from womble.kernels import Kernel
from womble.slopes import Slopes
from womble.trend import COEFFICIENT_SD, Trend


class Field(Protocol):
    """A known function of location, in scaled coordinates."""

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c)."""
        ...


@dataclass(frozen=True, eq=False)
class CovariateTerms:
    """x(s)' g with g ~ N(0, COEFFICIENT_SD^2) each.

    Parameters
    ----------
    design : array, shape (n, q), or None
        Standardised covariates at the data: 0 is a number's mean or the first category. None where
        the data are not at hand.
    fields : tuple of q Field or None
        The columns as functions of location; None for a category, and where nothing is known.
    """

    design: FloatArray | None
    fields: tuple[Field | None, ...]

    def at(self, chosen: npt.NDArray[np.intp] | slice) -> CovariateTerms:
        """Those of some of the data."""
        return CovariateTerms(self.design[chosen], self.fields)

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of each column, 0 where it is not known, shape (p, c, q)."""
        out = np.zeros((len(points), jet.size(points.shape[1], order), len(self.fields)))
        for k, field in enumerate(self.fields):
            if field is not None:
                out[..., k] = field.jets(points, order)
        return out


@dataclass(frozen=True, eq=False)
class Terms:
    """What a target has of trend and covariates, as functions of location.

    Parameters
    ----------
    trend : Trend
    covariates : CovariateTerms or None
    target : {"surface", "process", "total", "covariates"}
    """

    trend: Trend
    covariates: CovariateTerms | None
    target: Target

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """Jets of each basis function, 0 for those that the target lacks, shape (p, c, k)."""
        terms = self.trend.jets(points, order) * has_trend(self.target)
        if self.covariates is None:
            return terms
        known = np.zeros((*terms.shape[:2], len(self.covariates.fields)))
        if has_covariates(self.target):
            known = self.covariates.jets(points, order)
        return np.concatenate([terms, known], axis=2)


@dataclass(frozen=True)
class Observations:
    r"""A kernel and a trend with the data, all in scaled coordinates and values.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Of the values. Scaled: centred, with rms radius 1.
    values : array, shape (n,) or (n + m,)
        Scaled: centred, with sd 1; and behind them the m slopes, where there are any.
    measurement_sd : array, shape (n,), optional
        Known part of the noise of each value, scaled.
    slopes : Slopes, optional
        Scaled; where and how the slopes were measured.
    covariates : CovariateTerms, optional
        Not together with slopes.
    weights : array, shape (n,), optional
        Number of measurements that each value is the mean of; None: one each.
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    values: FloatArray
    measurement_sd: FloatArray | None = None
    slopes: Slopes | None = None
    covariates: CovariateTerms | None = None
    weights: FloatArray | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: not what they can work out."""
        return parameters(self)

    @cached_property
    def noise(self) -> Noise:
        """Of the observations."""
        noise = Noise.of(len(self.coords), self.measurement_sd, self.weights)
        return noise if self.slopes is None else noise.with_known(self.slopes.noise_sd)

    @cached_property
    def sites(self) -> FloatArray:
        """Locations of the observations, shape (n, d) or (n + m, d)."""
        if self.slopes is None:
            return self.coords
        return np.concatenate([self.coords, self.slopes.coords])

    def observed(self, jets: Callable[[FloatArray, int], FloatArray]) -> FloatArray:
        """What a function of location shows at the observations, without noise.

        Parameters
        ----------
        jets : function
            Of points (p, d) and order, giving shape (p, c, ...).
        """
        values = jets(self.coords, 0)[:, 0]
        if self.slopes is None:
            return values
        gradients = jet.gradient(np.moveaxis(jets(self.slopes.coords, 1), 1, -1), self.dimension)
        return np.concatenate([values, self.slopes.of(np.moveaxis(gradients, -1, 1))])

    @property
    def dimension(self) -> int:
        """Number d of coordinates."""
        return self.coords.shape[1]

    @cached_property
    def trend_basis(self) -> FloatArray:
        """H B^(1/2), covariates included, shape (n, k)."""
        basis = self.observed(self.trend.jets)
        if self.covariates is not None:
            basis = np.hstack([basis, self.covariates.design])
        return COEFFICIENT_SD * basis

    def site_basis(self, points: FloatArray, design: FloatArray | None) -> FloatArray:
        """`trend_basis` of other sites (p, d) with their covariates (p, q), shape (p, k)."""
        basis = self.trend.jets(points, 0)[:, 0]
        return COEFFICIENT_SD * (basis if design is None else np.hstack([basis, design]))

    def terms(self, points: FloatArray, order: int, target: Target) -> FloatArray:
        """Jets of what a target has of `trend_basis` away from the data, shape (p, c, k)."""
        return COEFFICIENT_SD * Terms(self.trend, self.covariates, target).jets(points, order)
