"""Type checks of configs against the annotations of the constructors, so that errors name the argument.

Only JSON values are checked: numbers, strings, `Literal`, tuples of them and None. Parts validate their own
arguments when they are built.
"""

__all__ = ["check_arguments", "check_fields", "check_part", "check_types"]

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_type_hints

import numpy as np

from morphogen.annotations import describe, fits
from morphogen.component import Component, ConfigError

C = TypeVar("C")


def check_types(config: C) -> C:
    """Return a config of `component.to_config`. Errors: ConfigError with path, value and expected type."""
    _walk(config, "")
    return config


def check_arguments(annotations: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check arguments against annotations; returns them with plain numbers for those of NumPy, 8 for 8.0.

    Errors: ConfigError with the name, the value and the type that is expected.
    """
    plain = {}
    for name, value in given.items():
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, float) and number.is_integer() and not fits(number, annotations[name]):
            number = int(number)
        if not fits(number, annotations[name]):
            shown = " ".join(repr(value).split())
            raise ConfigError(f"{name}={shown:.80}: give {describe(annotations[name], none='None')}")
        plain[name] = number
    return plain


def check_fields(options: Any) -> None:
    """Check the fields of a dataclass, as `check_arguments`. Errors: ConfigError."""
    annotations = get_type_hints(type(options))
    for name, value in check_arguments(annotations, {n: getattr(options, n) for n in annotations}).items():
        object.__setattr__(options, name, value)  # of a frozen dataclass


def check_part(part: Component) -> None:
    """Check the arguments of a part, and of the parts among them. Errors: see `check_arguments`."""
    kind = type(part).__name__
    for name, hint in _annotations(kind).items():
        value = getattr(part, name)
        try:
            plain = check_arguments({name: hint}, {name: value})[name]
        except ConfigError as error:
            raise ConfigError(f"{kind}: {error}") from None
        if plain is not value:  # a number of NumPy, or 8.0 for 8
            setattr(part, name, plain)
        for inside in value if isinstance(value, tuple) else (value,):
            if isinstance(inside, Component):
                check_part(inside)


def _walk(node: Any, path: str) -> None:
    if isinstance(node, list | tuple):
        for i, value in enumerate(node):
            _walk(value, f"{path}.{i}")
    if not isinstance(node, Mapping):
        return
    expected = _annotations(str(node.get("part")))
    for name, value in node.items():
        child = f"{path}.{name}" if path else name
        if name in expected and not fits(value, expected[name]):
            raise ConfigError(f"{child}={value!r}: {node['part']} expects {describe(expected[name])}")
        _walk(value, child)


@cache
def _annotations(part: str) -> dict[str, Any]:
    """Annotations of a part's constructor arguments; empty for an unknown part."""
    cls = Component.registry.get(part)
    if cls is None:
        return {}
    try:
        hints = get_type_hints(cls.__init__)
    except NameError:  # names imported for type checking only
        return {}
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: hints[p.name] for p in parameters if p.name in hints and p.kind is not p.VAR_KEYWORD}
