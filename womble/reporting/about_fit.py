"""The chapter on convergence, and that on what the fit foretells."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from womble import plot
from womble.check import Check
from womble.diagnostics import LARGEST_R_HAT, SMALLEST_ESS
from womble.pareto import LARGEST_K_HAT
from womble.plot import style
from womble.posterior import Posterior
from womble.reporting.content import (
    Block,
    Figure,
    Number,
    Section,
    Table,
    Text,
    cell,
    sentence,
)
from womble.reporting.findings import Findings
from womble.reporting.images import figure

# Beyond it on either side a statistic is said not to be reproduced.
TAIL = 0.025
PANELS = (
    "Calibration: of the probability integral transforms (PIT), or of predicted probabilities.",
    "Predictions and observations.",
    "Residuals.",
)
SCORES = {
    "n": "observations",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
    "crps": "continuous ranked probability score (of presence: Brier)",
    "coverage": "coverage of 95% intervals",
    "log_density": "mean log density or probability",
    "pit_p": "p-value of uniform PIT (Kolmogorov and Smirnov)",
}


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
            Number("convergence.evaluations", int(stats["points"])),
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
        Number("convergence.r_hat", float(r_hat), 4),
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
        # R-hat is told from 1 by its fourth digit.
        [
            cell(str(name)),
            *(
                [Number(f"convergence.{name}.{c}", float(row[c]), 4 if c == "r_hat" else 3)]
                for c in table
            ),
        ]
        for name, row in table.iterrows()
    ]
    head = ["hyperparameter", "mean", "sd", "R-hat", "ESS (bulk)", "ESS (tail)"]
    return Table(head, rows, "Convergence of the hyperparameters", "summary.csv")


def check_section(findings: Findings) -> Section:
    """Each observation foretold from the others, and data sets that the model makes."""
    blocks = [*_scores(findings), *_replicated(findings)]
    return Section("check", "Predictive checks", blocks)


def _scores(findings: Findings) -> list[Block]:
    if findings.check is None:
        why = findings.no_check.rstrip(".")
        return [Text([f"Observations were not foretold from the others: {why}."])]
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
        Table(["score", "value"], rows, f"Scores of {findings.check.name}", "check_scores.csv"),
        *(
            figure(lambda i=i: _panel(findings.check, i), caption, "check.csv")
            for i, caption in enumerate(PANELS)
        ),
    ]
    bad = int(seen["influential"].sum())
    if bad:
        words = "Observations whose weights cannot be trusted (k-hat above {}): {}. Their scores "
        words += "are too good."
        limit = Number("check.k_hat_limit", LARGEST_K_HAT)
        blocks.append(sentence(words, limit, Number("check.influential", bad), warning=True))
    return blocks


def _replicated(findings: Findings) -> list[Block]:
    """Statistics of the data among those of replicates."""
    table = findings.replicated
    if table is None:
        why = findings.no_replicated.rstrip(".")
        return [Text([f"No data sets were made by the model: {why}."])]
    columns = ["observed", "mean", "q025", "q975", "p"]
    rows = [
        [cell(str(name)), *([Number(f"replicated.{name}.{c}", float(row[c]))] for c in columns)]
        for name, row in table.iterrows()
    ]
    head = ["statistic", "observed", "mean of replicates", "2.5%", "97.5%", "p"]
    caption = "The data among data sets that the fitted model makes at the same sites: p near 0 "
    caption += "or 1 is what the model does not reproduce"
    words = "neighbours is the correlation of values with the mean of those at the nearest sites."
    missed = [str(name) for name, row in table.iterrows() if not TAIL <= row["p"] <= 1 - TAIL]
    if missed:
        words += f" Not reproduced (p beyond 0.025 or 0.975): {', '.join(missed)}."
    return [Table(head, rows, caption, "replicated.csv"), Text([words], warning=bool(missed))]


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
