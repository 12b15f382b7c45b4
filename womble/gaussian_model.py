"""Fits and conditions of models with Gaussian noise, whose field is integrated out exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.data_checks import require_unexplained
from womble.engines import choose_engine
from womble.engines.base import Engine
from womble.engines.observations import Observations
from womble.engines.spectral import Likelihood, SpectralEngine
from womble.hyperparameters import Layout
from womble.inference import hyperparameter_density, plausible_thetas
from womble.out_of_core import Pass, summed
from womble.posterior import Posterior
from womble.sampling import Method, sample
from womble.trend import Trend

if TYPE_CHECKING:
    from womble.model import FieldModel
    from womble.spatial_data import SpatialData


def fit(
    model: FieldModel,
    data: SpatialData,
    engine: str,
    *,
    inference: Method,
    draws: int,
    tune: int,
    chains: int,
    rng: np.random.Generator,
    progress: bool,
) -> Posterior:
    """The posterior of the hyperparameters; arguments as `FieldModel.fit` has them."""
    kernel, priors, trend = model.kernel, model.priors, Trend(model.trend)
    chosen, reason = choose_engine(
        engine,
        kernel,
        trend,
        data,
        model.anisotropic,
        lambda part: plausible_thetas(part, Layout.of(kernel), data, priors),
        Pass.over(data, trend, progress),
    )
    data = summed(data, chosen)
    if isinstance(chosen, Observations):
        require_unexplained(chosen.values[: len(chosen.coords)], chosen.trend_basis, model.trend)
    found = sample(
        hyperparameter_density(
            _likelihood(chosen), Layout.of(kernel, model.anisotropic), data, priors
        ),
        inference,
        draws=draws,
        tune=tune,
        chains=chains,
        rng=rng,
        progress=progress,
    )
    stats, how = found.sample_stats, found.how
    return Posterior(data, kernel, model.trend, found.draws, stats, reason, chosen, how)


def _likelihood(engine: Engine) -> Engine | Likelihood:
    """What NUTS sends to its chains: without sums over the data where it does not need them."""
    return engine.likelihood if isinstance(engine, SpectralEngine) else engine


def condition(
    model: FieldModel, data: SpatialData, given: Mapping[str, float], engine: str
) -> Posterior:
    """The field at given hyperparameters."""
    layout = Layout.of(model.kernel, model.anisotropic)
    scaled, trend = layout.scaled(given, data.scaling), Trend(model.trend)
    chosen, reason = choose_engine(
        engine,
        model.kernel,
        trend,
        data,
        model.anisotropic,
        lambda _: [layout.theta(scaled)],
        Pass.over(data, trend),
    )
    data = summed(data, chosen)
    draws = xr.Dataset({name: (("chain", "draw"), [[x]]) for name, x in given.items()})
    return Posterior(data, model.kernel, model.trend, draws, None, reason, chosen)
