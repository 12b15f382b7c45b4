"""Everything with a coefficient: the trend's polynomials and the covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from womble.arrays import FloatArray
from womble.covariate_field import Standardised
from womble.engines.base import Target
from womble.trend import COEFFICIENT_SD, Trend


@dataclass(frozen=True, eq=False)
class Regression:
    """H(s) b + x(s)' g with b, g ~ N(0, COEFFICIENT_SD^2) each, in scaled units.

    A target says which terms are asked for away from the data: `surface` has the trend, with the
    covariates at their means (0, once standardised) and first categories; `covariates` has x' g;
    `total` has both; `process` none.

    Parameters
    ----------
    trend : Trend
    design : array, shape (n, q), optional
        Standardised covariates at the data.
    fields : tuple of q Standardised or None
        The covariates as functions of location; None for a category, and where nothing is known.
    """

    trend: Trend
    design: FloatArray | None = None
    fields: tuple[Standardised | None, ...] = ()

    def at_data(self, coords: FloatArray) -> FloatArray:
        """Terms at the data (n, d) times the prior sd of their coefficients, shape (n, k)."""
        terms = self.trend.jets(coords, 0)[:, 0, :]
        if self.design is not None:
            terms = np.hstack([terms, self.design])
        return COEFFICIENT_SD * terms

    def jets(self, points: FloatArray, order: int, target: Target) -> FloatArray:
        """Jets of a target's terms times the prior sd of their coefficients, shape (p, c, k)."""
        polynomials = self.trend.jets(points, order)
        size = polynomials.shape[-1]
        covariates = 0 if self.design is None else self.design.shape[1]
        out = np.zeros((*polynomials.shape[:2], size + covariates))
        if has_trend(target):
            out[..., :size] = polynomials
        if target in ("covariates", "total"):
            for k, field in enumerate(self.fields):
                if field is not None:
                    out[..., size + k] = field.jets(points, order)
        return COEFFICIENT_SD * out


def has_process(target: Target) -> bool:
    """Whether Z is part of a target."""
    return target != "covariates"


def has_trend(target: Target) -> bool:
    """Whether H b, and with it the mean that was taken off, is part of a target."""
    return target in ("surface", "total")
