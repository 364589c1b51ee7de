"""Whether a value fits an annotation, and the annotation in words, for errors.

`fits` checks JSON values: numbers, strings, `Literal`, tuples of them and None. `is_of` also checks classes
and sequences, but not arrays, which many functions convert.
"""

__all__ = ["describe", "fits", "is_of"]

import inspect
from collections.abc import Collection, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

PLAIN = (bool, int, float, str, NoneType)
WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def fits(value: Any, expected: Any) -> bool:
    """Whether a JSON value fits an annotation; True for annotations that are not checked here."""
    origin, inside = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        types = inside[:1] * len(value) if inside[1:] == (...,) else inside
        return len(value) == len(types) and all(map(fits, value, types))
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if expected in PLAIN:
        return isinstance(value, expected)
    return expected is Any or not inspect.isclass(expected) or not isinstance(value, PLAIN)


def is_of(value: Any, expected: Any) -> bool:
    """Whether a value is of an annotation's type; True for annotations that are not checked here."""
    origin, inside = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        return any(is_of(value, one) for one in inside)
    if _is_sequence(origin):
        items = value if isinstance(value, list | tuple) else ()
        is_listed = isinstance(value, origin) and not isinstance(value, str)
        return is_listed and all(is_of(item, inside[0]) for item in items if inside)
    if inspect.isclass(expected) and origin is None and expected not in PLAIN and not _is_array(expected):
        return expected is Any or isinstance(value, expected)
    return fits(value, expected)


def describe(expected: Any, none: str = "null") -> str:
    """Description of an annotation."""
    origin, inside = get_origin(expected), get_args(expected)
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin in (Union, UnionType):
        return " or ".join(describe(one, none) for one in inside)
    if _is_sequence(origin) and inspect.isclass(inside[0]):
        return f"a list of {inside[0].__name__}"
    if expected is NoneType:
        return none
    is_class = inspect.isclass(expected) and origin is None
    named = f"an object of type {expected.__name__}" if is_class else str(expected)
    return WORDS.get(expected, named)


def _is_sequence(origin: Any) -> bool:
    return inspect.isclass(origin) and issubclass(origin, Collection) and issubclass(Sequence, origin)


def _is_array(expected: type) -> bool:
    """Whether an annotation is of a tensor, which arrays and lists can be made into."""
    return expected.__module__.partition(".")[0] in ("jaxtyping", "torch")
