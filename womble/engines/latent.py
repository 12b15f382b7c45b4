"""The latent engine: a field of plane waves, seen through any likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dtrtri

from womble.arrays import FloatArray
from womble.covariance import Scale
from womble.engines.approximation import (
    BySites,
    ByWeights,
    Mode,
    find_mode,
    gradient_by_sites,
    gradient_by_weights,
)
from womble.engines.band import Band
from womble.engines.base import Target
from womble.engines.latent_field import LatentConditional
from womble.kernels import Kernel
from womble.likelihoods import Likelihood
from womble.scaling import Scaling
from womble.trend import COEFFICIENT_SD, Trend

# Hyperparameters in the units of the link scale.
IN_LINK_UNITS = ("amplitude", "noise_sd", "noise_scale")
# Leapfrog steps that overshoot before the step size has adapted get beyond these.
SMALLEST, LARGEST = 1e-8, 1e8


@dataclass(frozen=True, eq=False)
class State:
    """One posterior draw.

    Attributes
    ----------
    scale : Scale
    parameters : tuple of float
        The likelihood's own.
    weights : array, shape (m,), or None
        The draw's weights of the features; None where they have a normal law given the rest.
    """

    scale: Scale
    parameters: tuple[float, ...]
    weights: FloatArray | None = None

    @property
    def shortest(self) -> float:
        """Shortest lengthscale."""
        return self.scale.lengthscale


@dataclass(frozen=True)
class LatentLayout:
    """Names and order of the hyperparameters: lengthscale, amplitude, the likelihood's own.

    Parameters
    ----------
    parameters : tuple of str
        Of the likelihood; all positive.
    """

    parameters: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order, shape (k,)."""
        return ("lengthscale", "amplitude", *self.parameters)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each is: its name."""
        return self.names

    def units(self, scaling: Scaling) -> FloatArray:
        """Factors that turn scaled hyperparameters into user units, shape (k,)."""
        of_kind = {"lengthscale": scaling.length} | dict.fromkeys(IN_LINK_UNITS, scaling.scale)
        return np.array([of_kind.get(kind, 1.0) for kind in self.kinds])

    def in_range(self, scaled: FloatArray) -> bool:
        """Whether the powers of scaled hyperparameters (k,) stay inside double precision."""
        return bool(((scaled > SMALLEST) & (scaled < LARGEST)).all())

    def theta(self, vector: FloatArray) -> State:
        """The hyperparameters that a vector (k,) holds in this order."""
        lengthscale, amplitude, *parameters = (float(x) for x in vector)
        return State(Scale(amplitude, lengthscale), tuple(parameters))


@dataclass(frozen=True, eq=False)
class LatentEngine:
    """y_i | eta_i by a likelihood, eta = H b + Z: waves with independent standard normal weights.

    Parameters
    ----------
    kernel : Kernel
    trend : Trend
    coords : array, shape (n, d)
        Scaled: centred, with rms radius 1.
    likelihood : Likelihood
        With the responses, and on their scale.
    band : Band
    """

    kernel: Kernel
    trend: Trend
    coords: FloatArray
    likelihood: Likelihood
    band: Band

    @cached_property
    def features(self) -> FloatArray:
        """Waves and trend at the data, shape (n, m)."""
        return np.hstack(
            [
                self.band.jets(self.coords, 0)[:, 0],
                COEFFICIENT_SD * self.trend.jets(self.coords, 0)[:, 0],
            ]
        )

    @property
    def size(self) -> int:
        """Number of weights m."""
        return self.features.shape[1]

    def sds(self, scale: Scale) -> FloatArray:
        """Prior standard deviation of each feature's coefficient, shape (m,)."""
        out = np.ones(self.size)
        out[: self.band.size] = np.sqrt(self.band.variances(self.kernel, scale))
        return out

    def log_sds_by_lengthscale(self, scale: Scale) -> FloatArray:
        """Derivative of the logarithm of `sds` by the lengthscale, shape (m,)."""
        out = np.zeros(self.size)
        stretch = self.band.stretch(self.kernel, scale)
        out[: self.band.size] = 0.5 * stretch / scale.lengthscale
        return out

    def mode(self, state: State) -> Mode | None:
        """The mode given the hyperparameters, by weights; None where Newton's method fails."""
        parameters = np.array(state.parameters)
        F = self.features * self.sds(state.scale)
        if F.shape[1] <= F.shape[0]:
            return find_mode(ByWeights(F), self.likelihood, parameters)
        found = find_mode(BySites(F @ F.T), self.likelihood, parameters)
        if found is None:
            return None
        factor = ByWeights(F).factor(found.terms.information)
        return found._replace(x=F.T @ found.x, factor=factor)

    def log_likelihood(self, state: State) -> tuple[float, FloatArray]:
        """Laplace's approximation of the log marginal likelihood, and its gradient.

        Returns
        -------
        value : float
            -inf where the mode is not found.
        gradient : array, shape (2 + number of parameters,)
            By lengthscale, amplitude and the likelihood's parameters.
        """
        scale, parameters = state.scale, np.array(state.parameters)
        F = self.features * self.sds(scale)
        by_lengthscale = self.log_sds_by_lengthscale(scale)
        by_amplitude = np.zeros(self.size)
        by_amplitude[: self.band.size] = 1 / scale.amplitude
        by_logarithm = np.stack([by_lengthscale, by_amplitude])
        dual = F.shape[1] > F.shape[0]
        coordinates = BySites(F @ F.T) if dual else ByWeights(F)
        found = find_mode(coordinates, self.likelihood, parameters)
        if found is None:
            return -np.inf, np.zeros(2 + len(parameters))
        if dual:
            K = coordinates.covariance
            trend = F[:, self.band.size :]
            derivatives = [
                (F * (2 * by_lengthscale)) @ F.T,
                (K - trend @ trend.T) * (2 / scale.amplitude),
            ]
            by_theta, by_parameters = gradient_by_sites(K, derivatives, found)
        else:
            by_scale, by_parameters = gradient_by_weights(F, found)
            by_theta = by_logarithm @ by_scale
        return found.log_evidence, np.concatenate([by_theta, by_parameters])

    def condition(self, state: State, target: Target = "surface") -> LatentConditional:
        """The field given the data and one draw.

        Where the draw has no weights they have the normal law with the mode and the curvature of
        their posterior density.

        Raises
        ------
        ValueError
            If that mode is not found.
        """
        if state.weights is not None:
            return LatentConditional(self, state, target, state.weights, None)
        found = self.mode(state)
        if found is None:
            raise ValueError(
                "the mode of the field is not found at lengthscale / domain radius "
                f"{state.scale.lengthscale:.3g}, amplitude {state.scale.amplitude:.3g}. Give a "
                "smaller amplitude, or check the responses for outliers."
            )
        whitener, _ = dtrtri(found.factor, lower=1)
        return LatentConditional(self, state, target, found.x, whitener)
