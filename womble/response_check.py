r"""Observations that are not Gaussian, foretold from others.

Draws that have a field of their own (NUTS) have seen every observation: Pareto-smoothed weights

.. math:: w_{si} \propto 1 / p(y_i | \eta_{si}, \phi_s)

take one back. Where the field has a normal law given the hyperparameters (Laplace's approximation),
that law without observation i is known (`womble.engines.cavity`), and the weights are of the
hyperparameters alone:

.. math:: w_{si} \propto 1 / p(y_i | y_{-i}, \theta_s).

Draws from Laplace's approximation are not of the field's posterior: weights as for NUTS on them err
by much more (`tests/test_response_check.py`).

References
----------
Vehtari, Mononen, Tolvanen, Sivula and Winther (2016), JMLR 17; Vehtari, Gelman and Gabry (2017),
Statistics and Computing 27.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import FloatArray
from womble.engines.ensemble import Ensemble
from womble.hyperparameters import State
from womble.observation_laws import ObservationLaw
from womble.pareto import smoothed_weights
from womble.response_scores import FieldDraws, ResponsePredictive

if TYPE_CHECKING:
    from womble.spatial_data import SpatialData

# Mean and variance of the field at the sites, shape (n,) each, of one draw.
Moments = tuple[FloatArray, FloatArray]


def leave_one_out(
    ensemble: Ensemble, data: SpatialData, rng: np.random.Generator
) -> tuple[ResponsePredictive, FloatArray]:
    """Each observation from all others; k-hats, NaN where there are no weights."""
    engine, scaling = ensemble.engine, ensemble.scaling

    def one(state: State, _: np.random.Generator) -> Moments:
        if state.weights is None:
            mean, variance = engine.cavities(state)
        else:
            mean = engine.design(state) @ state.weights
            variance = np.zeros_like(mean)
        return scaling.offset + scaling.scale * mean, scaling.scale**2 * variance

    field = field_draws(ensemble, list(ensemble.over(one, rng)), data)
    law = data.law
    parts = field.foretold(law, data.values)
    count = len(field.means)
    if count == 1:  # given hyperparameters have seen nothing
        weights, k_hat = np.ones_like(field.means), np.full(len(data.values), np.nan)
    else:
        smoothed, k_hat = smoothed_weights(-parts.log_density.T)
        weights = smoothed.T
    return ResponsePredictive(law, data.values, field, parts, weights, rng), k_hat


def leave_blocks_out(
    ensemble: Ensemble,
    data: SpatialData,
    blocks: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> ResponsePredictive:
    """Each observation from those outside its block: the mode without it, at the same draws."""
    engine, n = ensemble.engine, len(data.values)
    parts = [(block, engine.of(np.setdiff1d(np.arange(n), block))) for block in blocks]
    design = None if data.covariates is None else data.covariates.design

    def one(state: State, _: np.random.Generator) -> Moments:
        mean, variance = np.empty(n), np.empty(n)
        for block, rest in parts:
            f = ensemble.in_user_units(rest.condition(state, ensemble.target))
            at = None if design is None else design[block]
            mean[block], variance[block] = f.at_sites(data.coords[block], at)
        return mean, variance

    field = field_draws(ensemble, list(ensemble.over(one, rng)), data)
    return alike(field, data.law, data.values, rng)


def foretell(
    ensemble: Ensemble, data: SpatialData, design: FloatArray | None, rng: np.random.Generator
) -> ResponsePredictive:
    """New observations, with their covariates (p, q) if the model has them."""
    found = list(ensemble.map(lambda f, _: f.at_sites(data.coords, design), rng, "", False))
    return alike(field_draws(ensemble, found, data), data.law, data.values, rng)


def alike(
    field: FieldDraws, law: ObservationLaw, observed: FloatArray, rng: np.random.Generator
) -> ResponsePredictive:
    """Predictions in which all draws count alike."""
    parts = field.foretold(law, observed)
    weights = np.full_like(field.means, 1 / len(field.means))
    return ResponsePredictive(law, observed, field, parts, weights, rng)


def field_draws(ensemble: Ensemble, found: list[Moments], data: SpatialData) -> FieldDraws:
    """Moments of each draw in user units, with its likelihood's parameters in user units."""
    means, variances = (np.array(part) for part in zip(*found, strict=True))
    own = [data.response.parameters_out(t.parameters, ensemble.scaling) for t in ensemble.thetas]
    return FieldDraws(means, np.sqrt(variances), np.array(own).reshape(len(own), -1))
