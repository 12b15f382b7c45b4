"""A posterior with further data: their sums are added to those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.covariate import joint_design
from womble.covariates import Covariates
from womble.crs import require_same_crs
from womble.engines.resolution import LEAST_SIGNAL, peak_density, signal
from womble.engines.spectral import SpectralEngine
from womble.out_of_core import Pass, summed
from womble.points import Points, open_points
from womble.row_sample import SAMPLE, Sample
from womble.spatial_data import SpatialData
from womble.survey import Rows, Survey, SurveyPart, require_usable, whole_of
from womble.trend import Trend
from womble.warn import warn

# What the data may tell of waves beyond the band before it is too narrow: the band is made for
# LEAST_SIGNAL, and has room for data four times as dense.
MOST_SIGNAL = 4 * LEAST_SIGNAL

if TYPE_CHECKING:
    from womble.posterior import Posterior


def updated(posterior: Posterior, more: Any) -> Posterior:
    """See `Posterior.update`."""
    data, engine = posterior.data, posterior._engine
    if data.whole is None or not isinstance(engine, SpectralEngine):
        raise ValueError(
            "update() needs a posterior of data that were not in memory, which keeps their sums; "
            "the data of this one are at hand. Fit to all of them together, or from the start to "
            "wb.open_points(source)."
        )
    points = more if isinstance(more, Points) else open_points(more)
    require_same_crs(points.crs, data.crs, "more")
    new = _read(points, data)
    _require_room(new, data, engine)
    statistics = engine.statistics
    delivery, paths = data.whole.deliveries, len(statistics.noise)
    pass_over = Pass(new, Trend(posterior.trend), data.scaling, paths, delivery)
    together = statistics.merged(pass_over.statistics(statistics.disc))
    both = _mixed(data, summed(new, engine))
    _warn_of_density(posterior, both)
    added = f"; {new.count:,} data added later"
    return replace(
        posterior,
        data=both,
        engine=posterior.engine + added,
        inference=posterior.inference + added,
        _engine=replace(engine, statistics=together),
    )


def _read(points: Points, data: SpatialData) -> SpatialData:
    """A sample of the further data, in the way of those that are there."""
    known = data.covariates
    columns = () if known is None else known.columns
    fields = {} if known is None else known.fields
    names = tuple(c.name for c in columns if c.name not in fields or c.name in points.columns)
    missing = [name for name in (data.name, *names) if name not in points.columns]
    if missing:
        raise ValueError(
            f"`more` must have the columns of the data; {', '.join(map(repr, missing))} are not "
            f"there. Its columns are {', '.join(points.columns)}."
        )
    rows = Rows(data.name, data.transform, names, fields)
    found = points.source.fold(SurveyPart(rows), Survey.merged, rows.columns)
    require_usable(found, data.name)
    sample = found.sample.in_order
    return replace(
        data,
        coords=sample.numbers[:, :2],
        values=sample.numbers[:, 2],
        covariates=None if known is None else _same_columns(known, found, sample),
        whole=whole_of(found, rows, points),
    )


def _same_columns(known: Covariates, found: Survey, sample: Sample) -> Covariates:
    """The covariates of further data by the standards of the first."""
    for column in known.columns:
        levels: Mapping[str, Any] = found.levels
        if column.levels is None or column.name not in levels:
            continue
        new = sorted(set(levels[column.name].names) - set(column.levels))
        if new:
            raise ValueError(
                f"covariate {column.name!r} must have the categories of the data before, "
                f"{', '.join(column.levels)}; got {', '.join(new)} too. Fit to all data together."
            )
    return replace(known, design=joint_design(known.columns, sample.table))


def _require_room(new: SpatialData, data: SpatialData, engine: SpectralEngine) -> None:
    """Refuse data outside of the torus's safe part."""
    scaling = data.scaling
    low, high = scaling.coords_in(new.box)
    if (low < engine.domain[0]).any() or (high > engine.domain[1]).any():
        box = (scaling.origin + scaling.length * engine.domain).ravel()
        raise ValueError(
            "`more` must lie in the box of this posterior's waves, "
            f"({', '.join(f'{x:.10g}' for x in box)}); they reach from "
            f"({', '.join(f'{x:.10g}' for x in new.box.ravel())}). Fit to all data together."
        )


def _mixed(first: SpatialData, second: SpatialData) -> SpatialData:
    """Two data sets as one, with a sample of both.

    Of each as many rows as a sample of all of them would have, always the same.
    """
    rng, available = np.random.default_rng(0), (len(first.values), len(second.values))
    kept = min(SAMPLE, sum(available))
    of_first = rng.hypergeometric(first.count, second.count, kept)
    of_first = int(np.clip(of_first, kept - available[1], available[0]))
    sizes = (of_first, kept - of_first)
    chosen = [
        np.sort(rng.choice(count, size, replace=False))
        for count, size in zip(available, sizes, strict=True)
    ]
    pairs = list(zip((first, second), chosen, strict=True))
    covariates, whole = first.covariates, first.whole
    if covariates is not None:
        design = np.concatenate([data.covariates.design[i] for data, i in pairs])
        covariates = replace(covariates, design=design)
    box = np.stack([first.box, second.box])
    box = np.stack([box[:, 0].min(axis=0), box[:, 1].max(axis=0)])
    count, deliveries = first.count + second.count, whole.deliveries + 1
    return replace(
        first,
        coords=np.concatenate([data.coords[i] for data, i in pairs]),
        values=np.concatenate([data.values[i] for data, i in pairs]),
        covariates=covariates,
        whole=replace(whole, count=count, box=box, deliveries=deliveries),
    )


def _warn_of_density(posterior: Posterior, data: SpatialData) -> None:
    """Warn where data have become too dense for the band."""
    scaling, disc = data.scaling, posterior._engine.statistics.disc
    density = peak_density(scaling.coords_in(data.coords), data.count)
    thetas = posterior.ensemble("surface", None, np.random.default_rng(0)).thetas
    told = max(signal(posterior.kernel, t, len(disc.period), density, disc.radius) for t in thetas)
    if told > MOST_SIGNAL:
        warn(
            f"the data have become so dense that they tell of waves beyond the band (signal to "
            f"noise {told:.2g}, where {LEAST_SIGNAL:g} is negligible), which are taken as noise: "
            "detail is smoothed away. Fit to all data together."
        )
