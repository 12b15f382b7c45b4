"""What a report consists of, as plain data: numbers with names, sentences, tables, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Any

import numpy as np

DIGITS = 3
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Beyond these a number is written with a power of ten.
SMALL, LARGE = 1e-3, 1e6


def shown(value: float, digits: int = DIGITS) -> str:
    """A number for people: integers whole, others to some digits, '–' for NaN.

    Numbers that have fewer digits, such as 0.05, are not given more.
    """
    if isinstance(value, int | np.integer):
        return f"{value:,}".replace("-", "−")
    if not isfinite(value):
        return "–" if value != value else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    if value == float(f"{value:.1e}") and SMALL <= abs(value) < LARGE:
        return f"{value:,.15g}".replace("-", "−")
    size = floor(log10(abs(value)))
    if not SMALL <= abs(value) < LARGE:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPTS)}".replace("-", "−")
    return f"{value:,.{max(0, digits - 1 - size)}f}".replace("-", "−")


def units_shown(units: str | None) -> str:
    """'mg kg⁻¹' for 'mg kg-1'; nothing for pure numbers and unknown units."""
    if units in (None, "", "1"):
        return ""
    return re.sub(r"(?<=[A-Za-z)])-?[0-9]+", lambda n: n[0].translate(SUPERSCRIPTS), units)


def counted(prefix: str, name: str, count: int, several: str | None = None) -> list[Inline]:
    """'1 curve', '2 curves', the number with the id <prefix>.<several>."""
    several = several or f"{name}s"
    word = name if count == 1 else several
    return [Number(f"{prefix}.{several.replace(' ', '_')}", count), f" {word}"]


@dataclass(frozen=True)
class Number:
    """A number of the report: `id` is its name in `numbers.json`, which has it in full.

    Attributes
    ----------
    id : str
        Unique in the report, such as "boundaries.gradient.0.length".
    value : int or float
    digits : int
        That the page shows.
    """

    id: str
    value: float
    digits: int = DIGITS

    @property
    def text(self) -> str:
        """As the page shows it."""
        return shown(self.value, self.digits)

    @property
    def full(self) -> str:
        """As the page holds it: nothing is lost."""
        return repr(self.value.item() if isinstance(self.value, np.generic) else self.value)


Inline = str | Number


@dataclass(frozen=True)
class Text:
    """A paragraph; `warning` sets it off."""

    parts: Sequence[Inline]
    warning: bool = False
    kind: str = "text"


@dataclass(frozen=True)
class Formula:
    """Mathematics in HTML of our own (never a user's text)."""

    html: str
    kind: str = "formula"


@dataclass(frozen=True)
class Table:
    """A table whose cells are sequences of numbers and text.

    Attributes
    ----------
    head : sequence of str
    rows : sequence of rows of cells
        Cells are sequences of `Inline`.
    caption : str
    source : str
        The file that holds the same numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Sequence[Inline]]]
    caption: str
    source: str
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """An image that travels inside of the page."""

    uri: str
    caption: str
    source: str
    wide: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Map:
    """The map that can be moved and enlarged; `svg` is ours."""

    svg: str
    layers: Sequence[tuple[str, str, bool]]
    caption: str
    source: str
    kind: str = "map"


Block = Text | Formula | Table | Figure | Map


@dataclass(frozen=True)
class Section:
    """A chapter of the report."""

    id: str
    title: str
    blocks: Sequence[Block]


def sentence(pattern: str, *numbers: Number, warning: bool = False, **texts: str) -> Text:
    """A paragraph from a pattern: each {} is the next number, each {name} a text.

    Parameters
    ----------
    pattern : str
    numbers : Number
    warning : bool
        Whether it tells of trouble.
    texts : str
    """
    marked = pattern.replace("{}", "\0").format(**texts)
    pieces, parts = marked.split("\0"), []
    for i, piece in enumerate(pieces):
        parts += [piece, numbers[i]] if i < len(numbers) else [piece]
    if len(pieces) != len(numbers) + 1:
        raise ValueError(
            f"the pattern must have a place for each number; got {len(pieces) - 1} places and "
            f"{len(numbers)} numbers in {pattern!r}."
        )
    return Text([part for part in parts if part != ""], warning)


def cell(*parts: Inline) -> list[Inline]:
    return list(parts)


def interval(prefix: str, row: Mapping[str, Any], name: str, centre: str = "mean") -> list[Inline]:
    """'1.2 (0.8 to 1.6)' from the columns <name>_<centre>, _q025 and _q975 of a table's row."""
    middle, low, high = (
        Number(f"{prefix}.{name}_{statistic}", row[f"{name}_{statistic}"])
        for statistic in (centre, "q025", "q975")
    )
    return [middle, " (", low, " to ", high, ")"]


def numbers(sections: Sequence[Section]) -> dict[str, float]:
    """Every number of the report by its id, in order.

    Raises
    ------
    ValueError
        If an id is taken twice: pages and tables could then not be told apart.
    """
    found: dict[str, float] = {}
    for number in _numbers(sections):
        if number.id in found:
            raise ValueError(f"a number's id must be unique; {number.id!r} occurs twice.")
        found[number.id] = (
            number.value.item() if isinstance(number.value, np.generic) else number.value
        )
    return found


def _numbers(sections: Sequence[Section]) -> Iterator[Number]:
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Text):
                parts = block.parts
            elif isinstance(block, Table):
                parts = [part for row in block.rows for one in row for part in one]
            else:
                continue
            yield from (part for part in parts if isinstance(part, Number))
