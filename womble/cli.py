"""The command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Find and test boundaries in spatial data.", no_args_is_help=True, add_completion=False
)


@app.callback()
def main() -> None:
    """Find and test boundaries in spatial data."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("out"),
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars.")] = False,
) -> None:
    """Zinc in the Meuse flood plain: fit, surfaces, boundaries and a tested river bank.

    Example: womble demo --out out
    """
    from womble.demo import run

    written = run(out, seed=seed, progress=not quiet)
    typer.echo(f"{len(written)} files written:")
    for path in written:
        typer.echo(f"  {path}")
