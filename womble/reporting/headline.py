"""What a hurried reader wants to know, from numbers that stand further down as well."""

from __future__ import annotations

from womble.reporting.about_lines import compass
from womble.reporting.content import Inline, Number, Text, sentence, units_shown
from womble.reporting.findings import Findings, FoundLines


def headline(findings: Findings) -> list[Text]:
    """A few sentences: data and lengthscale, boundaries or change points, tested curves."""
    data, post = findings.posterior.data, findings.posterior
    lengths = [name for name in post.layout.names if name.startswith("lengthscale")]
    told: list[Inline] = []
    for name in lengths:
        median = Number(f"headline.{name}", float(post.draws[name].median()))
        told += [" and " if told else "", median]
    unit = f" {units_shown(data.coordinate_units)}".rstrip()
    words = f" observations of {data.name}. Median lengthscale: "
    first = Text([Number("headline.n", data.count), words, *told, f"{unit}."])
    return [first, *_lines(findings), *_curves(findings)]


def _lines(findings: Findings) -> list[Text]:
    if findings.changes is not None:
        count = Number("headline.changes", len(findings.changes))
        return [sentence("Change points found: {}.", count)]
    return [_of_kind(found) for found in findings.found]


def _of_kind(found: FoundLines) -> Text:
    prefix = f"headline.{found.kind}"
    words = {"gradient": "Crests of the slope", "level": "Level lines"}[found.kind]
    count = Number(f"{prefix}.count", len(found.lines))
    if found.lines.empty:
        return sentence(f"{words} found: " + "{}.", count)
    longest = found.lines.loc[found.lines["length"].idxmax()]
    units = found.lines.attrs["units"]
    length, steepness = (
        f" {units_shown(units.get(name))}".rstrip() for name in ("length", "steepness_mean")
    )
    pattern = f"{words} found: {{}}. The longest (id {{}}) runs for {{}}{length}, rises to the "
    pattern += f"{compass(longest['rise_direction'])} by {{}}{steepness} on average"
    numbers = [
        count,
        Number(f"{prefix}.id", int(longest["boundary_id"])),
        Number(f"{prefix}.length", longest["length"]),
        Number(f"{prefix}.steepness", longest["steepness_mean"]),
    ]
    if "p_null" in longest:
        smooth = longest["p_null"] > 0.05
        pattern += "; a smooth field without boundaries shows such a line with probability {}" + (
            ", so that it is no evidence of a boundary" if smooth else ""
        )
        numbers.append(Number(f"{prefix}.p_null", longest["p_null"]))
    return sentence(pattern + ".", *numbers)


def _curves(findings: Findings) -> list[Text]:
    if findings.totals is None:
        return []
    judged = findings.totals["gradient_significant"]
    return [
        sentence(
            "Tested curves: {}; with a significant slope across them as wholes: {}.",
            Number("headline.curves", len(judged)),
            Number("headline.curves_significant", int((judged != 0).sum())),
        )
    ]
