"""The chapter on the data: what was measured, where, in which units."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from womble import plot
from womble.plot import style
from womble.plot.overview import data_frame
from womble.posterior import Posterior
from womble.priors import domain_diameter, typical_spacing
from womble.reporting.content import Block, Number, Section, Table, cell, units_shown
from womble.reporting.findings import Findings
from womble.reporting.images import figure


def data_section(findings: Findings) -> Section:
    """What was measured, where, in which units."""
    data, post = findings.posterior.data, findings.posterior
    coords, d = data.coords, data.coords.shape[1]
    source, unit = "fit.nc: values, coords", units_shown(data.coordinate_units)
    what, units = data.value_name, data.value_units
    rows = [
        [cell("response"), cell(f"{what}, {_in_words(units)}")],
        [cell("observations"), cell(Number("data.n", data.count))],
        [cell("distinct sites"), cell(Number("data.sites", len(np.unique(coords, axis=0))))],
        [
            cell("smallest, median, largest value"),
            _listed("data.value", np.quantile(data.values, [0.0, 0.5, 1.0])),
        ],
        [cell("coordinate system"), cell(_crs(post))],
        [
            cell("median distance of neighbours"),
            cell(Number("data.spacing", typical_spacing(coords)), f" {unit}"),
        ],
        [
            cell("largest distance"),
            cell(Number("data.diameter", domain_diameter(coords)), f" {unit}"),
        ],
    ]
    if data.whole is not None:
        sample = Number("data.sample", len(data.values))
        rows.insert(2, [cell("of these in memory, and described here"), cell(sample)])
    if data.transform:
        rows.insert(1, [cell("transform"), cell("natural logarithm")])
    blocks: list[Block] = [Table([], rows, "The data", source)]
    if d == 2:
        label = what + style.in_units(units)
        drawn = figure(
            lambda: plot.data(data_frame(data), data.values, label=label),
            f"Map of the data: {what}.",
            source,
        )
        blocks.append(drawn)
    else:
        blocks.append(figure(lambda: _points(post), f"The data: {what}.", source))
    return Section("data", "Data", blocks)


def _points(post: Posterior) -> Axes:
    data = post.data
    ax = style.new_axes(7.0, 3.0)
    x = data.axis.positions(data.coords[:, 0])
    ax.plot(x, data.values, ".", color=style.NEGATIVE, markersize=4, alpha=0.6)
    style.date_ticks(ax, x)
    units = "" if data.axis.origin is not None else style.in_units(data.coordinate_units)
    ax.set(xlabel=data.axis.name + units)
    ax.set_ylabel(data.value_name + style.in_units(data.value_units))
    return ax


def _in_words(units: str | None) -> str:
    """'in mg kg⁻¹', 'a pure number' or 'units not stated'."""
    if units is None:
        return "units not stated"
    return f"in {units_shown(units)}" if units_shown(units) else "a pure number"


def _listed(prefix: str, values: np.ndarray) -> list:
    names = ("min", "median", "max")
    found = [Number(f"{prefix}.{n}", float(x)) for n, x in zip(names, values, strict=True)]
    return [found[0], ", ", found[1], ", ", found[2]]


def _crs(post: Posterior) -> str:
    data = post.data
    if data.crs is not None:
        authority = data.crs.to_authority()
        code = f" ({':'.join(authority)})" if authority else ""
        return f"{data.crs.name}{code}, in {data.coordinate_units or 'unknown units'}"
    if data.coords.shape[1] == 1:
        return f"{data.axis.name}, in {data.coordinate_units or 'units not stated'}"
    return f"a plane without a CRS, in {data.coordinate_units or 'units not stated'}"
