"""Errors and warnings as one line each, and what the exit code says."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperGroup

DEBUG = "womble.debug"  # key in the context's `meta`, which all its commands share
PACKAGE = str(Path(__file__).resolve().parents[1])
# What typer handles itself: usage errors, exits and aborts. Its ClickException has no public name.
USAGE = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
PASSED_ON = (USAGE, typer.Exit, typer.Abort, BrokenPipeError)
BAD_INPUT = (ValueError, TypeError, ImportError, FileNotFoundError)


class Commands(TyperGroup):
    """A group of commands that reports errors without tracebacks, unless asked for."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; exit with 2 on input that cannot be used, with 1 on other failures."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default", UserWarning)
                warnings.showwarning = show_warning
                return super().invoke(ctx)
        except PASSED_ON:
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG):
                raise
            raise typer.Exit(report_error(error)) from error


def report_error(error: Exception) -> int:
    """Print what went wrong; the exit code."""
    if isinstance(error, BAD_INPUT) and raised_here(error.__traceback__):
        typer.echo(f"error: {error}", err=True)
        return 2
    typer.echo(f"failed: {type(error).__name__}: {error}", err=True)
    typer.echo("Add --debug to see where.", err=True)
    return 1


def raised_here(traceback: TracebackType | None) -> bool:
    """Whether the innermost frame is in this package: the message is ours, about the input."""
    innermost = ""
    while traceback is not None:
        innermost = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return innermost.startswith(PACKAGE)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Our warnings as a line of text; those of other libraries about their code are left out."""
    if issubclass(category, UserWarning):
        print(f"warning: {message}", file=sys.stderr)
