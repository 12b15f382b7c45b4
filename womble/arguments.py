"""Arguments of the public doors: are they of the kinds that the signature states?

`checked` reads a function's annotations once and refuses, at each call, what is of another kind:
text for a number, a number for a flag, what is no seed. Ranges, shapes and everything else that
needs to know what the argument means is checked where it is used.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import NoneType, UnionType
from typing import Any, NamedTuple, ParamSpec, TypeVar, get_args

import numpy as np

P, R = ParamSpec("P"), TypeVar("R")


class Kind(NamedTuple):
    """What an argument may be: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _scalar(dtypes: str) -> Callable[[Any], bool]:
    """A single number of Python, NumPy or xarray, whose dtype is of one of these kinds."""

    def holds(argument: Any) -> bool:
        if isinstance(argument, bool | int | float):
            return np.asarray(argument).dtype.kind in dtypes
        return getattr(argument, "ndim", None) == 0 and argument.dtype.kind in dtypes

    return holds


def _sequence(argument: Any) -> bool:
    return hasattr(argument, "__len__") and not isinstance(argument, str | bytes | Mapping)


def _numbers(argument: Any) -> bool:
    """A plain sequence of numbers."""
    if not _sequence(argument):
        return False
    try:
        return np.asarray(argument, dtype=float).ndim == 1
    except (TypeError, ValueError):
        return False


def _array(argument: Any) -> bool:
    """An array of numbers or truth values, of NumPy or like one."""
    return hasattr(argument, "ndim") and getattr(argument, "dtype", np.dtype("O")).kind in "buif"


def _of(*names: str) -> Callable[[Any], bool]:
    """Of a class, or one derived from it, by its name: its module need not be loaded."""
    return lambda argument: any(c.__name__ in names for c in type(argument).__mro__)


def _posteriors(argument: Any) -> bool:
    """Some posteriors, by name or in a sequence."""
    entries = list(argument.values()) if isinstance(argument, Mapping) else argument
    return _sequence(entries) and all(hasattr(entry, "check") for entry in entries)


def _functions(argument: Any) -> bool:
    return isinstance(argument, Mapping) and all(map(callable, argument.values()))


def _seed(argument: Any) -> bool:
    if argument is None or isinstance(argument, np.random.Generator):
        return True
    return _scalar("iu")(argument) and argument >= 0


NONE = Kind("None", lambda argument: argument is None)
TEXT = Kind("text", lambda argument: isinstance(argument, str))
WHOLE = Kind("a whole number", lambda argument: _scalar("iu")(argument))
KINDS = {
    "None": NONE,
    "str": TEXT,
    "int": WHOLE,
    "float": Kind("a number", _scalar("iuf")),
    "bool": Kind("True or False", _scalar("b")),
    "Sequence[float]": Kind("a sequence of numbers", _numbers),
    "Sequence[int]": Kind("a sequence of whole numbers", _numbers),
    "tuple[float, float]": Kind("a pair of numbers", lambda a: _numbers(a) and np.shape(a) == (2,)),
    "Mapping[str, Any]": Kind("a mapping by name", lambda a: isinstance(a, Mapping)),
    "Mapping[str, str]": Kind("a mapping by name", lambda a: isinstance(a, Mapping)),
    "Mapping[str, Statistic]": Kind("a mapping of names to functions", _functions),
    "Mapping[str, Posterior]": Kind("a mapping of names to posteriors", _posteriors),
    "Posterior": Kind("a Posterior", _of("Posterior")),
    "Sequence[Posterior]": Kind("a sequence of posteriors", _posteriors),
    "Sequence[str]": Kind("a sequence of names", lambda a: _sequence(a) or isinstance(a, str)),
    "Sequence[Any]": Kind("a sequence", _sequence),
    "tuple[Correlation, ...]": Kind("a sequence of kernels", _sequence),
    "FloatArray": Kind("an array of numbers", _array),
    "BoolArray": Kind("an array of True and False", _array),
    "Grid": Kind("a womble.Grid", _of("Grid")),
    "Transect": Kind("a Transect", _of("Transect")),
    "Check": Kind("a Check, as post.check() returns", _of("Check")),
    "pd.DataFrame": Kind("a DataFrame", _of("DataFrame")),
    "np.ndarray": Kind("Axes", lambda a: _of("Axes")(a) or type(a) in (list, tuple, np.ndarray)),
    # Names of choices: which they are is for the function to say.
    **dict.fromkeys(("Target", "Kind", "LikelihoodName", "Method", "Inference"), TEXT),
}
SEED = Kind("None, a seed (a whole number that is not negative) or a numpy.random.Generator", _seed)
PATH = Kind("a path", lambda argument: isinstance(argument, str | os.PathLike))
# Alternatives that mean one thing together.
TOGETHER = {
    "int | np.random.Generator | None": (SEED,),
    "str | os.PathLike": (PATH,),
    "str | os.PathLike | None": (PATH, NONE),
    "str | Path": (PATH,),
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, refusing arguments that are not of the kinds of its annotations.

    Annotations that are not known here are not checked. Of a class its constructor is checked.

    Raises
    ------
    TypeError
        By the function returned, naming the argument.
    """
    if inspect.isclass(function):
        function.__init__ = checked(function.__init__)
        return function
    signature = inspect.signature(function)
    kinds = {name: _kinds(p.annotation) for name, p in signature.parameters.items()}
    names = tuple(signature.parameters)

    @wraps(function)
    def door(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, argument in (*zip(names, args, strict=False), *kwargs.items()):
            _require(name, argument, kinds.get(name, ()), signature)
        return function(*args, **kwargs)

    return door


def _require(name: str, argument: Any, kinds: Sequence[Kind], signature: inspect.Signature) -> None:
    """Refuse an argument of none of the kinds; what is the default already is fine."""
    if not kinds or any(kind.holds(argument) for kind in kinds):
        return
    if argument is signature.parameters[name].default:
        return
    *words, last = dict.fromkeys(kind.words for kind in kinds)
    expected = f"{', '.join(words)} or {last}" if words else last
    raise TypeError(f"`{name}` must be {expected}; got {describe(argument)}.")


def describe(argument: Any) -> str:
    """An argument in a few words, for messages: its value if that is short, else its type."""
    shown = repr(argument)
    if len(shown) <= 40 and "\n" not in shown and not shown.startswith("<"):
        return shown
    shape = getattr(argument, "shape", None)
    return type(argument).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def _kinds(annotation: Any) -> tuple[Kind, ...]:
    """The kinds of an annotation, one an alternative; none where one of them is not known."""
    if annotation in TOGETHER:
        return TOGETHER[annotation]
    if isinstance(annotation, str):
        found = [_named(part.strip()) for part in _alternatives(annotation)]
    else:
        parts = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        found = [_typed(part) for part in parts]
    return () if None in found else tuple(found)


def _alternatives(annotation: str) -> list[str]:
    """Split at bars that are not within brackets."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _named(annotation: str) -> Kind | None:
    if annotation.startswith("Literal["):
        return TEXT if annotation[8] in "'\"" else WHOLE
    return KINDS.get(annotation)


def _typed(annotation: Any) -> Kind | None:
    """Of an annotation that is a class."""
    if annotation is NoneType:
        return NONE
    if not inspect.isclass(annotation) or annotation is inspect.Parameter.empty:
        return None
    plain = _named(annotation.__name__)
    if plain is not None:
        return plain
    name = annotation.__name__
    article = "an" if name[0] in "AEIOU" else "a"
    return Kind(f"{article} {name}", lambda argument: isinstance(argument, annotation))
