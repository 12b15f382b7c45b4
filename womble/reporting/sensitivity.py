"""What changes when the kernel's smoothness or the prior of the lengthscale does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.arrays import FloatArray
from womble.kernels import Matern, SquaredExponential
from womble.priors import DefaultPriors

if TYPE_CHECKING:
    import pandas as pd

    from womble.grid import Grid
    from womble.posterior import Posterior
    from womble.transect import Transect

# Rougher and smoother than most fields; gradients and Hessians exist for all of them.
NUS = (2.5, 3.5, 4.5)
# Factors on the prior of the lengthscale: half and double of what is expected.
FACTORS = (0.5, 2.0)


def refits(posterior: Posterior, rng: np.random.Generator, progress: bool) -> dict[str, Posterior]:
    """The same data with other kernels and other priors of the lengthscale.

    By importance sampling, or Laplace's approximation where the likelihood is not Gaussian; a
    model with a sum of kernels varies all lengthscales' priors, and not the kernels.

    Raises
    ------
    ValueError
        If the hyperparameters were given: there is no fit to vary.
    """
    from womble.model import FieldModel

    if posterior.given:
        raise ValueError(
            "`sensitivity=True` refits the model, and these hyperparameters were given or are "
            "the mode. Pass a mapping of names to posteriors of your own instead."
        )
    data, layout = posterior.data, posterior.layout
    likelihood = "gaussian" if data.response is None else data.response.likelihood
    plain = FieldModel(
        kernel=posterior.kernel,
        trend=posterior.trend,
        likelihood=likelihood,
        anisotropic=layout.anisotropic,
    )
    models = {}
    if layout.components == 1:
        others = [Matern(nu) for nu in NUS] + [SquaredExponential()]
        models = {repr(k): replace(plain, kernel=k) for k in others if k != posterior.kernel}
    for factor in FACTORS:
        priors = _scaled_priors(posterior, factor)
        models[f"prior of the lengthscale x {factor:g}"] = replace(plain, priors=priors)
    return {name: _fit(model, posterior, rng, progress) for name, model in models.items()}


def _scaled_priors(posterior: Posterior, factor: float) -> dict:
    """The default priors of the lengthscales, for lengths multiplied by `factor`."""
    laws = DefaultPriors.of(posterior.data, posterior.layout).laws
    return {
        name: replace(law, beta=factor * law.beta).as_pymc()
        for name, law in laws.items()
        if name.startswith("lengthscale")
    }


def _fit(
    model: object, posterior: Posterior, rng: np.random.Generator, progress: bool
) -> Posterior:
    from womble import gaussian_model, latent_model

    options = {"draws": 1000, "tune": 1000, "chains": 4, "rng": rng, "progress": progress}
    if posterior.data.response is None:
        return gaussian_model.fit(model, posterior.data, "auto", inference="importance", **options)
    latent = latent_model.Latent(model.kernel, model.trend, posterior.data)
    return latent_model.fit(latent, model.priors, inference="laplace", **options)


def compared(
    posterior: Posterior,
    others: Mapping[str, Posterior],
    grid: Grid | Transect,
    ds: xr.Dataset,
    *,
    samples: int,
    rule: str,
    alpha: float,
    rng: np.random.Generator,
    progress: bool,
) -> pd.DataFrame:
    """A row a model: medians of the hyperparameters, and how far its map is from the report's.

    Parameters
    ----------
    others : mapping of str to Posterior
        Of the same data.
    ds : xarray.Dataset
        The report's surface.

    Returns
    -------
    DataFrame
        The medians; value_shift, slope_shift and (of kernels with a Hessian) curvature_shift: root
        mean square over cells and components of the difference in the mean, in posterior sds of
        the report's; sd_ratio: median over cells of its sd of the slopes over the report's;
        signs_changed: share of the calls of slopes' signs, significant or not, that differ.
    """
    import pandas as pd

    _require_same_data(posterior, others)
    rows = {"this report": _row(posterior, ds, ds)}
    for (name, other), stream in zip(others.items(), rng.spawn(len(others)), strict=True):
        count = min(samples, other._count) if not other.given else samples
        decided = {"rule": rule, "alpha": alpha, "progress": progress}
        rows[name] = _row(other, other.surface(grid, samples=count, rng=stream, **decided), ds)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _row(posterior: Posterior, ds: xr.Dataset, reference: xr.Dataset) -> dict[str, float]:
    medians = posterior.draws[[*posterior.layout.names]].median()
    row = {str(name): float(x) for name, x in medians.items()}
    first = [name for name in ("dx", "dy") if name in reference]
    second = [name for name in ("dxx", "dxy", "dyy") if name in reference and name in ds]
    groups = {"value": ["value"], "slope": first, "curvature": second}
    for group, names in groups.items():
        shifts = [_shift(ds[name], reference[name]) for name in names]
        row[f"{group}_shift"] = float(np.sqrt(np.mean(np.square(shifts)))) if shifts else np.nan
    ratios = [ds[n].sel(statistic="sd") / reference[n].sel(statistic="sd") for n in first]
    row["sd_ratio"] = float(np.nanmedian(ratios))
    calls = [(ds[f"{n}_significant"], reference[f"{n}_significant"]) for n in first]
    inside = np.isfinite(reference["value"].sel(statistic="mean").to_numpy())
    row["signs_changed"] = float(np.mean([(a != b).to_numpy()[inside] for a, b in calls]))
    return row


def _shift(field: xr.DataArray, reference: xr.DataArray) -> float:
    """Root mean square of the difference of means over sds of the reference."""
    difference = field.sel(statistic="mean") - reference.sel(statistic="mean")
    ratio: FloatArray = (difference / reference.sel(statistic="sd")).to_numpy()
    return float(np.sqrt(np.nanmean(ratio**2)))


def _require_same_data(posterior: Posterior, others: Mapping[str, Posterior]) -> None:
    for name, other in others.items():
        pairs = [
            (posterior.data.coords, other.data.coords),
            (posterior.data.values, other.data.values),
        ]
        if not all(np.array_equal(a, b) for a, b in pairs):
            raise ValueError(
                f"`sensitivity` must hold posteriors of the same data; {name!r} has other sites "
                "or values. Fit them to the same rows with the same transform."
            )
