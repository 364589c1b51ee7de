"""The named systems, read off the pages in `systems/`: nothing is registered by hand."""

__all__ = ["Page", "UnknownName", "compose", "family", "look_up", "pages"]

import difflib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, get_args

import morphogen.systems
from morphogen.component import ConfigError, build, describe, set_path
from morphogen.contract import Representation
from morphogen.systems import Size
from morphogen.typed import check_types

T = TypeVar("T")
MEDIA = {
    "Pixels": "pictures",
    "Bytes": "text",
    "Tabular": "table",
    "MuLaw": "sound",
}  # what the first argument of a page says of its medium


class UnknownName(ValueError):
    """Nothing has that name; the message has the nearest ones."""


@dataclass(frozen=True)
class Page:
    """One system: what it is called, which representation it is written for, its docstring's first line, its function."""

    name: str
    medium: str
    summary: str
    compose: Callable[..., Any]


@cache
def pages() -> Mapping[str, Page]:
    """Every page, by name."""
    found = {}
    for module in pkgutil.iter_modules(morphogen.systems.__path__):
        function = getattr(import_module(f"morphogen.systems.{module.name}"), module.name)
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values()))
        medium = MEDIA[first.annotation.__name__]
        summary = (inspect.getdoc(function) or "").split("\n")[0]
        found[module.name] = Page(module.name, medium, summary, function)
    return found


def page(name: str) -> Page:
    """The page of a system; unknown names are answered with the nearest known ones."""
    return look_up(pages(), name, "system", "morphogen systems")


def look_up(known: Mapping[str, T], name: str, what: str, lister: str) -> T:
    """`known[name]`, or UnknownName with the nearest names and the command that lists them all."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)
        raise UnknownName(f"no {what} is named {name!r}; did you mean {', '.join(near)}? (`{lister}` lists all)")
    return known[name]


def compose(
    name: str, representation: Representation, classes: int, size: str = "small", changes: Mapping[str, Any] | None = None, **parts: Any
) -> Any:  # fmt: skip
    """A system for data of this representation.

    `changes` are numbers of its config, `{"network.channels": 64}`; `parts` what else its page takes: the `mel` that a WaveNet hears.

    Errors: UnknownName, or ConfigError where the size is none or the data are of another medium.
    """
    if size not in get_args(Size):
        raise ConfigError(f"size {size!r}: there are {', '.join(get_args(Size))}")
    medium = MEDIA[type(representation).__name__]
    if page(name).medium != medium:
        fitting = ", ".join(other.name for other in pages().values() if other.medium == medium)
        raise ConfigError(f"{name} is written for {page(name).medium}, the data are {medium}; take one of {fitting}")
    model = page(name).compose(representation, classes, size, **parts)
    if not changes:
        return model
    config = describe(model)
    for path, value in changes.items():
        set_path(config, path, value)
    asked = ", ".join(f"{path}={value}" for path, value in changes.items())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about a layer of no width: it will not pass
            return build(check_types(config))
    except Exception as error:  # without the changes it was built a moment ago: they are at fault, whatever was raised
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"--set {asked}: {name} cannot be built so ({why}); give other numbers") from error


def family(model: Any) -> str:
    """The family of a model, or those of its stages in order: the package its objective lives in."""
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    return " + ".join(type(stage.objective).__module__.split(".")[2] for stage in stages)
