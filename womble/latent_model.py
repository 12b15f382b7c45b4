"""Fits and conditions of models whose responses are not Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from womble.arrays import FloatArray
from womble.diagnostics import warn_of_trouble
from womble.engines import DENSE_LIMIT, covariate_terms, noise_of_values
from womble.engines.band import MOST_WAVES, Band
from womble.engines.latent import LatentEngine
from womble.engines.sites import SitesEngine
from womble.hyperparameters import LatentLayout
from womble.importance import FEWEST_POINTS, importance_sample
from womble.inference import (
    hyperparameter_density,
    hyperparameter_draws,
    starts,
    thetas_around,
)
from womble.joint_density import Given, JointDensity, Sampled
from womble.laplace import NormalApproximation, find_modes
from womble.latent_inference import joint_draws, warn_where_unmixed
from womble.likelihoods import Likelihood
from womble.log_density import HyperparameterDensity
from womble.pareto import LARGEST_K_HAT
from womble.posterior import Posterior
from womble.sampling import resampled
from womble.spatial_data import SpatialData
from womble.trend import Trend
from womble.warn import warn

if TYPE_CHECKING:
    from womble.kernels import Kernel
    from womble.priors import Priors

Inference = Literal["laplace", "nuts"]

# Sites that say which lengthscales are plausible, where there are more than a covariance is for.
PILOT_SITES = 500
# Standard deviations from a mode to which lengthscales are plausible: as few waves must do for all,
# a wider range costs resolution.
REACH = 2.5


@dataclass(frozen=True, eq=False)
class Latent:
    """The model with its data, before the hyperparameters.

    Parameters
    ----------
    kernel : Kernel
    trend : str
    data : SpatialData
        With a response.
    """

    kernel: Kernel
    trend: str
    data: SpatialData

    @property
    def layout(self) -> LatentLayout:
        """Names and order of the hyperparameters."""
        return self.data.response.layout(self.kernel)

    @property
    def small(self) -> bool:
        """Whether the covariance of the sites can be factorised over and over."""
        return len(self.data.values) <= DENSE_LIMIT

    @property
    def coords(self) -> FloatArray:
        """Scaled, shape (n, d)."""
        return self.data.scaling.coords_in(self.data.coords)

    @cached_property
    def observed(self) -> Likelihood:
        """The likelihood of the responses, for a scaled field."""
        data = self.data
        return data.response.observed(data.values, data.scaling, noise_of_values(data))

    def sites(self, chosen: npt.NDArray[np.intp] | slice = slice(None)) -> SitesEngine:
        """By the covariance of all sites, or of those chosen."""
        terms = covariate_terms(self.data)
        terms = None if terms is None else terms.at(chosen)
        trend, coords, observed = Trend(self.trend), self.coords[chosen], self.observed.at(chosen)
        return SitesEngine(self.kernel, trend, coords, observed, terms)

    def waves(self, shortest: float, longest: float) -> LatentEngine:
        """By waves for scaled lengthscales in a range."""
        self.require_waves()
        band = Band.of(self.kernel, self.coords, shortest, longest, MOST_WAVES)
        return self.with_band(band)

    def require_waves(self) -> None:
        """Refuse data in space, whose waves are not worked out.

        Raises
        ------
        ValueError
        """
        if self.coords.shape[1] > 2:
            raise ValueError(
                "NUTS and more than some 2,000 data need waves, on a line or in the plane; these "
                f"data have {self.coords.shape[1]} coordinates. Use inference='laplace' on at most "
                f"{DENSE_LIMIT} of them."
            )

    def with_band(self, band: Band) -> LatentEngine:
        """By the waves of a band."""
        trend, terms = Trend(self.trend), covariate_terms(self.data)
        return LatentEngine(self.kernel, trend, self.coords, self.observed, band, terms)

    def density(self, engine: SitesEngine | LatentEngine, priors: Priors) -> HyperparameterDensity:
        """Laplace's approximation of the hyperparameters' posterior."""
        return hyperparameter_density(engine, self.layout, self.data, priors)

    def posterior(
        self,
        engine: SitesEngine | LatentEngine,
        draws: xr.Dataset,
        stats: xr.Dataset | None,
        text: str,
        how: str,
    ) -> Posterior:
        """With an engine that has all of the data, and which and how in words."""
        return Posterior(self.data, self.kernel, self.trend, draws, stats, text, engine, how)


def fit(
    model: Latent,
    priors: Priors,
    *,
    inference: Inference,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> Posterior:
    """The posterior of hyperparameters and field; arguments as `FieldModel.fit` has them."""
    if inference == "nuts" or not model.small:
        model.require_waves()
    engine, density, modes, span = _approximation(model, priors, rng)
    if inference == "laplace":
        return _laplace(model, engine, density, modes, draws, rng, progress)
    if isinstance(engine, SitesEngine):
        engine = model.waves(*span)
    joint = JointDensity.around(engine, Sampled(density), modes[0])
    begin = [
        np.concatenate([_whitened(joint, mode.dispersed(rng)), rng.standard_normal(engine.size)])
        for mode in islice(cycle(modes), chains)
    ]
    q, weights, stats = joint_draws(
        joint, begin, draws=draws, tune=tune, rng=rng, progress=progress
    )
    posterior = hyperparameter_draws(density.theta(q), model.layout)
    warn_where_unmixed(engine, model.layout, posterior, weights, stats, model.data.scaling)
    posterior["weights"] = (("chain", "draw", "weight"), weights)
    text = describe(model, engine, "nuts", _lengthscales(model, posterior))
    how = f"NUTS over hyperparameters and field: {_length_of(draws, tune, chains)}"
    return model.posterior(engine, posterior, stats, text, how)


def _laplace(
    model: Latent,
    engine: SitesEngine | LatentEngine,
    density: HyperparameterDensity,
    modes: list[NormalApproximation],
    draws: int,
    rng: np.random.Generator,
    progress: bool,
) -> Posterior:
    """Hyperparameters by importance sampling of Laplace's approximation of their posterior."""
    points = max(draws, FEWEST_POINTS)
    found = importance_sample(density.value, modes, density.broad, points, rng, progress)
    if found.k_hat > LARGEST_K_HAT:
        warn(
            f"importance sampling of the hyperparameters does not hold here (k-hat "
            f"{found.k_hat:.2f}, above {LARGEST_K_HAT}). Take inference='nuts', or a more "
            "informative prior."
        )
    sampled = resampled(density, modes, found, draws, rng)
    warn_of_trouble(sampled.draws, sampled.sample_stats)
    text = describe(model, engine, "laplace", _lengthscales(model, sampled.draws))
    how = f"Laplace's approximation of the field; hyperparameters by {sampled.how}"
    return model.posterior(engine, sampled.draws, sampled.sample_stats, text, how)


