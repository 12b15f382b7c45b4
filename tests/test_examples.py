"""The examples in docstrings say what happens."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "womble.check",
    "womble.datasets",
    "womble.grid",
    "womble.interop.sklearn",
    "womble.kernels.matern",
    "womble.model",
    "womble.penalised_complexity",
    "womble.points",
    "womble.posterior",
    "womble.posterior.checks",
    "womble.posterior.lines",
    "womble.posterior.maps",
)
EXAMPLES = [
    example
    for name in MODULES
    for example in doctest.DocTestFinder(exclude_empty=True).find(import_module(name))
    if example.examples
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example):
    said = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    assert runner.run(example, out=said.append).failed == 0, "".join(said)


def test_there_are_examples():
    assert len(EXAMPLES) >= 15
