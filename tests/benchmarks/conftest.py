"""Ratios that benchmarks print come together in one table, for the README."""

import pytest

ROWS = []


@pytest.fixture
def record():
    """Take down what was done, our seconds, and those of what it is measured against."""

    def take(what, ours, reference, theirs):
        ROWS.append((what, _seconds(ours), reference, _seconds(theirs), f"{theirs / ours:.3g}"))

    return take


def _seconds(value):
    unit, factor = next(
        (u, f) for u, f in (("s", 1), ("ms", 1e3), ("µs", 1e6)) if value * f >= 1 or u == "µs"
    )
    return f"{value * factor:.3g} {unit}"


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    terminalreporter.write_line("\n| what | womble | beside | takes | times |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for row in ROWS:
        terminalreporter.write_line("| " + " | ".join(row) + " |")
