"""Chapters on data, sampler and predictions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from womble import plot
from womble.check import Check
from womble.pareto import LARGEST_K_HAT
from womble.plot import style
from womble.plot.overview import data_frame, observations
from womble.posterior import Posterior
from womble.priors import domain_diameter, typical_spacing
from womble.reporting.content import (
    Block,
    Figure,
    Number,
    Section,
    Table,
    Text,
    cell,
    sentence,
    units_shown,
)
from womble.reporting.findings import Findings
from womble.reporting.images import figure

PANELS = (
    "Calibration: the distribution of probability integral transforms (PIT), less the uniform.",
    "Observations against predictions with 95% intervals.",
    "Residuals over their predictive sds.",
)
SCORES = {
    "n": "observations",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
    "crps": "continuous ranked probability score",
    "coverage": "coverage of 95% intervals",
    "log_density": "mean log density",
    "pit_p": "p-value of uniform PIT (Kolmogorov and Smirnov)",
}


def data_section(findings: Findings) -> Section:
    """What was measured, where, in which units."""
    data, post = findings.posterior.data, findings.posterior
    coords, d = data.coords, data.coords.shape[1]
    source, unit = "fit.nc: values, coords", units_shown(data.coordinate_units)
    seen = data.response is None or data.response.link == "identity"
    what = data.field_name() if seen else data.name
    units = data.link_units if seen else data.units
    rows = [
        [cell("response"), cell(f"{what}, {_in_words(units)}")],
        [cell("observations"), cell(Number("data.n", len(data.values)))],
        [cell("distinct sites"), cell(Number("data.sites", len(np.unique(coords, axis=0))))],
        [
            cell("smallest, median, largest value"),
            _listed("data.value", np.quantile(data.values, [0.0, 0.5, 1.0])),
        ],
        [cell("coordinate system"), cell(_crs(post))],
        [
            cell("median distance of neighbours"),
            cell(Number("data.spacing", typical_spacing(coords)), f" {unit}"),
        ],
        [
            cell("largest distance"),
            cell(Number("data.diameter", domain_diameter(coords)), f" {unit}"),
        ],
    ]
    if data.transform:
        rows.insert(1, [cell("transform"), cell("natural logarithm")])
    blocks: list[Block] = [Table([], rows, "The data", source)]
    if d == 2:
        label = what + style.in_units(data.link_units if seen else data.units)
        drawn = figure(
            lambda: plot.data(data_frame(data), data.values, label=label),
            f"Map of the data: {what}.",
            source,
        )
        blocks.append(drawn)
    elif seen:
        blocks.append(figure(lambda: _points(post), f"The data: {what}.", source))
    return Section("data", "Data", blocks)


def _points(post: Posterior) -> Axes:
    data = post.data
    ax = observations(data, ax=style.new_axes(7.0, 3.0))
    style.date_ticks(ax, data.axis.positions(data.coords[:, 0]))
    units = "" if data.axis.origin is not None else style.in_units(data.coordinate_units)
    ax.set(xlabel=data.axis.name + units)
    ax.set_ylabel(data.field_name() + style.in_units(data.link_units))
    return ax


def _in_words(units: str | None) -> str:
    """'in mg kg⁻¹', 'a pure number' or 'units not stated'."""
    if units is None:
        return "units not stated"
    return f"in {units_shown(units)}" if units_shown(units) else "a pure number"


def _listed(prefix: str, values: np.ndarray) -> list:
    names = ("min", "median", "max")
    found = [Number(f"{prefix}.{n}", float(x)) for n, x in zip(names, values, strict=True)]
    return [found[0], ", ", found[1], ", ", found[2]]


def _crs(post: Posterior) -> str:
    data = post.data
    if data.crs is not None:
        authority = data.crs.to_authority()
        code = f" ({':'.join(authority)})" if authority else ""
        return f"{data.crs.name}{code}, in {data.coordinate_units or 'unknown units'}"
    if data.coords.shape[1] == 1:
        return f"{data.axis.name}, in {data.coordinate_units or 'units not stated'}"
    return f"a plane without a CRS, in {data.coordinate_units or 'units not stated'}"


def convergence_section(findings: Findings) -> Section:
    """Whether the sample of the hyperparameters can be trusted."""
    post = findings.posterior
    stats = post.sample_stats
    if stats is None:
        words = "There is one point of the hyperparameters ({how}); their own uncertainty is in "
        words += "none of the numbers below, and there is no convergence to judge."
        one = sentence(words, how=post.inference.split(":")[0])
        return Section("convergence", "Convergence", [one])
    blocks: list[Block] = [_verdict(post), _convergence_table(post)]
    weighted = "log_weight" in stats
    caption = (
        "Draws of each hyperparameter, and the weights of the points they come from."
        if weighted
        else "Traces of the chains, and ranks of their draws: even where chains agree."
    )
    drawn: Figure = figure(lambda: plot.trace(post), caption, "fit.nc", wide=True)
    return Section("convergence", "Convergence", [*blocks, drawn])


def _verdict(post: Posterior) -> Text:
    from womble.inference import LARGEST_R_HAT, SMALLEST_ESS

    stats, table = post.sample_stats, post.summary()
    if "k_hat" in stats:
        k_hat, ess = float(stats["k_hat"]), float(stats["ess"])
        bad = k_hat > LARGEST_K_HAT or ess < SMALLEST_ESS
        return sentence(
            "Importance sampling: k-hat {} (trusted up to {}), {} effective of {} weighted "
            "points, {} distinct draws; modes of the posterior: {}. {verdict}",
            Number("convergence.k_hat", k_hat),
            Number("convergence.k_hat_limit", LARGEST_K_HAT),
            Number("convergence.ess", ess),
            Number("convergence.evaluations", int(stats["evaluations"])),
            Number("convergence.distinct", int(stats["distinct"])),
            Number("convergence.modes", int(stats["modes"])),
            verdict="This is not enough: see the warnings of the fit." if bad else "This is sound.",
            warning=bad,
        )
    names = list(post.layout.names)
    divergent = int(stats["diverging"].sum())
    r_hat, least = table.loc[names, "r_hat"].max(), table.loc[names, ["ess_bulk", "ess_tail"]]
    bad = divergent > 0 or not r_hat <= LARGEST_R_HAT or not least.min(axis=None) >= SMALLEST_ESS
    return sentence(
        "{} of {} draws diverged; the largest R-hat is {} (wanted: at most {}), the smallest "
        "effective sample size {} (wanted: at least {}). {verdict}",
        Number("convergence.divergences", divergent),
        Number("convergence.draws", int(stats["diverging"].size)),
        Number("convergence.r_hat", float(r_hat)),
        Number("convergence.r_hat_limit", LARGEST_R_HAT),
        Number("convergence.ess", float(least.min(axis=None))),
        Number("convergence.ess_limit", SMALLEST_ESS),
        verdict="This falls short: run longer chains." if bad else "This is sound.",
        warning=bool(bad),
    )


def _convergence_table(post: Posterior) -> Table:
    columns = ["r_hat", "ess_bulk", "ess_tail"]
    table = post.summary().loc[list(post.layout.names), ["mean", "sd", *columns]]
    rows = [
        [cell(str(name)), *([Number(f"convergence.{name}.{c}", float(row[c]))] for c in table)]
        for name, row in table.iterrows()
    ]
    head = ["hyperparameter", "mean", "sd", "R-hat", "ESS (bulk)", "ESS (tail)"]
    return Table(head, rows, "Convergence of the hyperparameters", "summary.csv")


def check_section(findings: Findings) -> Section:
    """Each observation foretold from the others."""
    title = "Predictive check"
    if findings.check is None:
        return Section("check", title, [Text([f"There is none: {findings.no_check.rstrip('.')}."])])
    table, seen = findings.check.table, findings.check.observations
    score = table.iloc[0]
    rows = [
        [cell(SCORES.get(str(name), str(name))), cell(Number(f"check.{name}", _plain(value)))]
        for name, value in score.items()
        if np.isscalar(value) and not isinstance(value, str)
    ]
    blocks: list[Block] = [
        sentence(
            "Each observation is foretold from all others ({method}). Of central 95% intervals, "
            "{} of the observations are inside.",
            Number("check.inside", float(score["coverage"])),
            method=str(table.index[0]),
        ),
        Table(["score", "value"], rows, "Scores on the link scale", "check_scores.csv"),
        *(
            figure(lambda i=i: _panel(findings.check, i), caption, "check.csv")
            for i, caption in enumerate(PANELS)
        ),
    ]
    bad = int((seen["k_hat"] > LARGEST_K_HAT).sum()) if "k_hat" in seen else 0
    if bad:
        words = "{} observations have k-hat above {}: their scores are too good."
        limit = Number("check.k_hat_limit", LARGEST_K_HAT)
        blocks.append(sentence(words, Number("check.bad_k", bad), limit, warning=True))
    return Section("check", title, blocks)


def _panel(check: Check, number: int) -> Axes:
    """One of the panels of `plot.check`, in a figure of its own that a phone can show."""
    from matplotlib import pyplot as plt

    axes = [style.new_axes(5.2, 3.8) for _ in PANELS]
    shown = plot.check(check, ax=np.array(axes))[number]
    for other in axes:
        if other is not shown:
            plt.close(other.figure)
    return shown


def _plain(value: object) -> int | float:
    """Counts as whole numbers."""
    number = float(value)
    return int(number) if number.is_integer() and number > 1 else number
