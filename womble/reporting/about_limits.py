"""Chapters that end a report: rules, sensitivity, limits, and where everything comes from."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np
import shapely

from womble.diagnostics import SEEN_SPACINGS
from womble.posterior import Posterior
from womble.priors import domain_diameter, typical_spacing
from womble.reporting.content import (
    Block,
    Number,
    Section,
    Table,
    Text,
    cell,
    sentence,
    units_shown,
)
from womble.reporting.findings import Findings
from womble.storage import VERSIONED

ALSO = ("xarray", "geopandas", "shapely", "pandas", "matplotlib", "finufft", "numba", "jinja2")
RULES = {
    "interval": "each unit (cell, segment, line) by itself: its central interval of probability "
    "1 − α excludes zero. Of many units that have no sign, a share of α is then called by chance",
    "fdr": "the expected share of wrong signs (or false lines) among those called is at most α",
    "simultaneous": "a band covers all units at once with probability 1 − α, so that no sign "
    "called is wrong with that probability",
}


def rule_section(findings: Findings) -> Section:
    """What counts as significant, everywhere in the report."""
    settings = findings.settings
    blocks: list[Block] = [
        sentence(
            "Rule {rule} with α = {} (boundaries: {}): {words}.",
            Number("rule.alpha", settings.alpha),
            Number("rule.line_alpha", settings.line_alpha),
            rule=settings.rule,
            words=RULES[settings.rule],
        ),
        Text(
            [
                "Intervals in tables and figures are 95% credible intervals whatever the rule. "
                "Maps, lines and curves are families of their own: the rate holds within each."
            ]
        ),
    ]
    if findings.response is not None and settings.rule == "simultaneous":
        words = "Maps on the response scale are judged by the rule fdr instead, as their means "
        blocks.append(Text([words + "need not exist and a band around them neither."]))
    return Section("rule", "Rule and error rate", blocks)


def sensitivity_section(findings: Findings) -> Section:
    """How much the results hang on the kernel and the prior."""
    table = findings.sensitivity
    if table is None:
        words = "Not examined: pass sensitivity=True, or fits of your own, to have other kernels "
        return Section("sensitivity", "Sensitivity", [Text([words + "and priors compared."])])
    rows = [
        [
            cell(str(name)),
            *(cell(Number(f"sensitivity.{i}.{c}", float(x))) for c, x in row.items()),
        ]
        for i, (name, row) in enumerate(table.iterrows())
    ]
    words = "Other models of the same data. Shifts are root mean squares over cells of the "
    words += "difference in posterior means, in posterior sds of this report: below 1 they are "
    words += "within its uncertainty. The sd ratio is that of the slopes, other over this."
    priors = [x.attrs.get("prior", "by default") for x in findings.posterior.draws.values()]
    if not all(prior.endswith("by default") for prior in priors):
        words += (
            " The priors of this report are not the default ones, which sensitivity=True takes."
        )
    head = ["model", *(str(name).replace("_", " ") for name in table)]
    caption = "Medians of hyperparameters, and differences of the maps"
    blocks = [Text([words]), Table(head, rows, caption, "sensitivity.csv")]
    return Section("sensitivity", "Sensitivity", blocks)


def limits_section(findings: Findings) -> Section:
    """What these data and this model cannot say."""
    post = findings.posterior
    data = post.data
    spacing, diameter = typical_spacing(data.coords), domain_diameter(data.coords)
    lengths = [n for n in post.layout.names if n.startswith("lengthscale")]
    longest = max(float(post.draws[name].median()) for name in lengths)
    unit = f" {units_shown(data.coordinate_units)}".rstrip()
    short = longest < SEEN_SPACINGS * spacing
    blocks: list[Block] = [
        sentence(
            "Spacing: the median lengthscale, {}{unit}, is {} times the median distance between "
            "neighbouring sites, {}{unit}. {verdict}",
            Number("limits.lengthscale", longest),
            Number("limits.spacings", longest / spacing),
            Number("limits.spacing", spacing),
            unit=unit,
            verdict="Below 2, slopes and curvature between sites are mostly the prior's."
            if short
            else "At 2 or more the sites see slopes between them; features much shorter than the "
            "spacing stay unseen.",
            warning=short,
        ),
        sentence(
            "Extent: the lengthscale is {} of the largest distance between sites. {verdict}",
            Number("limits.extent_share", longest / diameter),
            verdict="Where it comes close to 1 the field hardly turns within the data, and trend "
            "and lengthscale cannot be told apart.",
            warning=longest > diameter,
        ),
    ]
    if data.whole is not None:
        words = "The data in memory are a sample: their neighbours are farther apart than those of "
        words += "all data, and what is said of spacing is about the sample."
        blocks.insert(1, Text([words]))
    if data.coords.shape[1] == 2:
        blocks.append(_edges(findings, longest, unit))
    blocks += [Text([words]) for words in _assumptions(post)]
    return Section("limits", "Limits", blocks)


def _edges(findings: Findings, longest: float, unit: str) -> Text:
    """How much less is known of slopes near the edge of the data."""
    ds, coords = findings.surface, findings.posterior.data.coords
    hull = shapely.MultiPoint(coords).convex_hull
    X, Y = np.meshgrid(ds["x"], ds["y"])
    places = shapely.points(X.ravel(), Y.ravel())
    # Negative outside of the hull.
    depth = shapely.distance(places, hull.boundary).reshape(X.shape)
    depth *= np.where(shapely.contains(hull, places).reshape(X.shape), 1.0, -1.0)
    reach = 0.5 * longest
    sd = ds["dx"].sel(statistic="sd").to_numpy() + ds["dy"].sel(statistic="sd").to_numpy()
    edge, inner = sd[(depth < reach) & np.isfinite(sd)], sd[(depth >= reach) & np.isfinite(sd)]
    ratio = float(np.median(edge) / np.median(inner)) if edge.size and inner.size else np.nan
    return sentence(
        "Edges: {} of the cells lie outside of the convex hull of the data or within half a "
        "lengthscale ({}{unit}) of its edge. The sd of the slope there is {} times that of the "
        "others (medians). Lines end where there is no surface on one side to compare with.",
        Number("limits.edge_share", edge.size / max(1, edge.size + inner.size)),
        Number("limits.edge_reach", reach),
        Number("limits.edge_sd_ratio", ratio),
        unit=unit,
    )


def _assumptions(post: Posterior) -> list[str]:
    words = [
        "Model: the field is stationary about its trend. A step in an otherwise smooth field is "
        "smoothed over about a lengthscale, and its steepness underestimated."
    ]
    if post.data.link != "identity":
        words.append(
            f"Scale: boundaries, levels and curves are those of {post.data.field_name()}. Crests "
            "of another scale lie elsewhere."
        )
    if post.given:
        words.append(
            "Hyperparameters are taken as known: intervals are too short by what is not known of "
            "them."
        )
    if "Laplace" in post.inference:
        words.append(
            "Laplace's approximation errs most with few counts and binary responses; compare with "
            "inference='nuts' before a conclusion hangs on an interval."
        )
    return words


def origin_section(findings: Findings, files: list[tuple[str, str]], date: str | None) -> Section:
    """Versions, seeds and files."""
    post = findings.posterior
    seed = post.draws[post.layout.names[0]].attrs.get("seed")
    fitted = "not recorded" if seed is None else str(int(seed))
    asked = findings.settings.seed
    own = "a generator or none was given" if asked is None else str(asked)
    stated = [
        [cell("date"), cell(date or "not stated")],
        [cell("seed of the fit"), cell(fitted)],
        [cell("seed of the report"), cell(own)],
        [cell("Python"), cell(platform.python_version())],
        *([cell(name), cell(version(name))] for name in (*VERSIONED, *ALSO)),
    ]
    named = [[cell(name), cell(what)] for name, what in files]
    return Section(
        "origin",
        "Software, seeds and files",
        [
            Table([], stated, "What made this report", "fit.nc"),
            Table(["file", "what it holds"], named, "Files beside this page", "numbers.json"),
        ],
    )
