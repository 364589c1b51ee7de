"""The catalogue of named systems, read from the modules of `systems/`."""

__all__ = ["Page", "UnknownName", "build_system", "check_conditions", "family", "look_up", "pages"]

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
from morphogen.component import ConfigError, from_config, set_path, to_config
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.source import SourceText
from morphogen.contract import Representation
from morphogen.data import Dataset, Pairs, WithSketches
from morphogen.systems import Size
from morphogen.typed import check_types

T = TypeVar("T")


class UnknownName(ValueError):
    """An unknown name; the message suggests the closest known ones."""


@dataclass(frozen=True)
class Page:
    """A named system: name, medium, first line of the docstring, and the function that builds it."""

    name: str
    medium: str
    summary: str
    build: Callable[..., Any]


@cache
def pages() -> Mapping[str, Page]:
    """All systems by name."""
    found = {}
    for module in pkgutil.iter_modules(morphogen.systems.__path__):
        function = getattr(import_module(f"morphogen.systems.{module.name}"), module.name)
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values()))
        summary = (inspect.getdoc(function) or "").split("\n")[0]
        found[module.name] = Page(module.name, medium_of(first.annotation), summary, function)
    return found


def page(name: str) -> Page:
    """A system by name. Errors: UnknownName with the closest names."""
    return look_up(pages(), name, "system", "morphogen systems")


def look_up(known: Mapping[str, T], name: str, what: str, lister: str) -> T:
    """Return `known[name]`. Errors: UnknownName with the closest names and the command that lists all."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)
        raise UnknownName(
            f"no {what} is named {name!r}; did you mean {', '.join(near)}? (`{lister}` lists all)"
        )
    return known[name]


def build_system(
    name: str, representation: Representation, classes: int, size: str = "small",
    changes: Mapping[str, Any] | None = None, **parts: Any,
) -> Any:  # fmt: skip
    """Build a named system for data of this representation.

    Arguments:
        name: of the system.
        representation: of the data.
        classes: number of labels; 0: unconditional.
        size: "tiny", "small" or "paper".
        changes: config values to override, such as `{"network.channels": 64}`.
        parts: further arguments of the system, such as the `mel` of a WaveNet.

    Errors: UnknownName; ConfigError for an unknown size or data of another medium.
    """
    if size not in get_args(Size):
        raise ConfigError(f"size {size!r} is unknown; choose {', '.join(get_args(Size))}")
    medium = medium_of(type(representation))
    if page(name).medium != medium:
        fitting = ", ".join(other.name for other in pages().values() if other.medium == medium)
        raise ConfigError(
            f"{name} models {page(name).medium}, but the data are {medium}; choose one of {fitting}"
        )
    model = page(name).build(representation, classes, size, **parts)
    if not changes:
        return model
    config = to_config(model)
    for path, value in changes.items():
        set_path(config, path, value)
    requested = ", ".join(f"{path}={value}" for path, value in changes.items())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about layers of width 0, which fail below anyway
            return from_config(check_types(config))
    except Exception as error:  # the unchanged config was just built, so whatever fails is due to the changes
        why = (str(error).splitlines() or [type(error).__name__])[0]
        message = f"--set {requested}: {name} cannot be built with this ({why}); give other values"
        raise ConfigError(message) from error


def check_conditions(name: str, model: Any, dataset: Dataset) -> None:
    """Check that a model's conditions are those of the data (sketches, source texts). Errors: ConfigError."""
    conditioner = getattr(model, "conditioner", None)
    translates = isinstance(getattr(conditioner, "conditioner", conditioner), SourceText)
    sketches, pairs = isinstance(dataset.train, WithSketches), isinstance(dataset.train, Pairs)
    if sketches and not isinstance(conditioner, Sketch):
        raise ConfigError(
            f"{name} does not accept sketches; use sketch_to_picture, or omit --condition sketch"
        )
    if isinstance(conditioner, Sketch) and not sketches:
        raise ConfigError(f"{name} needs sketches, which {dataset.name} has not; add --condition sketch")
    if pairs and not translates:
        raise ConfigError(f"{name} continues a text, but {dataset.name} has pairs of texts; use transformer")
    if translates and not pairs:
        raise ConfigError(
            f"{name} translates pairs of texts, but {dataset.name} is plain text; use gpt, llama or rnn_lm"
        )


def medium_of(representation: type[Representation]) -> str:
    """The name of the medium of a representation class."""
    return representation.medium.name


def family(model: Any) -> str:
    """The family of a model, or of its stages in order: the package that defines its objective."""
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    return " + ".join(type(stage.objective).__module__.split(".")[2] for stage in stages)
