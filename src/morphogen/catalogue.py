"""The catalogue of named systems, read from the modules of `systems/`."""

__all__ = [
    "Misfit",
    "Page",
    "UnknownName",
    "build_system",
    "change",
    "family",
    "faults",
    "fitting",
    "look_up",
    "page_family",
    "pages",
]

import difflib
import inspect
import pkgutil
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, get_args

import morphogen.systems
from morphogen.caller import option, settings
from morphogen.component import ConfigError, first_line, from_config, set_path, to_config
from morphogen.contract import ConditionSpec, Objective, Representation
from morphogen.model import give_specs
from morphogen.plugins import installed
from morphogen.systems import Size
from morphogen.typed import check_types
from morphogen.wrong_calls import explains_calls

T = TypeVar("T")


class UnknownName(ValueError):
    """An unknown name; the message suggests the closest known ones."""


class Misfit(ConfigError):
    """A system that lacks conditions of the data, or requires others.

    Arguments:
        name: of the system.
        problem: what it needs, or does not take.
        remedies: how the data can be given these conditions.
        others: names of the systems that fit.
    """

    def __init__(self, name: str, problem: str, remedies: Sequence[str], others: Sequence[str]):
        choice = f"choose one that fits: {', '.join(others)}" if others else "no system fits them"
        super().__init__(f"{name} {problem}; {', or '.join([*remedies, choice])}")
        self.reason = "; ".join([problem, *remedies])  # for a reader who sees the others


@dataclass(frozen=True)
class Page:
    """A named system, read from the function that builds it.

    Arguments:
        name, medium: of the system; the medium is that of the first argument's class.
        summary: first line of the docstring.
        build: the function.
        takes: the conditions that it takes, by name: the arguments whose class is a `ConditionSpec`.
        required: those without a default.
        package: that has it.
    """

    name: str
    medium: str
    summary: str
    build: Callable[..., Any]
    takes: Mapping[str, type[ConditionSpec]]
    required: frozenset[str]
    package: str = "morphogen"


def pages() -> Mapping[str, Page]:
    """All systems by name: those of this package, and those of other packages that can be used."""
    return _collect()[0]


def faults() -> Mapping[str, str]:
    """The systems of other packages that cannot be used, by name; each a line with package and reason."""
    return _collect()[1]


def page(name: str) -> Page:
    """A system by name. Errors: UnknownName with the closest names; ConfigError for a faulty one."""
    if name in faults():
        raise ConfigError(faults()[name])
    return look_up(pages(), name, "system", "morphogen systems", _published(name))


def look_up(known: Mapping[str, T], name: str, what: str, lister: str, published: Sequence[str] = ()) -> T:
    """Return `known[name]`. Errors: UnknownName with the closest names and the command that lists all.

    Arguments:
        known: what there is, by name.
        name: as a person wrote it.
        what: it is, in a word.
        lister: the command that lists all.
        published: those that have this name elsewhere, which are closer than similar names.
    """
    if name not in known:
        lower = {one.lower(): one for one in known}
        near = [lower[one] for one in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)]
        near = list(published[:3]) or near
        near = [lower[name.lower()]] if name.lower() in lower else near or list(known)
        raise UnknownName(
            f"no {what} is named {name!r}; did you mean {', '.join(near)}? (`{lister}` lists all)"
        )
    return known[name]


