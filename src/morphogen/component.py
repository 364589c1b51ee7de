"""Components: parts of a model whose constructor signature is their config.

A `Component` stores each constructor argument as an attribute of the same name (scikit-learn's convention),
so that `to_config` needs no separate config class. Each subclass is registered under its class name when it
is defined. `from_config` resolves names in that registry, after importing the module of this package, or of
one that declares parts (`plugins`), that defines the part: no dotted path and no code is ever taken from a
file. A part that occurs more than once is written once and referred to afterwards.

Large arguments (a tokenizer) are an `Asset`: a file next to the config, which names it with its sha256.
"""

__all__ = [
    "Asset",
    "Component",
    "ConfigError",
    "assets",
    "find_part",
    "first_line",
    "from_config",
    "set_path",
    "to_config",
]

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from morphogen.caller import setting
from morphogen.part_index import import_own, import_part
from morphogen.wrong_calls import explains_construction

LONGEST = 24  # elements of a tuple that a part's repr shows, such as the weights of a table's column
REPR_WIDTH = 120  # columns that a part's repr may take before it is split over several lines


class ConfigError(ValueError):
    """An invalid config or argument; the message names the part, the value and the remedy."""


class Asset:
    """A file that is an argument of a part, identified by its content and saved next to the config.

    Arguments:
        name: file name, such as "tokenizer.json"; on disk it includes the hash ("tokenizer-1a2b3c4d.json").
        content: the bytes of the file.
    """

    known: ClassVar[
        dict[str, "Asset"]
    ] = {}  # by sha256, so that configs can be rebuilt in memory without a folder

    def __init__(self, name: str, content: bytes):
        self.sha256, self.content = hashlib.sha256(content).hexdigest(), content
        stem, dot, suffix = name.partition(".")
        short = self.sha256[:8]
        self.name = f"{stem.removesuffix(f'-{short}')}-{short}{dot}{suffix}"
        Asset.known.setdefault(self.sha256, self)

    @classmethod
    def find(cls, written: Mapping[str, Any], folder: Path | None) -> Self:
        """The asset that a config refers to. Errors: ConfigError if it is missing or its content differs."""
        name, sha256 = str(written["asset"]), str(written.get("sha256"))
        if Path(name).name != name:
            raise ConfigError(f"{name!r} is not a file name; an asset must be in the folder of the config")
        if folder is None or not (folder / name).is_file():
            if sha256 in cls.known:
                return cls.known[sha256]  # type: ignore[return-value]
            raise ConfigError(f"{name} is missing; restore it next to the config")
        asset = cls(name, (folder / name).read_bytes())
        if asset.sha256 != sha256:
            raise ConfigError(
                f"{name} is not the file that the config names: its sha256 is {asset.sha256[:8]}..., "
                f"expected {sha256[:8]}..."
            )
        return asset

    def __repr__(self) -> str:
        return repr(self.name)


