"""womble report"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from womble.cli import options


def report(
    fit: options.Fit,
    out: Annotated[
        Path | None, typer.Option(help="The page; by default report.html beside the fit.")
    ] = None,
    curves: options.Curves = None,
    spacing: options.Spacing = None,
    mask: options.Mask = "distance",
    rule: options.Rule = "fdr",
    alpha: options.Alpha = 0.05,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Refit with other kernels and priors (slow).")
    ] = False,
    seed: options.Seed = 1,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write one HTML page about a fit, which needs no network.

    Example: `womble report out/fit.nc`
    """
    import womble as wb

    posterior, _ = options.load(fit)
    grid = wb.Grid.from_data(posterior.data, spacing=spacing, mask=options.read_mask(mask))
    written = wb.report(
        posterior,
        fit.parent / "report.html" if out is None else out,
        grid=grid,
        curves=None if curves is None else wb.read_data(curves),
        rule=rule,
        alpha=alpha,
        sensitivity=sensitivity,
        date=datetime.date.today(),
        rng=seed,
        progress=options.progress(quiet),
    )
    options.say_written(written)
