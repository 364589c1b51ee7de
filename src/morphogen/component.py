"""The constructor signature is the config: every part writes itself down, and is built again from what it wrote.

A `Component` keeps each constructor argument as an attribute of the same name (scikit-learn's rule), so that `describe`
needs no second config class. Every subclass enters one table by its name when it is defined; `build` looks up there and
nowhere else: no dotted path, no code ever comes from a file. A part met twice is written once and referred to after.

What is too large for a config (a tokenizer) is an `Asset`: a file beside it, which the config names with its sha256.
"""

__all__ = ["Asset", "Component", "ConfigError", "assets", "build", "describe", "set_path"]

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self


class ConfigError(ValueError):
    """A config that cannot be written or read; the message names the part and the remedy."""


class Asset:
    """A file that is an argument of a part: known by its content, and written beside the config.

    Arguments:
        name: of the file, as people call it ("tokenizer.json"); on disk it carries the beginning of the hash ("tokenizer-1a2b3c4d.json").
        content: its bytes.
    """

    known: ClassVar[dict[str, "Asset"]] = {}  # by sha256: a config is built again, without a folder, where it was described

    def __init__(self, name: str, content: bytes):
        self.sha256 = hashlib.sha256(content).hexdigest()
        stem, dot, suffix = name.partition(".")
        self.name, self.content = f"{stem.removesuffix(f'-{self.sha256[:8]}')}-{self.sha256[:8]}{dot}{suffix}", content
        Asset.known.setdefault(self.sha256, self)

    @classmethod
    def find(cls, written: Mapping[str, Any], folder: Path | None) -> Self:
        """The asset that a config names. Errors: ConfigError where it is neither in the folder nor known, or is another file."""
        name, sha256 = str(written["asset"]), str(written.get("sha256"))
        if Path(name).name != name:
            raise ConfigError(f"{name!r} is no name of a file beside the config")
        if folder is None or not (folder / name).is_file():
            if sha256 in cls.known:
                return cls.known[sha256]  # type: ignore[return-value]
            raise ConfigError(f"{name} is missing; restore it beside the config")
        found = cls(name, (folder / name).read_bytes())
        if found.sha256 != sha256:
            raise ConfigError(f"{name} is not the file that the config names (its sha256 is {found.sha256[:8]}..., not {sha256[:8]}...)")
        return found

    def __repr__(self) -> str:
        return repr(self.name)


