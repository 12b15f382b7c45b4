"""Writes the API reference: `python tests/make_docs.py out/docs`.

pdoc reads the docstrings. What it cannot know is told here: public names are loaded lazily, the
methods of Posterior and FieldModel stand in base classes, and formulas are drawn by Matplotlib, so
that the pages need no network.
"""

import base64
import inspect
import io
import re
import sys
from importlib import import_module
from pathlib import Path

import matplotlib
import pdoc
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image

import womble

# Pages besides `womble` itself, and what is shown of each: what its `__all__` has where None.
PAGES = {
    "womble.datasets": ("meuse", "meuse_river", "meuse_grid", "sic2004", "fulmar", "baltimore"),
    "womble.plot": None,
    "womble.interop.sklearn": None,
    "womble.paths": ("Paths",),
    "womble.points": ("Points",),
    "womble.check": ("Check",),
    "womble.transect": ("Transect",),
    "womble.priors": ("DefaultPriors",),
    "womble.decision": (),
    "womble.mask": ("data_distance",),
}
MATH = re.compile(r"^( *)\.\. math::((?:.*\n?)(?:\1 +\S.*\n?)*)|:math:`([^`]+)`", re.MULTILINE)
CODE = re.compile(r"(``.+?``|`[^`]+`|^ *>>> .*$)", re.MULTILINE | re.DOTALL)
# Parameters fill a screen of their own: smaller type, and long types are wrapped.
STYLE = """<style>
.pdoc .docstring h6 { font-weight: 600; margin: 1rem 0 0.3rem; }
.pdoc .signature.pdoc-code { font-size: 0.85em; white-space: pre-wrap; }
.pdoc .signature .param { white-space: pre-wrap; }
.pdoc .docstring pre { font-size: 0.8em; }
.pdoc img.math { display: inline; }
.pdoc div.math { margin: 0.8rem 1.5rem; overflow-x: auto; }
.pdoc div.math img { max-width: none; }
</style></head>"""


def build(folder):
    """Write one page a module, the index and the search into `folder`; the pages by name."""
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text=womble.__version__)
    modules = {name: page(name, shown) for name, shown in {"womble": None, **PAGES}.items()}
    vars(modules["womble"])["submodules"] = [modules[name] for name in PAGES]
    written = {}
    for name, module in modules.items():
        html = pdoc.render.html_module(module, modules).replace("</head>", STYLE)
        html = re.sub(r'<div class="decorator decorator-checked">@checked</div>', "", html)
        html = re.sub(r":(?=\s*</(?:p|li)>\s*(?:</?[lu]|$))", "", html)  # type, no description
        written[name] = folder / f"{name.replace('.', '/')}.html"
        written[name].parent.mkdir(parents=True, exist_ok=True)
        written[name].write_text(html, encoding="utf-8")
    (folder / "index.html").write_text(pdoc.render.html_index(modules), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")
    return written


def page(name, shown=None):
    """The module as pdoc sees it, with its public names and all their methods."""
    module = pdoc.doc.Module(import_module(name))
    names = module.obj.__all__ if shown is None else shown
    vars(module)["submodules"] = []
    vars(module)["_member_objects"] = {one: getattr(module.obj, one) for one in names}
    module.docstring = as_markdown(module.docstring)
    for member in module.members.values():
        if isinstance(member, pdoc.doc.Class):
            gather(member)
        elif member.kind == "function":
            spell_as_written(member)
        member.docstring = as_markdown(member.docstring)
    return module


def gather(shown):
    """Give a class the methods of its bases within womble, as its own, and no bases."""
    own = [member for member in shown.members.values() if is_documented(member) and is_ours(member)]
    for member in own:
        member.docstring = as_markdown(member.docstring)
        if member.kind == "function":
            spell_as_written(member)
    vars(shown).update(decorators=[], own_members=own, inherited_members={}, bases=[])


def is_documented(member):
    """Methods and properties with a docstring, and the constructor; fields stand in the class's."""
    return member.name == "__init__" or bool(member.docstring and member.name[0] != "_")


def is_ours(member):
    """Not what scikit-learn's base class has, or makes."""
    made_in = getattr(member.obj, "__module__", None) or "womble"
    return member.taken_from[0].startswith("womble") and made_in.startswith("womble")


class Written(str):
    """An annotation as it stands in the source, where pdoc would spell out each alias."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


def spell_as_written(function):
    """Annotations as they stand in the source."""
    source = getattr(function.obj, "__func__", function.obj)
    given = {name: p.annotation for name, p in inspect.signature(source).parameters.items()}
    found = function.signature
    parameters = [
        one.replace(annotation=Written(given[name])) if isinstance(given.get(name), str) else one
        for name, one in found.parameters.items()
    ]
    returned = source.__annotations__.get("return")
    if isinstance(returned, str) and returned != "None":
        found = found.replace(return_annotation=Written(returned))
    vars(function)["signature"] = found.replace(parameters=parameters)


def as_markdown(text):
    """numpydoc as pdoc reads it: formulas drawn, `<name>` no tag, a colon no type."""
    parts = CODE.split(MATH.sub(drawn, text))
    for i in range(0, len(parts), 2):
        prose = re.sub(r"<(?!/?(?:img|div)\b)(?=\w)", "&lt;", parts[i])
        parts[i] = re.sub(r"(?<=EPSG):(?=\d)", "&#58;", prose)
    return "".join(parts)


def drawn(match):
    """A formula as an SVG within the page, with its TeX for those who do not see it."""
    indent, block, inline = match.groups()
    tex = " ".join((block or inline).split())
    image = svg(tex.rstrip("."))
    return image if inline else f"{indent}<div class='math'>{image}</div>\n\n"


def svg(tex):
    file = io.BytesIO()
    known = tex.replace(r"\bigl", r"\left").replace(r"\bigr", r"\right")  # of Matplotlib's TeX
    with matplotlib.rc_context({"svg.hashsalt": "womble", "mathtext.fontset": "cm"}):
        depth = math_to_image(f"${known}$", file, prop=FontProperties(size=13), format="svg")
    plain = re.sub(rb"<metadata>.*?</metadata>", b"", file.getvalue(), flags=re.DOTALL)
    source = f"data:image/svg+xml;base64,{base64.b64encode(plain).decode()}"
    shift = f"vertical-align:-{depth:.1f}pt"
    return (
        f"<img class='math' style='{shift}' alt='{tex.replace(chr(39), '&#39;')}' src='{source}'>"
    )


if __name__ == "__main__":
    for path in build(Path(sys.argv[1])).values():
        print(path)
