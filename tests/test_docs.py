"""`make docs`: every public name is on a page, with its parameters, and nothing is fetched."""

import inspect
import re

import pytest
from make_docs import build

import womble as wb


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The text of each page by the name of its module."""
    written = build(tmp_path_factory.mktemp("docs"))
    return {name: path.read_text(encoding="utf-8") for name, path in written.items()}


def part(page, name):
    """What stands under `name`, up to the next name."""
    head = r'<(?:section|div) id="'
    found = re.search(rf'{head}{re.escape(name)}".*?(?={head}|\Z)', page, re.DOTALL)
    assert found, f"{name} is missing"
    return re.sub(r"<[^>]+>", "", found[0])


def public_parts():
    """(page, name, function) of all public functions, constructors' classes and methods."""
    for name in wb.__all__:
        thing = getattr(wb, name)
        if inspect.ismodule(thing):
            every = [one for one in vars(thing) if one in getattr(thing, "__all__", vars(thing))]
            for one in every:
                function = getattr(thing, one)
                if inspect.isfunction(function) and not one.startswith("_"):
                    yield f"womble.{name}", one, function
            continue
        yield "womble", name, thing
        if inspect.isclass(thing):
            for one, method in inspect.getmembers(thing, inspect.isroutine):
                ours = getattr(method, "__module__", "") or ""
                # From Python 3.13 on a cached property counts as a routine.
                if not one.startswith("_") and ours.startswith("womble") and callable(method):
                    yield "womble", f"{name}.{one}", method


@pytest.mark.parametrize(
    ("page", "name", "thing"), [pytest.param(*one, id=".".join(one[:2])) for one in public_parts()]
)
def test_every_name_is_there_with_its_parameters(pages, page, name, thing):
    text = part(pages[page], name)
    for line in inspect.cleandoc(thing.__doc__).splitlines()[:1]:
        assert line.split("`")[0].strip()[:40] in text
    if inspect.isclass(thing):
        return
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"\b{parameter}\b", text), parameter


def test_methods_of_base_classes_have_their_whole_docstrings(pages):
    text = part(pages["womble"], "Posterior.boundaries")
    for heading in ("Parameters", "Returns", "Raises"):
        assert heading in text
    assert "Vertices without a probe on both sides are undecidable" in text


def test_nothing_is_fetched_and_no_markup_is_left(pages):
    for page in pages.values():
        assert not re.search(r"""(?:src|<link[^>]*href)=["']?https?:""", page)
        assert ":math:" not in page
        assert ".. math::" not in page


def test_formulas_are_images_with_their_tex(pages):
    text = pages["womble"]
    assert re.search(r"<img class='math'[^>]*alt='\\rho\(z\) = e\^\{-z\^2 / 2\}", text)