class Component:
    """A part of a model that can be written down and built again. Arguments: numbers, strings, tuples, dicts, other parts."""

    table: ClassVar[dict[str, type["Component"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = Component.table.get(cls.__name__)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ConfigError(f"two parts are named {cls.__name__}: {known.__module__} and {cls.__module__}; rename one")
        Component.table[cls.__name__] = cls

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, by name, as they stand on the object."""
        found: dict[str, Any] = {}
        for name, parameter in _parameters(type(self)).items():
            if not hasattr(self, name):
                raise ConfigError(f"{type(self).__name__}.__init__ takes {name!r} but keeps no attribute of that name")
            value = getattr(self, name)
            found.update(value.items()) if parameter.kind is parameter.VAR_KEYWORD else found.__setitem__(name, value)
        return found

    def __repr__(self) -> str:
        return _expression(self, 0)


def describe(part: Component) -> dict[str, Any]:
    """Write a part as plain JSON: `{"part": name, argument: value, ...}`; a part met again is `{"ref": path}`."""
    seen: dict[int, str] = {}

    def write(value: Any, path: str) -> Any:
        if isinstance(value, Component):
            if id(value) in seen:
                return {"ref": seen[id(value)]}
            seen[id(value)] = path
            return {"part": type(value).__name__} | {k: write(v, f"{path}.{k}" if path else k) for k, v in value.arguments.items()}
        if isinstance(value, Asset):
            return {"asset": value.name, "sha256": value.sha256}
        if isinstance(value, tuple | list):
            return [write(v, f"{path}.{i}") for i, v in enumerate(value)]
        if isinstance(value, Mapping):
            return {k: write(v, f"{path}.{k}") for k, v in value.items()}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise ConfigError(f"{path}: a {type(value).__name__} cannot be written down; pass numbers, strings or parts")

    return write(part, "")


def assets(part: Any) -> dict[str, Asset]:
    """The files that `describe` names, by their names."""
    if isinstance(part, Asset):
        return {part.name: part}
    inside = part.arguments if isinstance(part, Component) else part
    values = inside.values() if isinstance(inside, Mapping) else inside if isinstance(inside, tuple | list) else ()
    return {name: asset for value in values for name, asset in assets(value).items()}


def build(config: Mapping[str, Any], folder: Path | None = None) -> Any:
    """Build what `describe` wrote. Lists come back as tuples. Unknown parts and arguments are refused by name.

    Arguments:
        config: as `describe` gives it.
        folder: where its assets lie; None: those that this process has met.
    """
    built: dict[str, Any] = {}

    def read(value: Any, path: str) -> Any:
        if isinstance(value, Mapping) and "ref" in value:
            if value["ref"] not in built:
                raise ConfigError(f"{path}: refers to {value['ref']!r}, which does not stand before it")
            return built[value["ref"]]
        if isinstance(value, Mapping) and "asset" in value:
            return Asset.find(value, folder)
        if isinstance(value, Mapping) and "part" in value:
            cls = Component.table.get(value["part"])
            if cls is None:
                raise ConfigError(f"{path or 'the config'}: no part is named {value['part']!r}; import the module that defines it")
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


def set_path(config: dict[str, Any], path: str, value: Any) -> None:
    """Change one number of a config in place: `network.channels` means the one place whose path ends so."""
    wanted = path.split(".")
    places: list[tuple[str, dict]] = []

    def walk(node: Any, here: list[str]) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                if key != "part" and [*here, key][-len(wanted) :] == wanted:
                    places.append((".".join([*here, key]), node))
                walk(child, [*here, key])

    walk(config, [])
    exact = [p for p in places if p[0] == path] or places
    if len(exact) != 1:
        found = f"is ambiguous: {', '.join(p for p, _ in exact)}" if exact else f"names nothing; known: {', '.join(sorted(_paths(config)))}"
        raise ConfigError(f"--set {path} {found}")
    exact[0][1][wanted[-1]] = value


def _paths(config: Any, here: str = "") -> list[str]:
    if not isinstance(config, dict):
        return [here]
    return [p for k, v in config.items() if k != "part" for p in _paths(v, f"{here}.{k}" if here else k)]


def _expression(value: Any, depth: int, path: str = "", seen: dict[int, str] | None = None) -> str:
    """The part as the expression that makes it, defaults left out; a part met again is its name."""
    seen = {} if seen is None else seen
    if isinstance(value, Component):
        if id(value) in seen:
            return seen[id(value)]
        seen[id(value)] = path
        items = []
        for name, argument in value.arguments.items():
            if not _is_default(value, name, argument):
                here = f"{path}.{name}" if path else name
                items.append(f"{name}={_expression(argument, depth + 1, here, seen)}")
        line = f"{type(value).__name__}({', '.join(items)})"
        if len(line) + 2 * depth <= 120 and "\n" not in line:
            return line
        pad = "  " * (depth + 1)
        return f"{type(value).__name__}(\n" + "".join(f"{pad}{item},\n" for item in items) + "  " * depth + ")"
    if isinstance(value, tuple | list):
        inside = ", ".join(_expression(v, depth, f"{path}.{i}", seen) for i, v in enumerate(value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_expression(v, depth, f'{path}.{k}', seen)}" for k, v in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _is_default(part: Component, name: str, value: Any) -> bool:
    """The argument says what its absence would: a number, a string or None."""
    if isinstance(value, Component) or name not in _parameters(type(part)):
        return False
    default = _parameters(type(part))[name].default
    return default is not inspect.Parameter.empty and value == default


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """What the constructor takes; nothing where no part defines one (nn.Module's own takes anything)."""
    owner = next(c for c in cls.__mro__ if "__init__" in vars(c))
    return dict(list(inspect.signature(owner.__init__).parameters.items())[1:]) if issubclass(owner, Component) else {}
