"""Chapters on lines: boundaries that were found, change points, curves that were tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from womble import plot
from womble.plot import style
from womble.plot.overview import data_frame
from womble.reporting.content import (
    Block,
    Inline,
    Number,
    Section,
    Table,
    Text,
    cell,
    counted,
    interval,
    sentence,
    units_shown,
)
from womble.reporting.findings import BAND, Findings, FoundLines
from womble.reporting.images import figure

COMPASS = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")
# Curves beyond these are in the files alone.
MOST_PROFILES = 12


def boundary_section(findings: Findings) -> Section:
    """Where the field changes fastest, or passes a level; on a line its change points."""
    if findings.changes is not None:
        return Section("boundaries", "Change points", _changes(findings))
    blocks: list[Block] = []
    if not findings.found:
        words = "The kernel has no second derivative, which crests of the slope need."
        blocks.append(sentence(words + " Levels were not asked for."))
    for found in findings.found:
        blocks += _found(findings, found)
    return Section("boundaries", "Boundaries", blocks)


def _found(findings: Findings, found: FoundLines) -> list[Block]:
    kind, settings = found.kind, findings.settings
    count = Number(f"boundaries.{kind}.count", len(found.lines))
    words = {
        "gradient": "Crests of the slope found (kind gradient): {}. Along them the field changes "
        "fastest; they are steeper than the surface on both sides with probability {} or more at "
        "each place.",
        "level": "Contours found (kind level): {}. The surface passes them with probability {} or "
        "more at each place.",
    }[kind]
    least = Number(f"boundaries.{kind}.prominence", settings.prominence)
    blocks: list[Block] = [sentence(words, count, least)]
    if found.lines.empty:
        return blocks
    if found.no_null:
        blocks.append(Text([f"No null test of these lines: {found.no_null.rstrip('.')}."]))
    else:
        blocks.append(
            sentence(
                "Null p: could a smooth field without boundaries, with the same trend, "
                "lengthscale, amplitude and noise at the same sites, show a line of such a total "
                "slope? From "
                "{} simulated data sets, over all lines of a map at once.",
                Number(f"boundaries.{kind}.replicates", settings.replicates),
            )
        )
    source = f"boundaries_{kind}.gpkg"
    blocks.append(_line_table(found, source))
    caption = f"Lines of kind {kind} with their position bands (shaded; probability {BAND:g} at "
    caption += "each place, across the line), on the slope."
    blocks.append(figure(lambda: _line_map(findings, found), caption, source, wide=True))
    return blocks


def _line_table(found: FoundLines, source: str) -> Table:
    lines, units = found.lines, found.lines.attrs["units"]
    rows = []
    for row in lines.to_dict("records"):
        prefix = f"boundaries.{found.kind}.{row['boundary_id']}"
        name = cell(Number(f"{prefix}.boundary_id", int(row["boundary_id"])))
        cells = [name]
        if found.kind == "level":
            cells.append(_one(prefix, row, "level"))
        cells += [
            _one(prefix, row, "length"),
            interval(prefix, row, "steepness"),
            [*_one(prefix, row, "rise_direction"), f"° {compass(row['rise_direction'])}"],
            interval(prefix, row, "width", "q50"),
            interval(prefix, row, "step_height", "q50"),
            _one(prefix, row, "position_sd"),
            _one(prefix, row, "probability"),
            _one(prefix, row, "p_null") if "p_null" in row else cell("–"),
        ]
        rows.append(cells)
    head = ["id", *(["level"] if found.kind == "level" else [])]
    head += [
        _headed("length", units.get("length")),
        _headed("steepness (95%)", units.get("steepness_mean")),
        "rises towards",
        _headed("width (95%)", units.get("width_q50")),
        _headed("step (95%)", units.get("step_height_q50")),
        _headed("position sd", units.get("position_sd")),
        "probability",
        "null p",
    ]
    caption = (
        "Boundaries, the steepest first. Directions are counter-clockwise from the x axis; width "
        "is where the slope exceeds half its peak, and a dash where draws do not fall so far."
    )
    return Table(head, rows, caption, source)


def compass(degrees: float) -> str:
    """'NE' for 45 degrees counter-clockwise from the x axis, which points east."""
    return COMPASS[int(np.floor(degrees / 45.0 + 0.5)) % 8]


def _one(prefix: str, row: Mapping[str, Any], name: str) -> list[Inline]:
    return [Number(f"{prefix}.{name}", row[name])]


def _headed(name: str, units: str | None) -> str:
    return f"{name}, {units_shown(units)}" if units_shown(units) else name


def _line_map(findings: Findings, found: FoundLines) -> Axes:
    ax = plot.surface(findings.surface, "gradient_magnitude")
    found.bands.plot(ax=ax, color="white", alpha=0.45, edgecolor=style.INK, linewidth=0.6)
    return plot.boundaries(found.lines, ax=ax)


def _changes(findings: Findings) -> list[Block]:
    table, settings = findings.changes, findings.settings
    words = "Found: {}. There the field changes fastest, and is steeper than on both sides with "
    words += "probability {} or more."
    count = Number("changes.count", len(table))
    blocks: list[Block] = [
        sentence(words, count, Number("changes.prominence", settings.prominence))
    ]
    if table.empty:
        return blocks
    units, rows = table.attrs["units"], []
    for i, row in enumerate(table.to_dict("records")):
        prefix = f"changes.{i}"
        rows.append(
            [
                _position(prefix, row),
                _one(prefix, row, "position_sd"),
                interval(prefix, row, "steepness"),
                cell(row["direction"]),
                _one(prefix, row, "level_before"),
                _one(prefix, row, "level_after"),
                _one(prefix, row, "probability"),
            ]
        )
    head = [
        _headed("position (95%)", units.get("position")),
        _headed("position sd", units.get("position_sd")),
        _headed("steepness (95%)", units.get("steepness_mean")),
        "direction",
        _headed("level before", units.get("level_before")),
        _headed("level after", units.get("level_after")),
        "probability",
    ]
    return [*blocks, Table(head, rows, "Change points in order of position", "change_points.csv")]


def _position(prefix: str, row: Mapping[str, Any]) -> list[Inline]:
    names = ("position", "position_q025", "position_q975")
    if isinstance(row["position"], pd.Timestamp):
        middle, low, high = (f"{row[name]:%Y-%m-%d}" for name in names)
        return [f"{middle} ({low} to {high})"]
    numbers = [Number(f"{prefix}.{name}", row[name]) for name in names]
    return [numbers[0], " (", numbers[1], " to ", numbers[2], ")"]


def curve_section(findings: Findings) -> Section:
    """Is a given line a boundary? Its measures, as a whole and along arc length."""
    totals, segments = findings.totals, findings.segments
    if totals is None:
        none = "No curves were given. Name a line in advance and pass it as `curves` to test it."
        return Section("curves", "Tested curves", [Text([none])])
    blocks: list[Block] = [
        Text(
            [
                *counted("curves", "curve", len(totals)),
                " in ",
                *counted("curves", "segment", len(segments)),
                ". The gradient measure is the integral along the curve of the slope across it; it "
                "is positive where the field rises to the right of travel (outward on polygons). "
                "The curvature measure is that of the second derivative across.",
            ]
        ),
        _curve_table(findings),
        figure(
            lambda: _curve_map(findings),
            "Average slope across the curves, segment by segment.",
            "segments.gpkg",
            wide=True,
        ),
    ]
    for curve in totals["curve_id"].head(MOST_PROFILES):
        rows = segments[segments["curve_id"] == curve]
        for quantity in [q for q in ("gradient", "curvature") if f"{q}_mean" in rows]:
            caption = f"Curve {curve}: average {quantity} across it, along its arc length."
            drawn = figure(
                lambda rows=rows, quantity=quantity: plot.along(rows, quantity),
                caption,
                "segments.gpkg",
            )
            blocks.append(drawn)
    if len(totals) > MOST_PROFILES:
        blocks.append(Text([f"Profiles of the first {MOST_PROFILES} curves; all are in the file."]))
    return Section("curves", "Tested curves", blocks)


def _curve_map(findings: Findings) -> Axes:
    """The segments among the sites, in the region that the surface covers."""
    ds, data = findings.surface, findings.posterior.data
    frame = data_frame(data)
    box = [float(edge) for edge in (ds.x.min(), ds.y.min(), ds.x.max(), ds.y.max())]
    low, high = np.split(np.array([box, findings.segments.total_bounds]), 2, axis=1)
    bounds = [*low.min(axis=0), *high.max(axis=0)]
    ax = style.map_axes(None, bounds, style.map_labels(frame), style.map_units(frame))
    ax.scatter(*data.coords.T, s=4, color="0.7", linewidths=0)
    return plot.segments(findings.segments, ax=ax)


def _curve_table(findings: Findings) -> Table:
    totals, segments = findings.totals, findings.segments
    units = totals.attrs["units"]
    quantities = [q for q in ("gradient", "curvature") if f"{q}_mean" in totals]
    rows = []
    for row in totals.to_dict("records"):
        prefix = f"curves.{row['curve_id']}"
        of = segments[segments["curve_id"] == row["curve_id"]]
        cells = [cell(str(row.get("name", row["curve_id"]))), _one(prefix, row, "length")]
        for q in quantities:
            judged = np.sign(row[f"{q}_significant"])
            cells += [
                interval(prefix, row, f"average_{q}"),
                _one(prefix, row, f"{q}_p_positive"),
                cell({1: "yes, > 0", -1: "yes, < 0", 0: "no"}[int(judged)]),
                cell(
                    Number(f"{prefix}.{q}_segments", int((of[f"{q}_significant"] != 0).sum())),
                    " of ",
                    Number(f"{prefix}.{q}_segments_of", len(of)),
                ),
            ]
        rows.append(cells)
    head = ["curve", _headed("length", findings.posterior.data.coordinate_units)]
    for q in quantities:
        head += [_headed(f"average {q} (95%)", units.get(f"average_{q}_mean"))]
        head += ["P(> 0)", "significant", "segments significant"]
    rule = "; ".join(totals["rule"].unique())
    caption = f"Curves as wholes, from the joint law of their segments; rule {rule}."
    return Table(head, rows, caption, "curves.gpkg, segments.gpkg")
