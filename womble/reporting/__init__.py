"""A report of a fit in one HTML file that needs no network, and the arrays behind its numbers.

The package is not called `report`, which is the name of its function: `womble.report`.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble import decision
from womble.arguments import checked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from womble.grid import Grid
    from womble.posterior import Posterior
    from womble.reporting.findings import Findings
    from womble.transect import Transect

__all__ = ["report"]

# Draws of surfaces and curves: Monte Carlo error of an sd about 4%.
SAMPLES = 300


@checked
def report(
    posterior: Posterior,
    path: str | os.PathLike,
    *,
    grid: Grid | Transect | None = None,
    curves: Any = None,
    segment_length: float | None = None,
    levels: Sequence[float] = (),
    prominence: float = 0.95,
    rule: Literal["interval", "fdr", "simultaneous"] = "fdr",
    alpha: float = 0.05,
    line_alpha: float | None = None,
    samples: int | None = None,
    null_replicates: int = 199,
    sensitivity: bool | Mapping[str, Posterior] = False,
    data_dir: str | os.PathLike | None = None,
    title: str | None = None,
    date: str | datetime.date | None = None,
    rng: int | np.random.Generator | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write a report of a fit: one HTML file without network, and the arrays behind it.

    Data, model and priors, convergence, predictive check, surfaces with uncertainty and
    significance, boundaries with bands and null test (on a line: change points), tested curves,
    rule, sensitivity, limits, software and seeds. The page holds its figures, and a map that can be
    moved and enlarged. Every number is an HTML `data` element with the number in full and an id;
    `numbers.json` beside it has them all by id, and each table names the file that it comes from.

    Parameters
    ----------
    posterior : Posterior
        Of data in the plane or on a line.
    path : path
        The HTML file; its folder is made if need be, a file of that name replaced.
    grid : Grid or Transect, optional
        Of surfaces and boundaries, by default `Grid.from_data(data)`.
    curves : GeoDataFrame, GeoSeries, geometry or sequence of geometries, optional
        Lines to test, as in `Posterior.womble`.
    segment_length : float, optional
        Longest piece of a curve, in coordinate units; by default a quarter of the median
        lengthscale.
    levels : sequence of float
        Level lines to find too, on the link scale.
    prominence : float
        Of gradient and level lines and change points, as in `Posterior.boundaries`.
    rule, alpha : str, float
        What counts as significant in surfaces, lines and curves, see `womble.decision`.
    line_alpha : float, optional
        Error rate of the boundaries (change points) alone, by default `alpha`: with a low
        `prominence`, 1 - prominence shows candidates that `alpha` would drop.
    samples : int, optional
        Posterior draws of surfaces and curves; None takes 300, or all if there are fewer.
    null_replicates : int
        Simulated data sets of the null test of boundaries; 0 leaves it out.
    sensitivity : bool or mapping of str to Posterior
        True: fits of the same data with other smoothness of the kernel and other priors of the
        lengthscale, by importance sampling (Laplace for other likelihoods), which take as long as
        such fits do. A mapping: your own fits by name. False: the report says it was not examined.
    data_dir : path, optional
        Folder of the arrays and tables, by default `<name>_data` beside the page.
    title : str, optional
    date : str or date, optional
        Stated in the report, which does not look at the clock.
    rng : int or Generator, optional
        The same seed gives the same page.
    progress : bool

    Returns
    -------
    list of pathlib.Path
        The page, then every file beside it.

    Raises
    ------
    ValueError
        If the data have more than two coordinates, curves or levels are asked for on a line, or an
        argument is out of range.
    """
    from womble.reporting.findings import Settings, gather
    from womble.reporting.sensitivity import compared, refits

    line_alpha = alpha if line_alpha is None else line_alpha
    for rate in (alpha, line_alpha):
        decision.check_rule(rule, rate)
    _check(posterior, curves, levels, prominence, null_replicates)
    path = Path(path)
    folder = path.parent / f"{path.stem}_data" if data_dir is None else Path(data_dir)
    grid = posterior._grid(grid)
    samples, length = _defaults(posterior, samples, segment_length)
    rates, seed = (rule, alpha, line_alpha), rng if isinstance(rng, int | np.integer) else None
    asked = Settings(*rates, prominence, list(levels), length, samples, null_replicates, seed)
    if rule == "simultaneous":
        decision.require_draws(asked.samples, alpha)
    streams = np.random.default_rng(rng).spawn(3)
    vary: Callable[[xr.Dataset], pd.DataFrame] | None = None
    if sensitivity is not False:
        others = sensitivity
        if sensitivity is True:
            others = refits(posterior, streams[1], progress)

        def vary(ds: xr.Dataset) -> pd.DataFrame:
            options = {"samples": asked.samples, "rule": rule, "alpha": alpha}
            options |= {"rng": streams[2], "progress": progress}
            return compared(posterior, others, grid, ds, **options)

    findings = gather(posterior, grid, curves, asked, vary, streams[0], progress)
    return _write(findings, path, folder, title, None if date is None else str(date))


