"""Whether the numbers of a config are of the types that the constructors ask for: told here, by name, not deep in torch.

Only what JSON can get wrong is looked at: numbers, strings, `Literal`, tuples of them and None. Parts are built, and say
themselves what does not fit.
"""

__all__ = ["check_types"]

import inspect
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from morphogen.component import Component, ConfigError

C = TypeVar("C")
PLAIN = (bool, int, float, str, NoneType)


def check_types(config: C) -> C:
    """The config itself (of `component.describe`). Errors: ConfigError with the path, the value and what the part takes."""
    _walk(config, "")
    return config


def _walk(node: Any, path: str) -> None:
    if isinstance(node, list | tuple):
        for i, value in enumerate(node):
            _walk(value, f"{path}.{i}")
    if not isinstance(node, Mapping):
        return
    wanted = _annotations(str(node.get("part")))
    for name, value in node.items():
        here = f"{path}.{name}" if path else name
        if name in wanted and not _fits(value, wanted[name]):
            raise ConfigError(f"{here}={value!r}: {node['part']} takes {_name(wanted[name])} there")
        _walk(value, here)


@cache
def _annotations(part: str) -> dict[str, Any]:
    """What each argument of a part's constructor is annotated with; nothing for a part that is not known."""
    cls = Component.table.get(part)
    if cls is None:
        return {}
    try:
        hints = get_type_hints(cls.__init__)
    except NameError:  # written for a type checker alone
        return {}
    taken = inspect.signature(cls.__init__).parameters.values()
    return {p.name: hints[p.name] for p in taken if p.name in hints and p.kind is not p.VAR_KEYWORD}


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a JSON value may stand for an annotation; True where it is not for this file to say."""
    origin, inside = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    if origin is tuple:
        kinds = inside[:1] * len(value) if isinstance(value, list | tuple) and inside[1:] == (...,) else inside
        return isinstance(value, list | tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted in PLAIN:
        return isinstance(value, wanted)
    return wanted is Any or not inspect.isclass(wanted) or not isinstance(value, PLAIN)


def _name(wanted: Any) -> str:
    """An annotation in words."""
    if get_origin(wanted) is Literal:
        return " or ".join(map(repr, get_args(wanted)))
    if get_origin(wanted) in (Union, UnionType):
        return " or ".join(_name(one) for one in get_args(wanted))
    plain = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", NoneType: "null"}
    return plain.get(wanted) or (f"a {wanted.__name__}" if inspect.isclass(wanted) and get_origin(wanted) is None else str(wanted))
