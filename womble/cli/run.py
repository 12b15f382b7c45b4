"""womble run"""

from __future__ import annotations

import datetime
from pathlib import Path

import typer

from womble.cli import options


def run(
    file: options.File,
    value: options.Value = None,
    x: options.X = None,
    y: options.Y = None,
    crs: options.Crs = None,
    layer: options.Layer = None,
    project: options.Project = False,
    units: options.Units = None,
    covariates: options.Covariates = "",
    transform: options.Transform = None,
    likelihood: options.Likelihood = "gaussian",
    exposure: options.Exposure = None,
    trials: options.Trials = None,
    kernel: options.KernelName = "matern",
    nu: options.Nu = None,
    trend: options.Trend = "constant",
    anisotropic: options.Anisotropic = False,
    inference: options.Inference = "nuts",
    draws: options.Draws = 1000,
    spacing: options.Spacing = None,
    mask: options.Mask = "distance",
    samples: options.Samples = None,
    boundaries: options.Kind = "gradient",
    level: options.Levels = None,
    prominence: options.Prominence = 0.95,
    curves: options.Curves = None,
    segment_length: options.SegmentLength = None,
    rule: options.Rule = "fdr",
    alpha: options.Alpha = 0.05,
    out: options.Out = Path("out"),
    report: options.Report = False,
    table: options.Format = "gpkg",
    refit: options.Refit = False,
    seed: options.Seed = 1,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fit a field to data, and write its surfaces and boundaries into a folder.

    The fit is kept there as fit.nc and used again while data, model and seed are the same: only
    what comes after it is then computed.

    Examples:

    `womble run soil.gpkg --value zinc --transform log --level 720 --report`

    `womble run houses.csv --value PRICE --covariates AGE,SQFT --inference importance`

    `womble run birds.csv --value seen --x lon --y lat --crs EPSG:4326 --project
    --likelihood bernoulli --inference laplace --boundaries none --level 0.5`
    """
    import womble as wb
    from womble.cli import choices, describe
    from womble.input_kinds import read_input
    from womble.job import Job, fit_once
    from womble.pipeline import Plan, write_results

    model = wb.FieldModel(
        kernel=choices.kernel(kernel, nu),
        trend=trend,
        likelihood=likelihood,
        anisotropic=anisotropic,
    )
    levels = choices.link_levels(level or [], likelihood, transform)
    decided = {"prominence": prominence, "rule": rule, "alpha": alpha}
    data = options.read(file, x, y, crs, layer, project)
    choices.require_response(data, value, file)
    job = Job(
        value=value,
        covariates=options.names(covariates),
        transform=transform,
        units=units,
        exposure=exposure,
        trials=trials,
        inference=inference,
        draws=draws,
        rng=seed,
    )
    grid_mask = options.read_mask(mask)
    about = {"levels": levels, "segment_length": segment_length, "rng": seed, **decided}
    plan = Plan(
        grid=wb.Grid.from_data(read_input(data, value), spacing=spacing, mask=grid_mask),
        searches=choices.searches(model, boundaries, levels, decided),
        curves=None if curves is None else wb.read_data(curves),
        segment_length=segment_length,
        rule=rule,
        alpha=alpha,
        samples=samples,
        report=about | {"date": datetime.date.today()} if report else None,
        table=choices.table_ending(table),
        seed=seed,
    )
    out.mkdir(parents=True, exist_ok=True)
    fit = out / "fit.nc"
    shown = options.progress(quiet)
    posterior, note = fit_once(model, data, job, fit, anew=refit, progress=shown)
    typer.echo(note)
    typer.echo(repr(posterior))
    results = write_results(posterior, plan, out, progress=shown)
    if results.boundaries is not None:
        typer.echo("\n".join(describe.of_lines(results.boundaries, prominence)))
    options.say_written([fit, *results.files])
    typer.echo(f"next: womble {'info' if report else 'report'} {fit}")
