r"""The spectral engine: the Fourier series of the field *is* the model, for any number of data.

.. math:: y = H b + X g + \Phi c + e, \quad b, g \sim N(0, B), \quad c \sim N(0, D), \quad
          e \sim N(0, t), \quad t = \tau^2 + \mathrm{Var}(\text{tail})

with trend H, covariates X and D the spectrum on the band. What lies beyond the band enters the data
as noise, and paths as a tail of random waves. With :math:`F = [H, X, \Phi]`, prior sds W of its
weights and :math:`A = I + W F'F W / t`, everything needed of the data is in F'F, F'y, y'y and n.

References
----------
Greengard, Rachh and Barnett (2022), Equispaced Fourier representations for efficient Gaussian
process regression; Solin and Sarkka (2020), Hilbert space methods for reduced-rank Gaussian process
regression; Wilson et al. (2021), pathwise conditioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri

from womble.arrays import FloatArray
from womble.covariance import parts
from womble.engines.base import Target, parameters
from womble.engines.disc import Disc, DiscPrior
from womble.engines.observations import CovariateTerms
from womble.engines.precision import Precision
from womble.engines.preconditioner import MOST_FACTORED, Preconditioner
from womble.engines.series import SpectralConditional
from womble.engines.statistics import Statistics
from womble.engines.sums import NOISE_PRECISION, chunks, feature_sums
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.trend import COEFFICIENT_SD

# Vectors of noise in the data that are summed at a time: 30 MB with a chunk of rows.
NOISE_TOGETHER = 8
# Features up to which matrices of their size are factored for every draw: a likelihood then takes
# no longer than the dense engine's at the most data it is meant for.
DENSE_FEATURES = 2000


_MAKING = Lock()  # for a moment: what takes time is made later


class Likelihood(Protocol):
    """Log marginal likelihood of the hyperparameters, with gradient."""

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """See `Engine.log_likelihood`."""
        ...

    def log_likelihood_value(self, theta: Theta) -> float:
        """See `Engine.log_likelihood_value`."""
        ...


def in_one_factor(features: int) -> bool:
    """Whether so many features are factored together, and paths need no noise in the data."""
    return features <= DENSE_FEATURES


class Spectrum(NamedTuple):
    """Prior variances and noise variance, with their gradients.

    Attributes
    ----------
    variances : array, shape (K,)
        Of the weights of the band's frequencies.
    gradient : array, shape (P, K)
        d variances / d theta, in the order of `Layout`.
    noise : float
        tau^2 + variance of the tail.
    noise_gradient : array, shape (P,)
    """

    variances: FloatArray
    gradient: FloatArray
    noise: float
    noise_gradient: FloatArray


def spectrum(kernel: Kernel, theta: Theta, disc: Disc) -> Spectrum:
    r"""The spectral model's variances at `theta`, and how they change with it.

    The spectra of a kernel's components add up, and so do their tails:

    .. math:: \frac{d D}{d \log \ell} = D \left( d + \frac{d \log S}{d \log w} \right), \qquad
              \mathrm{Var}(\text{tail}) = \sigma^2 (2 \pi)^{-d} \int_{|w| > \ell R} S(w)\, dw
    """
    d, noise = len(disc.period), theta.noise_sd**2
    total, gradient, noise_gradient = np.zeros(len(disc.radii)), [], []
    for part, scale in parts(kernel, theta.scales):
        edge = disc.radius * scale.lengthscale
        variances = disc.variances(part, scale)
        by_lengthscale = d + part.spectral_slope(scale.lengthscale * disc.radii, d)
        gradient.append(variances * by_lengthscale / scale.lengthscale)
        gradient.append(variances * 2 / scale.amplitude)
        share = float(part.spectral_moment(edge, d, 0))
        # The shell at the edge: the sphere's area, 2 or 2 pi edge, over (2 pi)^d.
        shell = edge ** (d - 1) / np.pi * (1.0 if d == 1 else 0.5)
        loss = float(part.spectral_density(np.array(edge), d)) * shell * disc.radius
        noise_gradient += [-(scale.amplitude**2) * loss, 2 * scale.amplitude * share]
        total += variances
        noise += scale.amplitude**2 * share
    gradient = np.stack([*gradient, np.zeros_like(total)])
    return Spectrum(total, gradient, noise, np.array([*noise_gradient, 2 * theta.noise_sd]))


@dataclass(frozen=True, eq=False)
class SpectralEngine:
    """The posterior of a Fourier series, from sums over the data.

    Parameters
    ----------
    kernel : Kernel
    statistics : Statistics
        With the band and the trend.
    domain : array, shape (2, d)
        Corners of the box, in scaled coordinates, in which the field can be asked for; beyond it
        the torus repeats.
    coords : array, shape (n, d), or None
        Scaled; paths draw noise at them. None where the data are not at hand: paths then take the
        noise that the statistics have kept.
    blocks : Likelihood, optional
        What stands for the likelihood where there are too many features for a dense one.
    covariates : CovariateTerms, optional
        Without a design where the data are not at hand.
    weights : array, shape (n,), optional
        Number m of measurements behind each value. That the tail's variance is then divided by m
        too errs by at most `resolution.LEAST_SHARE` of any value's noise.
    """

    kernel: Kernel
    statistics: Statistics
    domain: FloatArray
    coords: FloatArray | None
    blocks: Likelihood | None = None
    covariates: CovariateTerms | None = None
    weights: FloatArray | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: not what they can work out."""
        return parameters(self)

    @property
    def band(self) -> dict[str, list]:
        """Disc and domain in plain numbers, for files; `spectral_choice.again` takes them up."""
        disc = self.statistics.disc
        return {
            "centre": disc.centre.tolist(),
            "period": disc.period.tolist(),
            "radius": disc.radius,
            "domain": self.domain.tolist(),
        }

    @property
    def closed_form(self) -> bool:
        """Whether all features fit in one factor, so that moments need no paths."""
        return in_one_factor(self.statistics.size)

    @property
    def likelihood(self) -> Likelihood:
        """That of the features where they fit in one factor, or of the blocks."""
        return self if self.closed_form else self.blocks

    @cached_property
    def gram(self) -> FloatArray | None:
        """F'F; None where it is too large for a factor."""
        return self.statistics.gram(len(self.statistics.disc.numbers)) if self.closed_form else None

    @cached_property
    def _preconditioners(self) -> dict[Theta, Preconditioner]:
        return {}

    def preconditioner(self, theta: Theta) -> Preconditioner:
        """For all hyperparameters near these; the last one that was asked for is kept."""
        kept = self._preconditioners
        with _MAKING:
            if theta not in kept:
                kept.clear()
                model = spectrum(self.kernel, theta, self.statistics.disc)
                sds = self.sds(model.variances)
                kept[theta] = Preconditioner(self.statistics, sds, model.noise, MOST_FACTORED)
            return kept[theta]

    def sds(self, variances: FloatArray) -> FloatArray:
        """Prior sds of all features, the trend's first, from variances (K,) of frequencies."""
        waves = self.statistics.disc.of_frequencies(np.sqrt(variances))
        return np.concatenate([np.full(self.statistics.trend_size, COEFFICIENT_SD), waves])

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Log marginal likelihood and its gradient, at a cost that does not depend on n.

        Of the model where all features fit in one factor, of the blocks otherwise.

        Returns
        -------
        value : float
            -inf where A is not positive definite in double precision.
        gradient : array, shape (P,)
            In the order of `Layout`.
        """
        if self.closed_form:
            return self.marginal_likelihood(theta)
        return self.blocks.log_likelihood(theta)

    def log_likelihood_value(self, theta: Theta) -> float:
        """See `Engine.log_likelihood_value`."""
        if not self.closed_form:
            return self.blocks.log_likelihood_value(theta)
        return self.log_likelihood(theta)[0]

    def marginal_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        r"""The spectral model's log marginal likelihood and its gradient.

        With :math:`u = A^{-1} W F'y / t`, the posterior mean in prior sds, and
        :math:`a = K^{-1} y`,

        .. math:: \log p(y) &= -\tfrac12 [(y'y - u' W F'y) / t + \log |A| + n \log 2 \pi t], \\
                  \frac{d \log p}{d \log D_j} &= \tfrac12 [u_j^2 - 1 + (A^{-1})_{jj}], \\
                  \frac{d \log p}{d t} &= \tfrac12 [a'a - \mathrm{tr} K^{-1}], \quad
                  a'a = (y'y - u' W F'y - t u'u) / t^2, \quad
                  \mathrm{tr} K^{-1} = (n - \mathrm{tr}(I - A^{-1})) / t.
        """
        stats, model = self.statistics, spectrum(self.kernel, theta, self.statistics.disc)
        precision = Precision(stats, self.sds(model.variances), model.noise, self.gram)
        L, info = dpotrf(precision.block().T, lower=1, clean=1, overwrite_a=1)
        if info != 0:
            return -np.inf, np.zeros(len(model.noise_gradient))
        t, Wr = model.noise, precision.sds * stats.values
        log_determinant = 2 * np.log(np.diag(L)).sum()
        whitener = dtrtri(L, lower=1, overwrite_c=1)[0]
        u = whitener.T @ (whitener @ Wr) / t
        rest = stats.squares - u @ Wr
        value = -0.5 * (rest / t + log_determinant + stats.count * np.log(2 * np.pi * t))
        value += 0.5 * stats.log_weights
        variance = np.einsum("ij,ij->j", whitener, whitener)  # diagonal of A^-1
        by_log = 0.5 * (u**2 - 1 + variance)[stats.trend_size :].reshape(-1, 2).sum(axis=1)
        trace = (stats.count - np.sum(1 - variance)) / t
        by_noise = 0.5 * ((rest - t * (u @ u)) / t**2 - trace)
        # Where the spectrum is 0 in double precision, nothing depends on it.
        D = model.variances
        by_variance = np.divide(by_log, D, out=np.zeros_like(D), where=D > 0)
        return value, model.gradient @ by_variance + by_noise * model.noise_gradient

    def condition(
        self, theta: Theta, target: Target = "surface", near: Theta | None = None
    ) -> SpectralConditional:
        """The field given data and hyperparameters.

        Where equations are solved by iteration, with the preconditioner of the hyperparameters
        `near`: the same for all draws of a posterior, so that it is made once.
        """
        model = spectrum(self.kernel, theta, self.statistics.disc)
        precision = Precision(
            self.statistics,
            self.sds(model.variances),
            model.noise,
            self.gram,
            None if self.closed_form else self.preconditioner(near or theta),
        )
        priors = tuple(
            DiscPrior(part, scale, self.domain, self.statistics.disc)
            for part, scale in parts(self.kernel, theta.scales)
        )
        return SpectralConditional(self, precision, priors, target)

    @property
    def most_paths(self) -> int | None:
        """Number of paths that can be drawn together; None where there is no limit."""
        return None if self.coords is not None or self.closed_form else len(self.statistics.noise)

    def noise(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """F'z for unit normal noise z in the data from each stream, shape (S, k + 2 K).

        Of data that are not at hand vectors that were kept, which the number of a stream among its
        siblings chooses: no two of up to `most_paths` paths that are drawn together share one.
        """
        stats = self.statistics
        if self.coords is None:
            return stats.noise[[spawned_number(rng) % len(stats.noise) for rng in streams]]
        total = np.zeros((len(streams), stats.size))
        for start in range(0, len(streams), NOISE_TOGETHER):
            some = slice(start, start + NOISE_TOGETHER)
            for rows in chunks(len(self.coords)):
                part = self.coords[rows]
                basis = stats.trend.jets(part, 0)[:, 0]
                if self.covariates is not None:
                    basis = np.concatenate([basis, self.covariates.design[rows]], axis=1)
                z = np.stack([rng.standard_normal(len(part)) for rng in streams[some]])
                if self.weights is not None:
                    z *= np.sqrt(self.weights[rows])
                total[some] += feature_sums(stats.disc, basis, part, z, NOISE_PRECISION)
        return total


def spawned_number(rng: np.random.Generator) -> int:
    """Which child of its parents a stream is.

    Draws of hyperparameters have streams spawned one after another, and so have the paths of each
    draw: the sum of the last two spawn keys counts up over the paths of an ensemble, be there one
    a draw, or many of a single draw.
    """
    return sum(rng.bit_generator.seed_seq.spawn_key[-2:])
