"""Sums over data that are not in memory, in a saved posterior's file."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from womble.engines.disc import Disc
from womble.engines.statistics import Statistics
from womble.trend import Trend

NUMBERS = ("count", "squares", "log_weights")


def to_dataset(statistics: Statistics) -> xr.Dataset:
    """Variables and one attribute that `from_dataset` reads."""
    table = np.stack([statistics.table.real, statistics.table.imag])
    ds = xr.Dataset(
        {
            "sum_table": (("part", *(f"wave_{i}" for i in range(table.ndim - 1))), table),
            "sum_trend_rows": (("term", "feature"), statistics.trend_rows),
            "sum_values": ("feature", statistics.values),
            "sum_noise": (("path", "feature"), statistics.noise),
        }
    )
    ds.attrs["sums"] = json.dumps({name: getattr(statistics, name) for name in NUMBERS})
    return ds


def from_dataset(ds: xr.Dataset, disc: Disc, trend: Trend) -> Statistics:
    """The sums that `to_dataset` wrote, over the waves of `disc`."""
    about, table = json.loads(ds.attrs["sums"]), ds["sum_table"].to_numpy()
    names = ("trend_rows", "values", "noise")
    arrays = {name: ds[f"sum_{name}"].to_numpy() for name in names}
    numbers = {name: about[name] for name in NUMBERS}
    return Statistics(disc, trend, table=table[0] + 1j * table[1], **arrays, **numbers)
