"""Chapters on the field: value, slope, direction and curvature, with what is known of each."""

from __future__ import annotations

import numpy as np
import xarray as xr

from womble import plot
from womble.plot.overview import observations
from womble.reporting.content import Block, Number, Section, Table, cell, sentence, units_shown
from womble.reporting.findings import Findings
from womble.reporting.images import figure
from womble.reporting.panzoom import field_map

# Variables of the table, each with whether its sign is judged.
TABLED = ("value", "gradient_magnitude", "dx", "dy", "dxx", "dyy", "laplacian")
# Variable, statistic (None: the mean, with signs marked), caption.
MAPS = (
    ("value", None, "Posterior mean of the field."),
    ("value", "sd", "Its standard deviation."),
    ("gradient_magnitude", None, "Slope: posterior mean of the gradient's magnitude."),
    ("gradient_magnitude", "sd", "Standard deviation of the slope."),
    ("dx", None, "Slope along x, with its significant cells."),
    ("dy", None, "Slope along y, with its significant cells."),
    ("gradient_direction", "sd", "Direction of the slope: its circular standard deviation."),
    ("laplacian", None, "Curvature: posterior mean of the Laplacian, negative on tops."),
    ("laplacian", "sd", "Standard deviation of the Laplacian."),
)
CURVES = (
    ("value", "The field along the line."),
    ("dx", "Its slope."),
    ("dxx", "Its curvature (second derivative)."),
)


def field_section(findings: Findings) -> Section:
    """Surfaces with uncertainty and significance; curves, of data on a line."""
    ds = findings.surface
    blocks: list[Block] = [
        sentence(
            "Statistics of {} posterior draws on the link scale, in {} cells. {rule}",
            Number("field.samples", findings.settings.samples),
            Number("field.cells", int(np.isfinite(_statistic(ds["value"], "mean")).sum())),
            rule=_rule(ds),
        ),
        _table(ds),
    ]
    if findings.posterior.data.coords.shape[1] == 1:
        blocks += _line_figures(findings)
    else:
        blocks += _map_figures(findings)
    return Section("field", "The field", blocks)


def _statistic(field: xr.DataArray, name: str) -> np.ndarray:
    return field.sel(statistic=name).to_numpy()


def _rule(ds: xr.Dataset) -> str:
    first = ds["dx_significant"].attrs["rule"]
    return f"Significant means: {first}."


def _table(ds: xr.Dataset) -> Table:
    """Ranges over cells: what the maps show, in numbers."""
    rows = []
    for name in [name for name in TABLED if name in ds]:
        mean, sd = _statistic(ds[name], "mean"), _statistic(ds[name], "sd")
        low, middle, high = np.nanquantile(mean, [0.0, 0.5, 1.0])
        numbers = {"min": low, "median": middle, "max": high, "sd": np.nanmedian(sd)}
        cells = [cell(Number(f"field.{name}.{n}", float(x))) for n, x in numbers.items()]
        flags, sides = ds.get(f"{name}_significant"), [cell("–"), cell("–")]
        if flags is not None and name != "value":
            known = flags.to_numpy()[np.isfinite(flags.to_numpy())]
            sides = [
                cell(Number(f"field.{name}.{word}", float(np.mean(known == sign))))
                for word, sign in (("share_positive", 1), ("share_negative", -1))
            ]
        label = ds[name].attrs.get("long_name", name)
        rows.append([cell(label), *cells, *sides, cell(units_shown(ds[name].attrs.get("units")))])
    head = ["quantity", "smallest mean", "median", "largest mean", "median sd"]
    head += ["share significantly > 0", "share < 0", "units"]
    return Table(head, rows, "The field over all cells", "surface.nc")


def _map_figures(findings: Findings) -> list[Block]:
    ds = findings.surface
    # Of log odds, 0 is even odds; other fields have zeros that mean nothing.
    zero_tells = findings.posterior.data.link == "logit"
    blocks: list[Block] = [
        figure(
            lambda name=name, statistic=statistic: plot.surface(
                ds, name, statistic, significant=name != "value" or zero_tells
            ),
            caption,
            f"surface.nc: {name}",
        )
        for name, statistic, caption in MAPS
        if name in ds
    ]
    arrows = "Direction: the gradient of the mean, uphill; black where significant."
    blocks.insert(4, figure(lambda: plot.gradient_arrows(ds), arrows, "surface.nc: dx, dy"))
    if findings.response is not None:
        there, source = findings.response, "surface_response.nc"
        for name, caption in (
            ("value", "Response scale: posterior median of the field."),
            ("gradient_magnitude", "Response scale: posterior median of the slope."),
        ):
            drawn = figure(lambda name=name: plot.surface(there, name), caption, source)
            blocks.append(drawn)
    return [field_map(findings), *blocks]


def _line_figures(findings: Findings) -> list[Block]:
    ds, blocks = findings.surface, []
    for name, caption in [one for one in CURVES if one[0] in ds]:
        drawn = figure(lambda name=name: _curve(findings, name), caption, "surface.nc", wide=True)
        blocks.append(drawn)
    if findings.response is not None:
        there, caption = findings.response, "Response scale: posterior median of the field."
        source = "surface_response.nc"
        blocks.append(figure(lambda: plot.transect(there), caption, source, wide=True))
    return blocks


def _curve(findings: Findings, name: str) -> object:
    ax = plot.transect(findings.surface, name)
    if name == "value":
        observations(findings.posterior.data, ax=ax)
    if name != "dxx":
        plot.change_points(findings.changes, ax=ax)
    return ax