def condition(
    model: Latent,
    given: Mapping[str, float],
    *,
    inference: Inference,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> Posterior:
    """The posterior of the field at given hyperparameters."""
    scaled = model.layout.scaled(given, model.data.scaling)
    scales = model.layout.theta(scaled).scales
    lengths = np.array([scale.lengthscale for scale in scales])
    waves = None
    if inference == "nuts" or not model.small:
        waves = model.waves(lengths.min(), lengths.max())
    if inference == "laplace":
        engine = model.sites() if waves is None else waves
        one = {name: (("chain", "draw"), [[x]]) for name, x in given.items()}
        text = describe(model, engine, "laplace", lengths)
        how = "given hyperparameters, Laplace's approximation of the field"
        return model.posterior(engine, xr.Dataset(one), None, text, how)
    nothing = NormalApproximation(np.empty(0), np.empty((0, 0)), 0.0)
    joint = JointDensity.around(waves, Given(model.layout, scaled), nothing)
    begin = list(rng.standard_normal((chains, waves.size)))
    _, weights, stats = joint_draws(
        joint, begin, draws=draws, tune=tune, rng=rng, progress=progress
    )
    theta = np.broadcast_to(list(given.values()), (*weights.shape[:2], len(given)))
    posterior = hyperparameter_draws(theta, model.layout)
    warn_where_unmixed(
        waves, model.layout, posterior, weights, stats, model.data.scaling, sampled=False
    )
    posterior["weights"] = (("chain", "draw", "weight"), weights)
    text = describe(model, waves, "nuts", lengths)
    how = f"given hyperparameters, NUTS over the field: {_length_of(draws, tune, chains)}"
    return model.posterior(waves, posterior, stats, text, how)


def _length_of(draws: int, tune: int, chains: int) -> str:
    return f"{chains} x {draws} draws after {tune} tuning steps each"


def _approximation(
    model: Latent, priors: Priors, rng: np.random.Generator
) -> tuple[
    SitesEngine | LatentEngine,
    HyperparameterDensity,
    list[NormalApproximation],
    tuple[float, float],
]:
    """An engine for Laplace's approximation, its density and modes, and plausible lengthscales."""
    chosen = slice(None)
    if not model.small:
        chosen = np.sort(rng.choice(len(model.data.values), PILOT_SITES, replace=False))
    engine = model.sites(chosen)
    density = model.density(engine, priors)
    modes = find_modes(density, starts(density))
    plausible = thetas_around(density, modes, REACH)
    lengths = [scale.lengthscale for theta in plausible for scale in theta.scales]
    span = min(lengths), max(lengths)
    if model.small:
        return engine, density, modes, span
    engine = model.waves(*span)
    density = model.density(engine, priors)
    return engine, density, find_modes(density, np.stack([m.mode for m in modes])), span


def _whitened(joint: JointDensity, q: FloatArray) -> FloatArray:
    """The coordinates u of a point q."""
    return np.linalg.solve(joint.spread, q - joint.centre)


def _lengthscales(model: Latent, posterior: xr.Dataset) -> FloatArray:
    """All draws of all components' lengthscales, scaled."""
    names = [name for name in posterior if str(name).startswith("lengthscale")]
    lengths = np.concatenate([posterior[name].to_numpy().ravel() for name in names])
    return lengths / model.data.scaling.length


def describe(
    model: Latent, engine: SitesEngine | LatentEngine, inference: Inference, lengths: FloatArray
) -> str:
    """Which engine runs, and what it leaves out.

    Parameters
    ----------
    lengths : array
        Scaled lengthscales of the posterior.
    """
    how = "Laplace's approximation" if inference == "laplace" else "NUTS over field and all"
    n = len(model.data.values)
    start = f"latent ({model.data.response.described}, {how}): n = {n}"
    if isinstance(engine, SitesEngine):
        return f"{start}, by the covariance of the sites; nothing of the field is left out"
    order = 2 if model.kernel.differentiability > 2 else 1

    def held(length: float) -> str:
        tails = [
            max(engine.band.tail_share(k, length, p) for k in model.kernel.components)
            for p in (0, order)
        ]
        number = length * model.data.scaling.length
        return (
            f"at lengthscale {number:.4g} hold {1 - tails[0]:.2%} of the variance of values and "
            f"{1 - tails[1]:.1%} of that of derivatives of order {order}"
        )

    text = f"{start}, {engine.band.size} waves that {held(float(np.median(lengths)))}"
    if np.ptp(lengths) > 0:
        text += f", {held(float(np.quantile(lengths, 0.025)))}"
    text += "; the rest is drawn from the prior, independent of the data"
    if model.data.link == "identity":
        share = engine.band.tail_share(model.kernel.components[0], float(np.median(lengths)), 0)
        text += f", with {np.sqrt(share):.1%} of the amplitude as sd of values"
    return text