@explains_calls
def build_system(
    name: str, representation: Representation | Any, conditions: Mapping[str, ConditionSpec] | None = None,
    size: str = "small", changes: Mapping[str, Any] | None = None, **parts: Any,
) -> Any:  # fmt: skip
    """Build a named system for data of this representation, with the conditions that its page names.

    Arguments:
        name: of the system.
        representation: of the data; or a `Dataset`, which also has the conditions.
        conditions: what the data can condition on, `Dataset.conditions`; None: nothing.
        size: "tiny", "small" or "paper".
        changes: config values to override, such as `{"network.channels": 64}`.
        parts: further arguments of the system, such as the `teacher` of a distilled model.

    Errors: UnknownName; ConfigError for an unknown size, data of another medium, a condition that the page
    requires and the data lack, and one that the data require and the page does not take.
    """
    if size not in get_args(Size):
        raise ConfigError(f"size {size!r} is unknown; choose {', '.join(get_args(Size))}")
    representation, conditions = _of_data(representation, conditions)
    medium = medium_of(type(representation))
    if page(name).medium != medium:
        raise ConfigError(
            f"{name} models {page(name).medium}, but the data are {medium}; "
            f"choose one of {', '.join(fitting(medium, conditions or {}))}"
        )
    given = conditions if isinstance(conditions, Mapping) else {"label": conditions} if conditions else {}
    if any(not isinstance(spec, ConditionSpec) for spec in given.values()):
        raise ConfigError(
            f"build_system: conditions {conditions!r}: give those of the data, data.conditions, "
            'or {"label": Classes(10)}'
        )
    bound = _bind(page(name), conditions or {})
    model = explains_calls(page(name).build)(representation, **bound, size=size, **parts)
    model = change(name, model, changes) if changes else model
    give_specs(model, given)
    return model


def fitting(medium: str, conditions: Mapping[str, ConditionSpec]) -> list[str]:
    """The names of the systems that take data of this medium with these conditions."""
    fits = (page for page in pages().values() if page.medium == medium)
    return [page.name for page in fits if not any(_unbound(page, conditions, _taken(page, conditions)))]


