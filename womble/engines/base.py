"""What an engine is: data, a likelihood, and the field given data and hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, Protocol

import numpy as np

from womble.arrays import FloatArray
from womble.functional import Functional
from womble.hyperparameters import Theta
from womble.primitive import OnLine

Target = Literal["surface", "process", "total", "covariates"]
# Index arrays that together hold all observations once; None: each by itself.
Blocks = Sequence[np.ndarray] | None


def has_process(target: Target) -> bool:
    """Whether Z is part of a target."""
    return target != "covariates"


def has_trend(target: Target) -> bool:
    """Whether H b, and with it the mean that was taken off, is part of a target."""
    return target in ("surface", "total")


def has_covariates(target: Target) -> bool:
    """Whether x' g is part of a target; without it covariates are at their means."""
    return target in ("total", "covariates")


def parameters(made: Any) -> dict[str, Any]:
    """The fields of a dataclass without what it has worked out of them since."""
    return {field.name: getattr(made, field.name) for field in fields(made)}


class Path(Protocol):
    """One draw of the field, as a function of location."""

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c): the same at the same point, to rounding."""
        ...

    def at_sites(self, points: FloatArray, design: FloatArray) -> FloatArray:
        """Values (p,) of the surface and the covariates' part, for a design (p, q)."""
        ...


class Conditional(Protocol):
    """The field given data and hyperparameters: f | y, theta.

    Attributes
    ----------
    domain : array, shape (2, d), or None
        Corners of the box in which the field can be asked for; None where it is everywhere.
    """

    domain: FloatArray | None

    def mean(self, points: FloatArray, order: int) -> FloatArray:
        """Mean of the jets at `points` (p, d), shape (p, c)."""
        ...

    def groups(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """Joint moments of the k jets within each of g groups of points.

        Parameters
        ----------
        points : array, shape (g, k, d)
            k = 1 gives the moments point by point.

        Returns
        -------
        mean : array, shape (g, k * c)
            Point by point, each point's components together.
        covariance : array, shape (g, k * c, k * c)
        """
        ...

    def joint(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Mean (q,) and covariance (q, q) of the rows of a Functional."""
        ...

    def marginal(self, functional: Functional) -> tuple[FloatArray, FloatArray]:
        """Mean and variance, shape (q,) each, of every row of a Functional by itself."""
        ...

    def on_line(self, rows: OnLine, *, joint: bool) -> tuple[FloatArray, FloatArray]:
        """Mean (q,) of antiderivatives and derivatives, and covariance (q, q) or variances (q,)."""
        ...

    def at_sites(
        self, points: FloatArray, design: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Law of what responses at other sites are of: H b + x' g + Z there.

        Parameters
        ----------
        points : array, shape (p, d)
        design : array, shape (p, q), or None
            Standardised covariates at the points; None for a model without.

        Returns
        -------
        mean, variance : array, shape (p,)
            Without noise, site by site.
        """
        ...

    def coefficient_law(self) -> tuple[FloatArray, FloatArray]:
        """Mean (k,) and covariance (k, k) of the coefficients of trend and covariates given data.

        In units of their prior sd; the trend's first.
        """
        ...

    def left_out(self, blocks: Blocks = None) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of every observed value given the data outside of its block.

        Parameters
        ----------
        blocks : sequence of int arrays, optional
            Indices; together all values once. None: each is a block of its own.

        Returns
        -------
        mean, variance : array, shape (n,)
            Of the noisy observation.
        """
        ...

    def path(self, rng: np.random.Generator, domain: FloatArray) -> Path:
        """One draw as a function, good inside a box that holds the data.

        Parameters
        ----------
        rng : Generator
        domain : array, shape (2, d)
            Lowest and highest corner of the box.
        """
        ...


class Engine(Protocol):
    """Holds the data, in scaled coordinates and values."""

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Log marginal likelihood and its gradient in the order of `Layout`."""
        ...

    def log_likelihood_value(self, theta: Theta) -> float:
        """Log marginal likelihood alone, safe in threads."""
        ...

    def condition(self, theta: Theta, target: Target = "surface") -> Conditional:
        """The field given data and hyperparameters: one factorisation, dropped after use."""
        ...
