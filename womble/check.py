r"""Predictive checks: each observation foretold from others, and models compared by that.

With P = K^-1, an observation given all others is
:math:`N(y_i - [P y]_i / P_{ii},\; 1 / P_{ii})`. The draws of the hyperparameters have seen
:math:`y_i`; weights :math:`w_{si} \propto 1 / p(y_i | y_{-i}, \theta_s)`, Pareto-smoothed, take
that back.

References
----------
Rasmussen and Williams (2006), eq. (5.12); Vehtari, Mononen, Tolvanen, Sivula and Winther (2016),
JMLR 17; Vehtari, Gelman and Gabry (2017), Statistics and Computing 27.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kstest

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.engines.base import Blocks, Conditional
from womble.engines.ensemble import Ensemble
from womble.observation_laws import GaussianLaw
from womble.pareto import LARGEST_K_HAT, smoothed_weights, unreliable
from womble.response_scores import ResponsePredictive
from womble.scores import Predictive, component_log_density
from womble.spatial_data import SpatialData
from womble.warn import warn

if TYPE_CHECKING:
    import pandas as pd

    from womble.posterior import Posterior


# Means and variances (n,) of observations under one draw of the hyperparameters.
Moments = Callable[[Conditional], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """How well observations were foretold.

    Attributes
    ----------
    table : DataFrame
        One row, named after the method: n; rmse, mae (of the predictive mean) and crps, on the
        scale of the values: after `transform`, else that of the response; coverage of the central
        95% interval; log_density, the mean log predictive density or probability; pit_p, the
        Kolmogorov-Smirnov p-value of a uniform PIT as if observations were independent, which
        left-out ones are not quite.
    observations : GeoDataFrame or DataFrame
        One row an observation: observed, mean, sd, pit (randomised for discrete responses), crps,
        log_density, k_hat (of its weights; NaN where there are none), influential (k_hat above 0.7
        and weights that leave fewer than 90% of the draws effective), and fold; of responses that
        are not Gaussian q025 and q975 too, from draws; where values are censored a column says
        so: their observed value is the limit, which rmse, mae and crps leave out, their
        log_density that of lying beyond it.
    name, units : str, str or None
        Of the values.
    likelihood : str
    """

    table: pd.DataFrame
    observations: pd.DataFrame
    name: str
    units: str | None
    likelihood: str = "gaussian"

    def __repr__(self) -> str:
        return f"Check of {self.name}, n = {len(self.observations)}\n{self.table.to_string()}"

    def _repr_html_(self) -> str:
        return self.table.round(4).to_html()


def leave_one_out(ensemble: Ensemble, observed: FloatArray) -> tuple[Predictive, FloatArray]:
    """Each observation from all others, with hyperparameters as if it had not been seen; k-hats."""
    means, sds = _left_out(ensemble, None)
    if len(means) == 1:  # given hyperparameters have seen nothing
        return Predictive(observed, means, sds, np.ones_like(means)), np.full(len(observed), np.nan)
    weights, k_hat = smoothed_weights(-component_log_density(observed, means, sds).T)
    return Predictive(observed, means, sds, weights.T), k_hat


def leave_blocks_out(
    ensemble: Ensemble, observed: FloatArray, blocks: Sequence[np.ndarray]
) -> Predictive:
    """Each observation from those outside its block, at the same draws of the hyperparameters."""
    means, sds = _left_out(ensemble, blocks)
    return Predictive(observed, means, sds, np.full_like(means, 1 / len(means)))


def foretold(
    ensemble: Ensemble,
    points: FloatArray,
    observed: FloatArray,
    design: FloatArray | None = None,
    law: GaussianLaw | None = None,
) -> Predictive:
    """New noisy observations (p,) at `points` (p, d).

    Parameters
    ----------
    design : array, shape (p, q), optional
        Standardised covariates, of a model that has some.
    law : GaussianLaw, optional
        Of the values, where their noise is not noise_sd alone.
    """
    law = GaussianLaw() if law is None else law
    tau = np.array([theta.noise_sd for theta in ensemble.thetas]) * ensemble.scaling.scale
    means, variances = _collected(ensemble, lambda f: f.at_sites(points, design))
    sds = np.sqrt(variances + law.share * tau[:, None] ** 2 + law.known)
    return Predictive(observed, means, sds, np.full_like(means, 1 / len(means)))


def _left_out(ensemble: Ensemble, blocks: Blocks) -> tuple[FloatArray, FloatArray]:
    means, variances = _collected(ensemble, lambda f: f.left_out(blocks))
    return means, np.sqrt(variances)


def _collected(ensemble: Ensemble, function: Moments) -> tuple[FloatArray, FloatArray]:
    """Means and variances, shape (S, n) each, by draw of the hyperparameters."""
    pairs = ensemble.laws(function)
    return np.array([mean for mean, _ in pairs]), np.array([variance for _, variance in pairs])


def result(
    method: str,
    predictive: Predictive | ResponsePredictive,
    data: SpatialData,
    k_hat: FloatArray | None = None,
    fold: np.ndarray | None = None,
) -> Check:
    """The scores of predictions of `data` as tables."""
    import geopandas as gpd
    import pandas as pd

    columns = {
        "observed": predictive.observed,
        "mean": predictive.mean,
        "sd": predictive.sd,
        "pit": predictive.pit,
        "crps": predictive.crps,
        "log_density": predictive.log_density,
        "k_hat": np.nan if k_hat is None else k_hat,
        "influential": False if k_hat is None else unreliable(k_hat, predictive.weights.T),
        "fold": np.arange(len(predictive.observed)) if fold is None else fold,
    }
    if isinstance(predictive, ResponsePredictive):
        columns["q025"], columns["q975"] = predictive.quantiles
    if data.censored.any():
        columns["censored"] = data.censored
        columns["crps"] = np.where(data.censored, np.nan, columns["crps"])
    frame = pd.DataFrame(columns, index=data.rows)
    if data.coords.shape[1] == 2:
        frame = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(*data.coords.T), crs=data.crs)
        if data.coordinate_units:
            frame.attrs["coordinate_units"] = data.coordinate_units
    residual = (frame["observed"] - frame["mean"])[~data.censored]
    row = {
        "n": len(frame),
        "rmse": np.sqrt(np.mean(residual**2)),
        "mae": np.mean(np.abs(residual)),
        "crps": frame["crps"].mean(),
        "coverage": predictive.covered.mean(),
        "log_density": frame["log_density"].mean(),
        "pit_p": kstest(frame["pit"], "uniform").pvalue,
    }
    table = pd.DataFrame([row], index=[method])
    likelihood = "gaussian" if data.response is None else data.response.likelihood
    return Check(table, frame, data.value_name, data.value_units, likelihood)


def warn_of_influence(result: Check) -> None:
    """Warn of observations that the hyperparameters hang on too much for their weights."""
    influential = result.observations["influential"]
    if influential.any():
        warn(
            f"{influential.sum()} of {len(influential)} observations have k-hat above "
            f"{LARGEST_K_HAT}: leaving them out changes the posterior more than weights can "
            "follow, and their scores are too good. Look at them in `observations`, or refit "
            "without them."
        )


@checked
def compare(
    posteriors: Sequence[Posterior] | Mapping[str, Posterior],
    *,
    rng: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Models of the same data, the best first, by leave-one-out log predictive density.

    Parameters
    ----------
    posteriors : sequence or mapping of Posterior
        At least two; a sequence is named by its positions. Their likelihoods may differ, but
        probabilities of counts are not compared with densities.
    rng : int or Generator, optional
        Of the CRPS of responses that are not Gaussian.

    Returns
    -------
    DataFrame
        A row a model: elpd (sum of log densities of the values), elpd_se; difference from the best
        and difference_se, from the differences observation by observation; rmse, crps, coverage;
        bad_k, observations that are influential. Differences below about 4, or within two
        standard errors, tell nothing (Sivula et al. 2020).

    Raises
    ------
    ValueError
        If there are fewer than two posteriors, they are not of the same sites and values, or some
        are of counts and some of numbers.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, eq. (23) and (24).

    Examples
    --------
    >>> import womble as wb
    >>> zinc = wb.datasets.meuse()
    >>> known = {"lengthscale": 590.0, "amplitude": 1.2, "noise_sd": 0.33}
    >>> posteriors = {
    ...     trend: wb.FieldModel(trend=trend).condition(zinc, "zinc", transform="log", **known)
    ...     for trend in ("none", "constant", "linear")
    ... }
    >>> wb.compare(posteriors)["difference"].round(1).to_dict()
    {'linear': 0.0, 'constant': -1.7, 'none': -14.1}
    """
    import pandas as pd

    named = dict(posteriors.items() if isinstance(posteriors, Mapping) else enumerate(posteriors))
    _require_same_data(named)
    rng = np.random.default_rng(rng)
    checks = {name: post.check(rng=rng) for name, post in named.items()}
    elpd = {name: found.observations["log_density"] for name, found in checks.items()}
    order = sorted(named, key=lambda name: -elpd[name].sum())
    rows = {}
    for name in order:
        n, difference = len(elpd[name]), elpd[name] - elpd[order[0]]
        table = checks[name].table.iloc[0]
        rows[name] = {
            "elpd": elpd[name].sum(),
            "elpd_se": np.sqrt(n) * elpd[name].std(),
            "difference": difference.sum(),
            "difference_se": np.sqrt(n) * difference.std(),
            **{score: table[score] for score in ("rmse", "crps", "coverage")},
            "bad_k": int(checks[name].observations["influential"].sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _require_same_data(posteriors: Mapping[str, Posterior]) -> None:
    if len(posteriors) < 2:
        raise ValueError(
            f"at least two posteriors are needed for a comparison; got {len(posteriors)}."
        )
    (first, post), *others = posteriors.items()
    for name, other in others:
        pairs = [(post.data.coords, other.data.coords), (post.data.values, other.data.values)]
        if not all(np.array_equal(a, b) for a, b in pairs):
            raise ValueError(
                f"models must be of the same sites and values on the same scale; {name!r} has "
                f"others than {first!r}. Fit both to the same rows with the same transform: log "
                "densities of different values cannot be compared."
            )
        if post.data.law.discrete != other.data.law.discrete:
            raise ValueError(
                f"models must all be of counts or all of numbers; {first!r} and {name!r} are not. "
                "A probability cannot be compared with a density."
            )
        if not np.array_equal(post.data.censored, other.data.censored):
            raise ValueError(
                f"models must be told the same of every value; {first!r} and {name!r} have others "
                "censored. A probability cannot be compared with a density."
            )