def _check(
    posterior: Posterior,
    curves: Any,
    levels: Sequence[float],
    prominence: float,
    replicates: int,
) -> None:
    """Refuse what cannot be reported, before any work is done."""
    d = posterior.data.coords.shape[1]
    if d > 2:
        raise ValueError(
            f"a report needs data on a line or in the plane; these have {d} coordinates. Use "
            "jet_moments(points) for derivatives at points."
        )
    if d == 1 and (curves is not None or len(levels)):
        raise ValueError(
            "`curves` and `levels` are lines in the plane, and these data are on a line. Leave "
            "them out: the report has change points."
        )
    if not 0.5 <= prominence < 1:
        raise ValueError(f"`prominence` must lie in [0.5, 1); got {prominence!r}.")
    if replicates and replicates < 19:
        raise ValueError(
            "`null_replicates` must be at least 19, for p-values down to 0.05, or 0 for no null "
            f"test; got {replicates!r}."
        )


def _defaults(
    posterior: Posterior, samples: int | None, segment_length: float | None
) -> tuple[int, float]:
    """Number of draws and length of pieces of curves, as given or by default."""
    from womble.reporting.findings import PIECE

    if samples is None:
        samples = SAMPLES if posterior.given else min(SAMPLES, posterior._count)
    if segment_length is None:
        names = [n for n in posterior.layout.names if n.startswith("lengthscale")]
        segment_length = PIECE * min(float(posterior.draws[name].median()) for name in names)
    return samples, segment_length


def _write(
    findings: Findings, path: Path, folder: Path, title: str | None, date: str | None
) -> list[Path]:
    """The page and its files."""
    from womble.reporting import (
        about_data,
        about_field,
        about_fit,
        about_limits,
        about_lines,
        about_model,
    )
    from womble.reporting.content import Section
    from womble.reporting.files import write_files, write_numbers
    from womble.reporting.headline import headline
    from womble.reporting.render import render

    files = write_files(findings, folder)
    sections = [
        about_data.data_section(findings),
        about_model.model_section(findings),
        about_fit.convergence_section(findings),
        about_fit.check_section(findings),
        about_field.field_section(findings),
        about_lines.boundary_section(findings),
        *([] if findings.changes is not None else [about_lines.curve_section(findings)]),
        about_limits.rule_section(findings),
        about_limits.sensitivity_section(findings),
        about_limits.limits_section(findings),
        about_limits.origin_section(findings, files, date),
    ]
    data = findings.posterior.data
    subtitle = f"womble report{'' if date is None else f', {date}'}"
    name = data.field_name()
    title = title or f"{name[0].upper()}{name[1:]}: gradients and boundaries"
    opening = headline(findings)
    page = render(title, subtitle, opening, sections)
    write_numbers([Section("headline", "", opening), *sections], folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return [path, *(folder / name for name, _ in files if (folder / name).exists())]
