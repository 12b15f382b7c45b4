"""The spectral engine for a data set: its band, its sums and its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from womble.arrays import FloatArray
from womble.engines.base import Engine
from womble.engines.blocks import independent_blocks
from womble.engines.disc import Disc
from womble.engines.observations import CovariateTerms
from womble.engines.resolution import LEAST_SIGNAL, Resolution, peak_density, resolve
from womble.engines.spectral import SpectralEngine
from womble.engines.statistics import Statistics
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.trend import Trend
from womble.warn import warn

ORDERS = ("value", "gradient", "Hessian")


class Elsewhere(Protocol):
    """Data that are not at hand, of which the engine has a sample.

    Attributes
    ----------
    count : int
        Number of rows.
    box : array, shape (2, d)
        Lowest and highest corner of all rows, scaled.
    """

    count: int
    box: FloatArray

    def statistics(self, disc: Disc) -> Statistics:
        """The sums over all rows."""
        ...


def spectral_engine(
    kernel: Kernel,
    trend: Trend,
    coords: FloatArray,
    values: FloatArray,
    plausible: Callable[[Engine], Sequence[Theta]],
    covariates: CovariateTerms | None = None,
    weights: FloatArray | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[SpectralEngine, str]:
    """The engine, and its band and likelihood in words.

    Parameters
    ----------
    coords, values : array, shape (n, d) and (n,)
        Scaled: the data, or a sample of them.
    plausible : function
        See `womble.engines.choose_engine`.
    covariates : CovariateTerms, optional
        Of these rows.
    weights : array, shape (n,), optional
        Number of measurements behind each of these values.
    elsewhere : Elsewhere, optional
        All of the data, where `coords` and `values` are a sample.

    Raises
    ------
    ValueError
        If the data have more than two coordinates, or there is no noise.

    Warns
    -----
    UserWarning
        If the band that the data ask for would have too many frequencies.
    """
    if coords.shape[1] > 2:
        raise ValueError(
            f"the spectral engine takes data on a line or in the plane; these have "
            f"{coords.shape[1]} coordinates. Use engine='dense' on at most some thousand data."
        )
    blocks = independent_blocks(kernel, trend, coords, values, covariates, weights)
    box = np.stack([coords.min(axis=0), coords.max(axis=0)])
    count = len(coords)
    if elsewhere is not None:
        box, count = elsewhere.box, elsewhere.count
    heaviest = 1.0 if weights is None else float(weights.max())
    density = peak_density(coords, count, weights)
    found = resolve(kernel, plausible(blocks), box, density, heaviest)
    if found.signal > 2 * LEAST_SIGNAL:
        warn(
            f"the band is limited to {len(found.disc.numbers):,} frequencies; data still tell of "
            f"the waves beyond it (signal to noise {found.signal:.2g}, where {LEAST_SIGNAL:g} is "
            "negligible), which are taken as noise: detail is smoothed away. Give a larger "
            "noise_sd, a smoother kernel or a lengthscale prior without very short ones."
        )
    if elsewhere is not None:
        statistics = elsewhere.statistics(found.disc)
        engine = from_sums(kernel, statistics, found.domain, coords, values, covariates)
        return engine, described(engine, found)
    design = None if covariates is None else covariates.design
    statistics = Statistics.of(found.disc, trend, coords, values, design=design, weights=weights)
    engine = SpectralEngine(kernel, statistics, found.domain, coords, blocks, covariates, weights)
    return engine, described(engine, found)


def again(
    kernel: Kernel,
    trend: Trend,
    coords: FloatArray,
    values: FloatArray,
    band: Mapping[str, Any],
    covariates: CovariateTerms | None = None,
    weights: FloatArray | None = None,
) -> SpectralEngine:
    """The engine of a `SpectralEngine.band` that was kept, for the same data."""
    disc = Disc(np.array(band["centre"]), np.array(band["period"]), band["radius"])
    design = None if covariates is None else covariates.design
    return SpectralEngine(
        kernel,
        Statistics.of(disc, trend, coords, values, design=design, weights=weights),
        np.array(band["domain"]),
        coords,
        independent_blocks(kernel, trend, coords, values, covariates, weights),
        covariates,
        weights,
    )


def from_sums(
    kernel: Kernel,
    statistics: Statistics,
    domain: FloatArray,
    coords: FloatArray,
    values: FloatArray,
    covariates: CovariateTerms | None = None,
) -> SpectralEngine:
    """The engine of data that are not at hand, with the likelihood of a sample where it needs one.

    Parameters
    ----------
    coords, values, covariates
        Of the sample, scaled.
    """
    blocks = independent_blocks(kernel, statistics.trend, coords, values, covariates)
    known = None if covariates is None else CovariateTerms(None, covariates.fields)
    return SpectralEngine(kernel, statistics, domain, None, blocks, known)


def described(engine: SpectralEngine, found: Resolution) -> str:
    """What runs: features, likelihood, and the least share of variance on the band."""
    # Rounded down: 100% is never held.
    held = ", ".join(
        f"{np.floor(1e4 * share) / 100:g}% of the {name}'s"
        for name, share in zip(ORDERS, found.captured, strict=False)
    )
    likelihood = "their own likelihood"
    if not engine.closed_form:
        kept = sum(len(block.values) for block in engine.blocks.engines)
        likelihood = f"likelihood of {kept:,} data in blocks: {len(engine.blocks.engines)}"
    return (
        f"{engine.statistics.disc.size - 1:,} waves with at least {held} variance, the rest as "
        f"noise and random waves; {likelihood}"
    )
