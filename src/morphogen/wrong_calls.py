"""Calls that do not fit the signature of a function, in one line with a call that does.

    mg.build_system("vae")
    WrongCall: build_system() requires representation; write mg.build_system("ddpm", data)

    mg.save(model, 3)
    WrongCall: save(): directory=3: give a string or an object of type Path; write mg.save(model, "model")

A call is looked at only once it has failed, so that a call that works costs nothing. The examples are
evaluated in the tests.
"""

__all__ = ["UnknownArgument", "WrongCall", "explains_calls", "explains_construction", "wrong_call"]

import inspect
import json
import re
from collections.abc import Callable, Container, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

from morphogen.annotations import describe, is_of
from morphogen.caller import option
from morphogen.other_words import ELSEWHERE, EXAMPLES, argument_words

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
GIVEN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class WrongCall(TypeError):
    """A call lacks an argument, has one too many or one of another type; the message has one that works."""


class UnknownArgument(TypeError):
    """A function has no argument of this name; the message has the one to write."""


def explains_calls(function: F) -> F:
    """Decorator: a call that fails because its arguments do not fit is a WrongCall, or an UnknownArgument."""

    words, known = argument_words(function.__name__), inspect.signature(function).parameters

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        if words and (unknown := [name for name in named if name in words and name not in known]):
            code, owner = words[unknown[0]], given[0] if given else None
            remedy = _remedy(code, owner, named[unknown[0]], known)
            raise _unknown(function.__name__, unknown[0], remedy, list(known), ELSEWHERE.get(code, ""))
        try:
            return function(*given, **named)
        except (WrongCall, UnknownArgument):
            raise
        except (TypeError, AttributeError) as error:
            is_constructor = function.__name__ == "__init__" and given
            called = type(given[0]).__name__ if is_constructor else function.__name__
            if (wrong := wrong_call(function, called, given, named)) is None:
                raise
            raise wrong from error

    return call  # type: ignore[return-value]


def explains_construction(kind: C) -> C:
    """Decorator of a class, also of a dataclass: as `explains_calls`, of its constructor."""
    kind.__init__ = explains_calls(kind.__init__)  # type: ignore[misc]
    return kind


def wrong_call(
    function: Callable[..., Any], name: str, given: Sequence[Any], named: Mapping[str, Any]
) -> TypeError | None:
    """What is wrong with the arguments of a call; None: they fit, so that an error has another cause.

    Arguments:
        function: that is called.
        name: of it, for the message.
        given, named: the arguments by place, with `self` for a method, and by name.
    """
    parameters = list(inspect.signature(function).parameters.values())
    places = [p for p in parameters if p.kind in GIVEN]
    known = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    kinds = {p.kind for p in parameters}
    own = " and ".join(p.name for p in places if p.name != "self")
    example = f"; write {EXAMPLES[name]}" if name in EXAMPLES else ""
    typed = given[0] if given else named.get("name")
    if name == "build_system" and isinstance(typed, str):
        example = example.replace("ddpm", typed)
    unknown = [one for one in named if one not in known]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        return _unknown(name, unknown[0], argument_words(name).get(unknown[0]), known)
    if len(given) > len(places) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        more = _shown(given[len(places)])
        takes = f"{own} in this order" if own else "no argument without a name"
        return WrongCall(f"{name}() takes {takes}, and not {more}{example}")
    bound = dict(zip((p.name for p in places), given, strict=False))
    if twice := [one for one in bound if one in named]:
        return WrongCall(f"{name}(): {twice[0]} is given twice, by its place and by its name{example}")
    values = {**bound, **named}
    required = [p.name for p in parameters if p.default is p.empty and p.name in known]
    if missing := [one for one in required if one not in values]:
        return WrongCall(f"{name}() requires {' and '.join(missing)}{example or _signature(name, required)}")
    return _wrong_type(function, name, {key: values[key] for key in known if key in values}, example)


def _remedy(code: str, owner: Any, value: Any, known: Container[str]) -> str | None:
    """Our code for an argument of another library, with the condition that was given.

    Labels that are one word are the name of a column, where the function knows it as the condition.

    None: it has a sampler that does not sample the model, the owner of the method.
    """
    name, _, example = code.partition("=")
    if name == "labels" and "condition" in known and isinstance(value, str):
        return option("condition", value)
    if name in ("condition", "negative"):
        words = value.values() if isinstance(value, dict) else [value]
        if all(type(word) in (str, type(json.loads(example))) for word in words):
            return option(name, value)
    objective = getattr(owner, "objective", None)
    if name != "sampler" or objective is None:
        return code
    parts = (getattr(import_module("morphogen.samplers"), part) for part in re.findall(r"mg\.(\w+)\(", code))
    required = filter(None, (getattr(part, "requires", "") for part in parts))
    return code if all(hasattr(objective, attribute) for attribute in required) else None


def _unknown(
    function: str, name: str, code: str | None, known: Sequence[str] = (), elsewhere: str = ""
) -> UnknownArgument:
    """The error for an unknown argument: our code for it, which models have it, similar names, or all."""
    near = get_close_matches(name, known, n=2)
    names = ", ".join(one for one in known if one != "self")
    listed = f"did you mean {' or '.join(near)}?" if near else f"its arguments are {names}"
    remedy = elsewhere or listed
    return UnknownArgument(f"{function}() has no argument {name!r}; {f'write {code}' if code else remedy}")


def _wrong_type(
    function: Callable[..., Any], name: str, values: Mapping[str, Any], example: str
) -> WrongCall | None:
    """The first argument that is not of the type of its annotation; None: all are."""
    try:
        hints = get_type_hints(function)
    except NameError:  # names imported for type checking only
        return None
    for one, value in values.items():
        if one in hints and not is_of(value, hints[one]):
            wanted = describe(hints[one], none="None")
            return WrongCall(f"{name}(): {one}={_shown(value)}: give {wanted}{example}")
    return None


def _signature(name: str, required: Sequence[str]) -> str:
    """The call with the names of the arguments that are required."""
    return f"; write {name}({', '.join(one for one in required if one != 'self')})"


def _shown(value: Any) -> str:
    """A value on one line, or its type if it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{type(value).__name__}"
