"""Content to HTML: one template, with its style sheet and script inside of the page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import jinja2
from markupsafe import Markup

from womble.reporting.content import Number, Section, Text


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("womble.reporting"),
        autoescape=True,  # names of columns and curves are a user's
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(title: str, subtitle: str, headline: Sequence[Text], sections: Sequence[Section]) -> str:
    """The page.

    Parameters
    ----------
    title, subtitle : str
    headline : sequence of Text
        What a hurried reader wants to know.
    sections : sequence of Section
    """
    environment = _environment()
    assets = {
        name: Markup(environment.loader.get_source(environment, file)[0])
        for name, file in (("style", "report.css"), ("script", "panzoom.js"))
    }
    template = environment.get_template("report.html")
    return template.render(
        title=title,
        subtitle=subtitle,
        headline=headline,
        sections=sections,
        is_number=lambda part: isinstance(part, Number),
        **assets,
    )
