"""Seconds on the clock."""

from time import perf_counter


def best_of(function, repeats):
    """The least disturbed of several runs."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)
