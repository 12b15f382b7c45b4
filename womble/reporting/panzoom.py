"""The map that can be moved and enlarged: an SVG of our own, as nothing may be fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from markupsafe import Markup, escape

from womble.arrays import FloatArray
from womble.reporting.content import Map, shown, units_shown
from womble.reporting.findings import Findings
from womble.reporting.images import raster

# The longer side of the drawing, in its own units: coordinates then need one decimal.
SIDE = 1000.0
# Rasters to choose from: variable, statistic, label, whether it has a sign.
RASTERS = (
    ("value", "mean", "value", False),
    ("gradient_magnitude", "mean", "slope", False),
    ("gradient_magnitude", "sd", "sd of the slope", False),
    ("laplacian", "mean", "curvature", True),
)
# What a tap on a line tells.
LINE_FACTS = ("probability", "length", "steepness_mean")
# Circles of more sites make a page heavy, and a map black.
MOST_SITES = 3000


@dataclass(frozen=True)
class Drawing:
    """Map coordinates in those of the drawing, whose y points down.

    Attributes
    ----------
    left, bottom, right, top : float
        The box of the map, in coordinate units.
    """

    left: float
    bottom: float
    right: float
    top: float

    @property
    def scale(self) -> float:
        """Units of the drawing to one of the coordinates."""
        return SIDE / max(self.right - self.left, self.top - self.bottom)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the drawing."""
        return (self.right - self.left) * self.scale, (self.top - self.bottom) * self.scale

    def at(self, points: FloatArray) -> FloatArray:
        """Points (n, 2) in the drawing."""
        corner = np.array([self.left, self.top])
        return (np.asarray(points) - corner) * np.array([self.scale, -self.scale])

    def path(self, geometry: shapely.Geometry) -> str:
        """A line or polygon as the d of a path."""
        pieces = []
        for part in shapely.get_parts(geometry):
            rings = shapely.get_rings(part) if part.geom_type == "Polygon" else [part]
            for ring in rings:
                at = self.at(shapely.get_coordinates(ring))
                steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in at)
                pieces.append(f"M{steps}{'Z' if part.geom_type == 'Polygon' else ''}")
        return " ".join(pieces)


def field_map(findings: Findings) -> Map:
    """Rasters, data, boundaries, their bands and the tested curves, to be switched on and off."""
    ds, post = findings.surface, findings.posterior
    x, y = ds["x"].to_numpy(), np.sort(ds["y"].to_numpy())
    half_x, half_y = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    box = (x[0] - half_x, y[0] - half_y, x[-1] + half_x, y[-1] + half_y)
    drawing = Drawing(*(float(edge) for edge in box))
    groups: list[tuple[str, str, bool, Markup]] = []
    north_up = ds.sortby("y", ascending=False)
    for i, (name, statistic, label, signed) in enumerate(RASTERS):
        if name in ds:
            field = north_up[name].sel(statistic=statistic).to_numpy()
            ends = " to ".join(shown(float(f(field))) for f in (np.nanmin, np.nanmax))
            ranged = f"{label} ({ends} {units_shown(ds[name].attrs.get('units'))}".rstrip() + ")"
            groups.append((f"raster-{i}", ranged, i == 0, _image(drawing, field, signed)))
    sites = np.unique(post.data.coords, axis=0)
    if len(sites) <= MOST_SITES:
        groups.append(("sites", "data", True, _circles(drawing, post)))
    found = [one for one in findings.found if len(one.lines)]
    for one in found:
        drawn = _paths(drawing, one.bands, "band", ())
        groups.append((f"bands-{one.kind}", f"{one.kind} bands", True, drawn))
    for one in found:
        drawn = _paths(drawing, one.lines, f"line {one.kind}", LINE_FACTS)
        groups.append((f"lines-{one.kind}", f"{one.kind} lines", True, drawn))
    if findings.totals is not None:
        told = ("length", "average_gradient_mean")
        drawn = _paths(drawing, findings.totals, "curve", told)
        groups.append(("curves", "tested curves", True, drawn))
    unit = post.data.coordinate_units or ""
    caption = (
        "Drag to move; wheel, pinch or buttons enlarge; tap a line or a point for its numbers."
    )
    layers = [(key, label, on) for key, label, on, _ in groups]
    source = "surface.nc, boundaries_*.gpkg, bands_*.gpkg, curves.gpkg"
    return Map(_svg(drawing, groups, unit), layers, caption, source)


def _svg(drawing: Drawing, groups: Iterable[tuple[str, str, bool, Markup]], unit: str) -> str:
    inside = Markup("").join(
        Markup('<g id="layer-{}"{}>{}</g>').format(
            key, Markup("" if on else ' style="display:none"'), body
        )
        for key, _, on, body in groups
    )
    width, height = drawing.size
    box = f"0 0 {width:.1f} {height:.1f}"
    plane = f"{drawing.left!r} {drawing.top!r} {1 / drawing.scale!r}"
    return Markup(
        '<svg class="panzoom" viewBox="{}" data-plane="{}" data-unit="{}" role="img" '
        'aria-label="map" xmlns="http://www.w3.org/2000/svg">{}</svg>'
    ).format(box, plane, unit, inside)


def _image(drawing: Drawing, field: FloatArray, signed: bool) -> Markup:
    return Markup(
        '<image width="{:.1f}" height="{:.1f}" preserveAspectRatio="none" href="{}"/>'
    ).format(*drawing.size, raster(field, signed))


def _circles(drawing: Drawing, post: object) -> Markup:
    data = post.data
    return Markup("").join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" data-info="{}"/>').format(
            x, y, f"row {row}: {shown(float(value))}"
        )
        for (x, y), value, row in zip(
            drawing.at(data.coords), data.values, _rows(data), strict=True
        )
    )


def _rows(data: object) -> FloatArray:
    return np.arange(len(data.values)) if data.rows is None else data.rows


def _paths(drawing: Drawing, frame: gpd.GeoDataFrame, style: str, told: tuple[str, ...]) -> Markup:
    units = frame.attrs.get("units", {})
    number = "boundary_id" if "boundary_id" in frame else "curve_id"
    items = []
    for row, geometry in zip(frame.to_dict("records"), frame.geometry, strict=True):
        facts = [f"{row.get('kind', 'curve')} {row[number]}"]
        facts += [
            f"{name.replace('_', ' ')} {shown(row[name])} {units_shown(units.get(name))}".strip()
            for name in told
        ]
        form = Markup('<path class="{}" d="{}" data-info="{}"/>')
        items.append(form.format(style, drawing.path(geometry), escape(", ".join(facts))))
    return Markup("").join(items)