class Component:
    """Base class of all parts that can be saved and rebuilt from their constructor arguments.

    Arguments may be numbers, strings, tuples, dicts and other parts.
    """

    registry: ClassVar[dict[str, type["Component"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] != __package__:  # it must not take the name of a part of ours
            import_own(cls.__name__)
        known = Component.registry.get(cls.__name__)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ConfigError(
                f"two parts are named {cls.__name__}: {known.__module__} and {cls.__module__}; rename one"
            )
        Component.registry[cls.__name__] = cls
        if "__init__" in vars(cls):
            explains_construction(cls)

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments by name, read from the attributes."""
        arguments: dict[str, Any] = {}
        for name, parameter in _parameters(type(self)).items():
            if not hasattr(self, name):
                raise ConfigError(
                    f"{type(self).__name__}.__init__ takes {name!r} but sets no attribute of that name"
                )
            value = getattr(self, name)
            arguments |= value.items() if parameter.kind is parameter.VAR_KEYWORD else {name: value}
        return arguments

    def __repr__(self) -> str:
        return _expression(self, 0)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def to_config(part: Component) -> dict[str, Any]:
    """Serialize a part as JSON: `{"part": name, argument: value}`; a repeated part is `{"ref": path}`."""
    seen: dict[int, str] = {}

    def write(value: Any, path: str) -> Any:
        if isinstance(value, Component):
            if id(value) in seen:
                return {"ref": seen[id(value)]}
            seen[id(value)] = path
            arguments = {k: write(v, f"{path}.{k}" if path else k) for k, v in value.arguments.items()}
            return {"part": type(value).__name__} | arguments
        if isinstance(value, Asset):
            return {"asset": value.name, "sha256": value.sha256}
        if isinstance(value, tuple | list):
            return [write(v, f"{path}.{i}") for i, v in enumerate(value)]
        if isinstance(value, Mapping):
            return {k: write(v, f"{path}.{k}") for k, v in value.items()}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        kind = type(value).__name__
        if hasattr(value, "state_dict"):  # a network
            raise ConfigError(
                f"{path}: {kind} is no Component, so that it cannot be saved; write "
                f"class {kind}(mg.Component, nn.Module), and self.NAME = NAME for each argument of __init__"
            )
        raise ConfigError(f"{path}: a {kind} cannot be saved; pass numbers, strings or parts")

    return write(part, "")


def assets(part: Any) -> dict[str, Asset]:
    """The assets that the config of a part refers to, by file name."""
    if isinstance(part, Asset):
        return {part.name: part}
    inside = part.arguments if isinstance(part, Component) else part
    values: Any = inside if isinstance(inside, tuple | list) else ()
    if isinstance(inside, Mapping):
        values = inside.values()
    return {name: asset for value in values for name, asset in assets(value).items()}


def from_config(config: Mapping[str, Any], folder: Path | None = None) -> Any:
    """Build a part from its config; lists become tuples. Errors: ConfigError for unknown parts and arguments.

    Arguments:
        config: output of `to_config`.
        folder: directory of the assets; None: only those already loaded by this process.
    """
    built: dict[str, Any] = {}

    def read(value: Any, path: str) -> Any:
        if isinstance(value, Mapping) and "ref" in value:
            if value["ref"] not in built:
                raise ConfigError(f"{path}: refers to {value['ref']!r}, which is not defined before it")
            return built[value["ref"]]
        if isinstance(value, Mapping) and "asset" in value:
            return Asset.find(value, folder)
        if isinstance(value, Mapping) and "part" in value:
            cls = find_part(value["part"], path or "the config")
            arguments = {k: read(v, f"{path}.{k}" if path else k) for k, v in value.items() if k != "part"}
            try:
                built[path] = cls(**arguments)
            except TypeError as error:
                raise ConfigError(f"{path or cls.__name__}: {error}") from None
            return built[path]
        if isinstance(value, list):
            return tuple(read(v, f"{path}.{i}") for i, v in enumerate(value))
        if isinstance(value, Mapping):
            return {k: read(v, f"{path}.{k}") for k, v in value.items()}
        return value

    return read(config, "")


def find_part(name: str, where: str = "the config") -> type[Component]:
    """The class of a part, whose module is imported first. Errors: ConfigError if there is none.

    Arguments:
        name: of the part.
        where: path in a config that names it, for the message.
    """
    faults = [] if name in Component.registry else import_part(name, Component.registry)
    if name not in Component.registry:
        missing = (
            f"{where}: no part is named {name!r}; import the module, or install the package, that defines it"
        )
        raise ConfigError("; ".join([missing, *faults]))
    return Component.registry[name]


def set_path(config: dict[str, Any], path: str, value: Any) -> None:
    """Set one value of a config in place; `path` may be any unique suffix, such as `network.channels`."""
    keys = path.split(".")
    matches: list[tuple[str, dict]] = []

    def walk(node: Any, parents: list[str]) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                if key != "part" and [*parents, key][-len(keys) :] == keys:
                    matches.append((".".join([*parents, key]), node))
                walk(child, [*parents, key])

    walk(config, [])
    exact = [match for match in matches if match[0] == path] or matches
    if not exact:
        raise ConfigError(
            f"{setting('changes', path, value)} names nothing; known: {', '.join(sorted(_paths(config)))}"
        )
    if len(exact) > 1:
        raise ConfigError(
            f"{setting('changes', path, value)} is ambiguous: {', '.join(name for name, _ in exact)}"
        )
    exact[0][1][keys[-1]] = value


def _paths(config: Any, parent: str = "") -> list[str]:
    if not isinstance(config, dict):
        return [parent]
    children = {f"{parent}.{k}" if parent else k: v for k, v in config.items() if k != "part"}
    return [path for name, child in children.items() for path in _paths(child, name)]


def _expression(value: Any, depth: int, path: str = "", seen: dict[int, str] | None = None) -> str:
    """The Python expression that builds a part, without defaults; a repeated part is its path."""
    seen = {} if seen is None else seen
    if isinstance(value, Component):
        if id(value) in seen:
            return seen[id(value)]
        seen[id(value)] = path
        items = []
        for name, argument in value.arguments.items():
            if not _is_default(value, name, argument):
                child = f"{path}.{name}" if path else name
                items.append(f"{name}={_expression(argument, depth + 1, child, seen)}")
        line = f"{type(value).__name__}({', '.join(items)})"
        if len(line) + 2 * depth <= REPR_WIDTH and "\n" not in line:
            return line
        indent = "  " * (depth + 1)
        lines = "".join(f"{indent}{item},\n" for item in items)
        return f"{type(value).__name__}(\n{lines}{'  ' * depth})"
    if isinstance(value, tuple | list):
        if len(value) > LONGEST and not isinstance(value[0], Component):
            first, last = (_expression(tuple(some), depth) for some in (value[:3], value[-1:]))
            return f"{first[:-1]}, ..., {last[1:-2]})"
        inside = ", ".join(_expression(v, depth, f"{path}.{i}", seen) for i, v in enumerate(value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, Mapping):
        pairs = (f"{k!r}: {_expression(v, depth, f'{path}.{k}', seen)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _is_default(part: Component, name: str, value: Any) -> bool:
    """Whether an argument equals its default; parts never do."""
    if isinstance(value, Component) or name not in _parameters(type(part)):
        return False
    default = _parameters(type(part))[name].default
    return default is not inspect.Parameter.empty and value == default


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Constructor parameters; none if no Component defines a constructor (nn.Module's own takes anything)."""
    owner = next(c for c in cls.__mro__ if "__init__" in vars(c))
    if not issubclass(owner, Component):
        return {}
    return dict(list(inspect.signature(owner.__init__).parameters.items())[1:])
