"""womble info"""

from __future__ import annotations

import typer

from womble.cli import options


def info(
    file: options.File,
    x: options.X = None,
    y: options.Y = None,
    crs: options.Crs = None,
    layer: options.Layer = None,
    project: options.Project = False,
    debug: options.Debug = False,
) -> None:
    """Say what is in a file, what is wrong with it, and what to type next. Of fit.nc too.

    Examples:

    `womble info houses.csv`

    `womble info out/fit.nc`
    """
    from womble.cli import describe

    if file.suffix.lower() == ".nc":
        typer.echo("\n".join(describe.of_fit(file)))
        return
    given = {"--x": x, "--y": y, "--crs": crs, "--layer": layer}
    named = [part for name, word in given.items() if word is not None for part in (name, word)]
    if project:
        named.append("--project")
    data = options.read(file, x, y, crs, layer, project)
    typer.echo("\n".join(describe.of_data(file, data, named)))
