r"""Data sets that the fitted model makes at the same sites, and how the observed one compares.

With a posterior draw of hyperparameters and field, :math:`y^{rep}_i \sim p(y_i | \eta_i, \phi)`.
For a statistic T of a data set the posterior predictive p-value is
:math:`P(T(y^{rep}) > T(y)) + \tfrac12 P(T(y^{rep}) = T(y))`.

References
----------
Gelman, Meng and Stern (1996), Statistica Sinica 6, 733-807.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from womble.arrays import FloatArray
from womble.engines.ensemble import Ensemble
from womble.hyperparameters import State, Theta
from womble.observation_laws import Parameters
from womble.paths import each_path, path_domain

if TYPE_CHECKING:
    import pandas as pd

    from womble.engines.base import Path
    from womble.spatial_data import SpatialData

# From a data set (n,) to a number.
Statistic = Callable[[FloatArray], float]

# A site's neighbours, whose mean its value is compared with.
NEIGHBOURS = 4


def replicates(
    ensemble: Ensemble, data: SpatialData, rng: np.random.Generator, progress: bool
) -> xr.DataArray:
    """Data sets at the data's sites, dimensions (draw, observation); see `Posterior.replicates`."""
    design = None if data.covariates is None else data.covariates.design
    own, noise = rng.spawn(2)

    def at_data(path: Path) -> FloatArray:
        return path.at_sites(data.coords, design)

    box = path_domain(data.sites, None)
    fields = each_path(at_data, ensemble, box, own, "replicates", progress)
    thetas = [theta for theta in ensemble.thetas for _ in range(ensemble.repeats)]
    law = data.law
    values = np.array(
        [
            law.draw(field, _parameters(theta, data), noise)
            for theta, field in zip(thetas, fields, strict=True)
        ]
    )
    attrs = {"long_name": data.value_name, "units": data.value_units or ""}
    coords = {"observation": np.arange(len(data.values)) if data.rows is None else data.rows}
    return xr.DataArray(values, coords, ("draw", "observation"), "replicates", attrs)


def _parameters(theta: Theta | State, data: SpatialData) -> Parameters:
    """The likelihood's own, in user units."""
    if data.response is None:
        return (theta.noise_sd * data.scaling.scale,)
    return data.response.parameters_out(theta.parameters, data.scaling)


def statistics_of(data: SpatialData) -> dict[str, Statistic]:
    """What data sets are compared by, unless told otherwise.

    Mean; sd, smallest and largest value but for presence and absence; the share of zeros of counts;
    and the correlation of
    values with the mean of the values at the four nearest sites: how smooth the data are.
    """
    found: dict[str, Statistic] = {"mean": np.mean}
    likelihood = "gaussian" if data.response is None else data.response.likelihood
    if likelihood != "bernoulli":
        found |= {"sd": np.std, "min": np.min, "max": np.max}
        if data.law.discrete:
            found["zeros"] = lambda y: float(np.mean(y == 0))
    near = _neighbours(data.coords)
    found["neighbours"] = lambda y: _correlation(y, y[near].mean(axis=1))
    return found


def _neighbours(coords: FloatArray) -> np.ndarray:
    """Rows of the nearest other observations of each, shape (n, NEIGHBOURS)."""
    nearest = cKDTree(coords).query(coords, k=NEIGHBOURS + 1)[1]
    # Of repeated sites the first that is found may be another row than the row itself.
    own = nearest == np.arange(len(coords))[:, None]
    own[~own.any(axis=1), -1] = True
    return nearest[~own].reshape(len(coords), NEIGHBOURS)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else 0.0


def predictive_table(
    made: FloatArray, observed: FloatArray, statistics: Mapping[str, Statistic]
) -> pd.DataFrame:
    """A row a statistic: observed, of data sets made (S, n) mean, sd and quantiles, and p."""
    import pandas as pd

    rows = {}
    for name, statistic in statistics.items():
        replicated = np.array([statistic(y) for y in made])
        above, equal = replicated > statistic(observed), replicated == statistic(observed)
        q025, q975 = np.quantile(replicated, (0.025, 0.975))
        rows[name] = {
            "observed": statistic(observed),
            "mean": replicated.mean(),
            "sd": replicated.std(),
            "q025": q025,
            "q975": q975,
            "p": np.mean(above) + 0.5 * np.mean(equal),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("statistic")
