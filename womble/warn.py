"""Warnings that point at the line of the user's program, however deep they arise."""

from __future__ import annotations

import sys
import warnings
from os import sep
from pathlib import Path

_HERE = f"{Path(__file__).parent}{sep}"


def warn(message: str) -> None:
    """Warn with a UserWarning at the first caller outside this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
