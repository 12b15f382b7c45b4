"""The command line. Each command only reads its arguments; the work is done by the library."""

from __future__ import annotations

import typer

from womble.cli.curves import curves
from womble.cli.demo import demo
from womble.cli.errors import Commands
from womble.cli.info import info
from womble.cli.report import report
from womble.cli.run import run

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def main() -> None:
    """Find and test boundaries in spatial data.

    Start with `womble info FILE`: it says what is in a file, and what to type next.

    Exit codes: 0 done, 1 failure, 2 wrong usage or data that cannot be used.
    """


for command in (info, run, curves, report, demo):
    app.command()(command)