def change(name: str, model: Any, changes: Mapping[str, Any]) -> Any:
    """The model with other config values. Errors: ConfigError if it cannot be built with them."""
    config = to_config(model)
    for path, value in changes.items():
        set_path(config, path, value)
    requested = settings("changes", changes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about layers of width 0, which fail below anyway
            return from_config(check_types(config))
    except Exception as error:  # the unchanged config was just built, so whatever fails is due to the changes
        why = first_line(error)
        message = f"{requested}: {name} cannot be built with this ({why}); give other values"
        raise ConfigError(message) from error


def medium_of(representation: type[Representation]) -> str:
    """The name of the medium of a representation class."""
    return representation.medium.name


def family(model: Any) -> str:
    """The family of a model, or of its stages in order: the package that defines its objective.

    That of an objective of another package is the family that it derives from, or else the package.
    """
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    return " + ".join(_family(type(stage.objective)) for stage in stages)


def page_family(name: str) -> str:
    """The families of a system that cannot be built: those of the objectives in its module."""
    objects = vars(inspect.getmodule(page(name).build)).values()
    objectives = [cls for cls in objects if isinstance(cls, type) and issubclass(cls, Objective)]
    return " + ".join(dict.fromkeys(_family(cls) for cls in objectives if cls is not Objective))


def _of_data(
    given: Any, conditions: Mapping[str, ConditionSpec] | None
) -> tuple[Representation, Mapping[str, ConditionSpec] | None]:
    """The representation and the conditions, which a `Dataset` has. Errors: ConfigError for other objects."""
    if isinstance(given, Representation):
        return given, conditions
    if not isinstance(getattr(given, "representation", None), Representation):
        raise ConfigError(f"build_system: {type(given).__name__} is no representation; load_data has one")
    return given.representation, given.conditions if conditions is None else conditions


@cache
def _collect() -> tuple[Mapping[str, Page], Mapping[str, str]]:
    """The systems, and the faults of those of other packages."""
    found, faulty = {}, {}
    for module in pkgutil.iter_modules(morphogen.systems.__path__):
        function = getattr(import_module(f"morphogen.systems.{module.name}"), module.name)
        found[module.name] = _page(module.name, function)
    packages = dict.fromkeys(found, "morphogen")
    for plugin in installed("systems"):
        name, other = plugin.name, packages.setdefault(plugin.name, plugin.package)
        if other != plugin.package:
            faulty[name] = f"two packages have a system {name!r}: {other} and {plugin.package}; uninstall one"
            found.pop(name, None)
            continue
        try:
            found[name] = replace(_page(name, plugin.load()), package=plugin.package)
        except (Exception, SystemExit) as error:  # whatever the package does
            faulty[name] = plugin.fault(error)
    return found, faulty


def _published(name: str) -> list[str]:
    """The systems whose summary has a word, such as the name of the model in its paper; [] for a system."""
    if name in pages():
        return []
    word = re.compile(rf"(?<!\w){re.escape(name.removesuffix('Synthesizer'))}(?!\w)", re.IGNORECASE)
    return [page.name for page in pages().values() if word.search(page.summary)]


def _page(name: str, function: Callable[..., Any]) -> Page:
    """What the signature and the docstring of a page say."""
    first, *others = inspect.signature(function, eval_str=True).parameters.values()
    summary = (inspect.getdoc(function) or "").split("\n")[0]
    classes = {p.name: _condition_class(p.annotation) for p in others}
    takes = {name: cls for name, cls in classes.items() if cls is not None}
    required = frozenset(p.name for p in others if p.name in takes and p.default is p.empty)
    return Page(name, medium_of(first.annotation), summary, function, takes, required)


def _condition_class(annotation: Any) -> type[ConditionSpec] | None:
    """The class of a condition in an annotation such as `Classes | None`; None: it is another argument."""
    classes = [cls for cls in (get_args(annotation) or (annotation,)) if isinstance(cls, type)]
    return next((cls for cls in classes if issubclass(cls, ConditionSpec)), None)


def _bind(page: Page, conditions: Mapping[str, ConditionSpec]) -> dict[str, ConditionSpec]:
    """The conditions that the page names and the data offer. Errors: ConfigError for what is missing."""
    bound = _taken(page, conditions)
    missing, ignored = _unbound(page, conditions, bound)
    if not missing and not ignored:
        return bound
    has = {name: type(spec) for name, spec in conditions.items()}
    problem = (
        f"needs {_described({name: page.takes[name] for name in missing})}; the data have {_described(has)}"
        if missing
        else f"does not take the {_described({name: has[name] for name in ignored})} of the data"
    )
    wanted = [page.takes[name].wanted for name in missing if page.takes[name].wanted]
    remedies = [f"add {option(*one)}" for one in wanted]
    remedies += [page.takes[name].remedy for name in missing if page.takes[name].remedy]
    raise Misfit(page.name, problem, remedies, fitting(page.medium, conditions))


def _taken(page: Page, conditions: Mapping[str, ConditionSpec]) -> dict[str, ConditionSpec]:
    """Those of the conditions that the page takes, by name and class."""
    return {name: spec for name, spec in conditions.items() if isinstance(spec, page.takes.get(name, ()))}


def _unbound(
    page: Page, conditions: Mapping[str, ConditionSpec], bound: Mapping[str, ConditionSpec]
) -> tuple[list[str], list[str]]:
    """The conditions that the page requires and the data lack, and those that it would wrongly ignore."""
    ignored = (name for name in conditions.keys() - bound.keys() if not conditions[name].optional)
    return sorted(page.required - bound.keys()), sorted(ignored)


def _described(specs: Mapping[str, type[ConditionSpec]]) -> str:
    """The conditions in words: "labels", or "texts ('source')"."""
    named = {"labels": "label", "sketches": "sketch"}
    words = [s.plural if named.get(s.plural) == n else f"{s.plural} ({n!r})" for n, s in specs.items()]
    return " and ".join(words) or "no conditions"


def _family(objective: type) -> str:
    modules = [kind.__module__.split(".") for kind in objective.__mro__]
    ours = [parts[2] for parts in modules if parts[:2] == ["morphogen", "families"]]
    return ours[0] if ours else modules[0][0]
