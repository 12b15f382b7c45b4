"""womble demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from womble.cli import options


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("out"),
    seed: options.Seed = 1,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Zinc in the Meuse flood plain: fit, surfaces, boundaries and a tested river bank.

    Example: `womble demo --out out`
    """
    from womble.demo import run

    options.say_written(run(out, seed=seed, progress=options.progress(quiet)))
