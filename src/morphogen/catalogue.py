"""The named systems, read off the pages in `systems/`: nothing is registered by hand."""

__all__ = ["Page", "UnknownName", "check_reader", "compose", "family", "look_up", "pages"]

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
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.source import SourceText
from morphogen.contract import Representation
from morphogen.data import Dataset, Pairs, WithSketches
from morphogen.systems import Size
from morphogen.typed import check_types

T = TypeVar("T")
MEDIA = {"Pixels": "pictures", "Text": "text", "Tabular": "table", "MuLaw": "sound"}  # what the first argument of a page says


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
        medium = medium_of(first.annotation)
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
    medium = medium_of(type(representation))
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


def check_reader(name: str, model: Any, dataset: Dataset) -> None:
    """Refuse a system that hears what the data do not say: pairs of texts, sketches, and the other way round. Errors: ConfigError."""
    conditioner = getattr(model, "conditioner", None)
    reads, sketched = isinstance(getattr(conditioner, "conditioner", conditioner), SourceText), isinstance(dataset.train, WithSketches)
    if sketched and not isinstance(conditioner, Sketch):
        raise ConfigError(f"{name} hears no sketches; take sketch_to_picture, or leave --condition sketch out")
    if isinstance(conditioner, Sketch) and not sketched:
        raise ConfigError(f"{name} draws from sketches, {dataset.name} has none beside its pictures; give --condition sketch")
    if isinstance(dataset.train, Pairs) and not reads:
        what = f"{dataset.name} is pairs of a text and what becomes of it"
        raise ConfigError(f"{name} goes on with a text, {what}; take transformer, which turns one into the other")
    if reads and not isinstance(dataset.train, Pairs):
        raise ConfigError(f"{name} turns one text into another, {dataset.name} is text to go on with; take gpt, llama or rnn_lm")


def medium_of(representation: type[Representation]) -> str:
    """What a representation is of."""
    return next(MEDIA[kind.__name__] for kind in representation.__mro__ if kind.__name__ in MEDIA)


def family(model: Any) -> str:
    """The family of a model, or those of its stages in order: the package its objective lives in."""
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    return " + ".join(type(stage.objective).__module__.split(".")[2] for stage in stages)
