"""Coefficients of covariates, on the user's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from womble import mixture
from womble.covariates import Covariates
from womble.engines.ensemble import Ensemble
from womble.trend import COEFFICIENT_SD

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.025, 0.5, 0.975)


def coefficients(ensemble: Ensemble, covariates: Covariates) -> pd.DataFrame:
    """Mean, sd and quantiles of each covariate's coefficient; see `Posterior.coefficients`."""
    import pandas as pd

    columns = covariates.size
    units = COEFFICIENT_SD * ensemble.scaling.scale / covariates.units
    unused = np.random.default_rng(0)  # nothing is drawn
    means, variances = [], []
    for mean, covariance in ensemble.over(
        lambda theta, _: ensemble.engine.condition(theta).coefficient_law(), unused
    ):
        means.append(units * mean[-columns:])
        variances.append(units**2 * np.diag(covariance)[-columns:])
    means, sds = np.array(means), np.sqrt(variances)
    mean, sd = mixture.moments(means, sds)
    q025, q50, q975 = mixture.quantiles(means, sds, LEVELS)
    table = {"mean": mean, "sd": sd, "q025": q025, "q50": q50, "q975": q975}
    return pd.DataFrame(table, index=pd.Index(covariates.labels, name="covariate"))
