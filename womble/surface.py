"""Posterior surfaces: a field, its derivatives and what is made of them, on a grid of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from womble import decision, jet
from womble.arrays import FloatArray
from womble.attributes import describe
from womble.band import Band, bands
from womble.cells import Cells
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import Ensemble
from womble.lattice import Cut, Lattice, Window
from womble.paths import each_path
from womble.quantity import names_up_to, quantities
from womble.summaries import STATISTICS, Link, Part, Recipe

BOUNDS = ("lower", "upper")

# Draws times points of one tile: its arrays then take about 300 MB.
TILE_ENTRIES = 2_000_000
# Bytes of a surface of draws: more does not fit beside itself in the memory of most machines.
MAXIMUM_BYTES = 4e9


def surface(
    ensemble: Ensemble,
    grid: Cells,
    *,
    order: int,
    link: Link | None,
    rule: str,
    alpha: float,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """Posterior summaries of every quantity on the inside cells of `grid`.

    Linear quantities are mixtures of normals over the hyperparameters, in closed form; the others
    come from one exact draw of the jet a point and posterior draw.

    Parameters
    ----------
    ensemble : Ensemble
    grid : Cells
        A grid in the plane or a transect.
    order : {1, 2}
        Highest derivative that the kernel offers.
    link : {"log", "logit"} or None
        What is undone in each draw; all quantities then come from draws. Of "log" mean and sd are
        NaN, as the moments of a log-normal mixture need not exist.
    rule, alpha
        See `womble.decision`; "simultaneous" on the link scale only.
    domain : array, shape (2, d)
        Corners of a box that holds data and cells.
    attributes : mapping
        See `womble.attributes.describe`.

    Returns
    -------
    xarray.Dataset
        See `womble.Posterior.surface`.
    """
    recipe = Recipe(len(grid.shape), order, link, ensemble.closed_form, ensemble.repeats)
    statistics, positive = _statistics(ensemble, grid, recipe, rng, progress)
    covering: dict[str, Band] = {}
    if rule == "simultaneous":
        at = [recipe.names.index(name) for name in recipe.signed]
        moments = dict(zip(recipe.signed, statistics[at, :2][..., grid.inside], strict=True))
        covering = bands(
            ensemble,
            grid.points,
            moments,
            order=order,
            alpha=alpha,
            domain=domain,
            rng=rng,
            progress=progress,
        )
    variables = {}
    for name, stated, chance in zip(recipe.names, statistics, positive, strict=True):
        variables[name] = (("statistic", *grid.dims), stated)
        if name in recipe.signed:
            variables |= _of_sign(name, grid, chance, rule, alpha, covering.get(name))
    coords = {"statistic": list(STATISTICS), **grid.labels}
    if covering:
        coords["bound"] = list(BOUNDS)
    ds = xr.Dataset(variables, coords)
    return describe(ds, grid, link, attributes, rule_in_words(rule, alpha))


def rule_in_words(rule: str, alpha: float) -> str:
    """How flags were decided, as a map says it."""
    over = "over all cells" if rule == "simultaneous" else "per cell"
    return f"{rule}, alpha = {alpha:g}, {over}"


def surface_draws(
    ensemble: Ensemble,
    grid: Cells,
    *,
    order: int,
    link: Link | None,
    domain: FloatArray,
    attributes: Mapping[str, str | None],
    rng: np.random.Generator,
    progress: bool,
) -> xr.Dataset:
    """Every quantity of every path on the inside cells of `grid`; parameters as `surface`.

    Raises
    ------
    ValueError
        If they would take more than `MAXIMUM_BYTES`.
    """
    d = len(grid.shape)
    names, shape = names_up_to(order, d), (ensemble.size, *grid.shape)
    _require_memory(shape, len(names))
    arrays = {name: np.full(shape, np.nan) for name in names}

    def values(path: Path) -> FloatArray:
        jets = path.jets(grid.points, order)
        if link is not None:
            jets = jet.unlink(jets, link, d)
        return np.stack([quantities(d)[name].of(jets) for name in names])

    found = each_path(values, ensemble, domain, rng, "surface draws", progress)
    for draw, drawn in enumerate(found):
        for name, cells in zip(names, drawn, strict=True):
            arrays[name][draw, grid.inside] = cells
    if "gradient_direction" in arrays:
        np.degrees(arrays["gradient_direction"], out=arrays["gradient_direction"])
    variables = {name: (("draw", *grid.dims), array) for name, array in arrays.items()}
    return described_draws(variables, ensemble.size, grid, link, attributes)


def described_draws(
    variables: Mapping[str, tuple],
    count: int,
    grid: Cells,
    link: Link | None,
    attributes: Mapping[str, str | None],
) -> xr.Dataset:
    """A Dataset of `count` draws with its attributes."""
    coords = {"draw": np.arange(count), **grid.labels}
    ds = describe(xr.Dataset(variables, coords), grid, link, attributes)
    if "gradient_direction" in ds:
        ds["gradient_direction"].attrs["comment"] = "counter-clockwise from the x axis"
    ds.attrs["comment"] = "each draw is one function of location, the same in all variables"
    return ds


def _require_memory(shape: tuple[int, ...], count: int) -> None:
    needed = 8 * count * np.prod([float(size) for size in shape])
    if needed > MAXIMUM_BYTES:
        draws, cells = shape[0], " x ".join(map(str, shape[1:]))
        raise ValueError(
            f"`keep_draws=True` must stay below {MAXIMUM_BYTES / 1e9:g} GB; {draws} draws of "
            f"{count} quantities on {cells} cells take {needed / 1e9:.1f} GB. Ask for "
            "fewer `samples` or larger cells, give `chunks`, or evaluate post.paths() where you "
            "need it."
        )


def _statistics(
    ensemble: Ensemble, grid: Cells, recipe: Recipe, rng: np.random.Generator, progress: bool
) -> tuple[FloatArray, FloatArray]:
    """Statistics (names, 5, ..) and probability of being positive (names, ..) on the cells.

    Piece by piece, all draws at once.
    """
    lattice = Lattice.of(grid)
    pieces = lattice.pieces(lattice.whole, TILE_ENTRIES // ensemble.size)
    streams = rng.spawn(len(ensemble.thetas)) if ensemble.closed_form else []
    statistics = np.full((len(recipe.names), len(STATISTICS), *grid.shape), np.nan)
    positive = np.full((len(recipe.names), *grid.shape), np.nan)
    for i, piece in enumerate(pieces):
        label, cells = f"surface {i + 1}/{len(pieces)}", lattice.cut(piece)
        if ensemble.closed_form:

            def alike(f: Conditional, own: Sequence, cells: Cut = cells) -> list[Part]:
                return recipe.of_conditional(f, cells, own)

            parts = ensemble.each_alike(alike, streams, label, progress)
        else:
            points = np.concatenate(cells.points)[:, None]
            jets = ensemble.draw_groups(points, recipe.order, rng, label, progress)
            parts = [recipe.of_draws(jets[:, :, 0])]
        found = recipe.statistics(parts)
        statistics[:, :, *piece.slices] = on_cells(found[0], cells, piece)
        positive[:, *piece.slices] = on_cells(found[1], cells, piece)
    return statistics, positive


def on_cells(values: FloatArray, cells: Cut, window: Window) -> FloatArray:
    """Values (..., p) of a window's inside cells in its shape, NaN elsewhere."""
    out = np.full((*values.shape[:-1], int(np.prod(window.shape))), np.nan)
    out[..., cells.places] = values
    return out.reshape(*values.shape[:-1], *window.shape)


def _of_sign(
    name: str, grid: Cells, positive: FloatArray, rule: str, alpha: float, band: Band | None
) -> dict[str, tuple]:
    """Variables that say which sign a quantity has; with a band, the band and its sign."""
    if band is None:
        stated = {}
        sign = decision.significance(positive[grid.inside], rule, alpha)
    else:
        stated, sign = {"critical_value": band.critical_value}, band.sign
    variables = {
        f"{name}_p_positive": (grid.dims, positive),
        f"{name}_significant": (grid.dims, grid.fill(sign.astype(float)), stated),
    }
    if band is not None:
        variables[f"{name}_band"] = (("bound", *grid.dims), grid.fill(band.bounds), stated)
    return variables
