r"""New observations: their predictive mean, standard deviation and quantiles.

With Gaussian noise an observation is a mixture of normals over the hyperparameters. After
transform="log" it is one of log-normals, whose quantiles are the exponentials of the mixture's and

.. math:: E[y] = \frac1S \sum_s a_s, \qquad
          Var[y] = \frac1S \sum_s (e^{v_s} - 1) a_s^2 + Var_s[a_s], \qquad a_s = e^{m_s + v_s / 2}.
"""

from __future__ import annotations

import numpy as np

from womble import check, mixture, response_check
from womble.arrays import FloatArray
from womble.engines.ensemble import Ensemble
from womble.observation_laws import GaussianLaw
from womble.response_scores import ResponsePredictive
from womble.spatial_data import SpatialData
from womble.summaries import LEVELS, STATISTICS


def new_observations(
    ensemble: Ensemble, sites: SpatialData, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Columns mean, sd, q025, q50 and q975 at p sites, (p,) each, on the scale of the data.

    Parameters
    ----------
    ensemble : Ensemble
        Of the target "surface".
    sites : SpatialData
        As `womble.held_out.unseen_sites` has them.
    rng : Generator
        Of the quantiles of likelihoods that are not Gaussian, which are from draws.
    """
    design = None if sites.covariates is None else sites.covariates.design
    if sites.response is None:
        found = check.foretold(ensemble, sites.coords, sites.values, design, sites.law)
        columns = _of_normals(found.means, found.sds, sites.transform)
    else:
        found = response_check.foretell(ensemble, sites, design, rng)
        if isinstance(found.law, GaussianLaw):  # of a fit with censored values
            parts = found.parts
            columns = _of_normals(parts.mean, np.sqrt(parts.variance), sites.transform)
        else:
            columns = _of_draws(found, sites.transform)
    return dict(zip(STATISTICS, columns, strict=True))


def _of_normals(means: FloatArray, sds: FloatArray, transform: str | None) -> list[FloatArray]:
    """Of equal mixtures of normals or log-normals, components (S, p)."""
    across = mixture.quantiles(means, sds, LEVELS)
    if transform is None:
        return [*mixture.moments(means, sds), *across]
    variances = sds**2
    expected = np.exp(means + 0.5 * variances)
    of_logs = mixture.moments(expected, np.sqrt(np.expm1(variances)) * expected)
    return [*of_logs, *np.exp(across)]


def _of_draws(found: ResponsePredictive, transform: str | None) -> list[FloatArray]:
    """Of responses; a logarithm that is Student's has no moments on the scale of the data."""
    across = np.quantile(found.draws, LEVELS, axis=0, method="inverted_cdf")
    if transform is None:
        return [found.mean, found.sd, *across]
    none = np.full(across.shape[1], np.nan)
    return [none, none, *np.exp(across)]
