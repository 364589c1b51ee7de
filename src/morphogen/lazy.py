"""Lazy exports: the names of a public module are imported from their home modules on first use.

    __getattr__, __dir__, __all__ = attach(__name__, {"DDIM": "families.diffusion"})

A public module lists its names by home, so that `import morphogen` loads neither torch nor any family.

    features = lazy("evaluation.features.picture_features")

A class attribute names what is above it in the layers, and imports it on first use.
"""

__all__ = ["attach", "lazy"]

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from morphogen.other_words import ATTRIBUTES, other_word


def attach(
    module: str, homes: Mapping[str, str], submodules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a module that imports its names on first use.

    Arguments:
        module: the module's name.
        homes: for each name, the module below `morphogen` that defines it.
        submodules: names of submodules, which are imported whole.

    Raises:
        AttributeError: for an unknown name, with the closest names or all.
    """
    names = [*homes, *submodules]
    parents = module.split(".")[1:]

    def load(name: str) -> Any:
        if name in submodules:
            return import_module(f"morphogen.{'.'.join([*parents, name])}")
        if name not in homes:
            if module in ATTRIBUTES and (error := other_word(module, name)) is not None:
                raise error
            if submodules and (found := _elsewhere(name, submodules)):
                raise AttributeError(f"{module} has no attribute {name!r}; write {found}")
            near = get_close_matches(name, names, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it exports {', '.join(sorted(names))}"
            raise AttributeError(f"{module} has no attribute {name!r}; {hint}")
        return getattr(import_module(f"morphogen.{homes[name]}"), name)

    return load, lambda: names, names


def lazy(home: str) -> Any:
    """A class attribute that is imported on first use: its value is `morphogen.{home}`, unbound."""
    return _Lazy(home)


class _Lazy:
    """A descriptor that imports its value."""

    def __init__(self, home: str):
        self.home = home

    def __get__(self, instance: Any, owner: type) -> Any:
        module, _, name = self.home.rpartition(".")
        return getattr(import_module(f"morphogen.{module}"), name)


def _elsewhere(name: str, submodules: Collection[str]) -> str:
    """Where below `morphogen` a public name is, as code; "": nowhere."""
    if name.startswith("_"):
        return ""
    for submodule in submodules:
        if name in import_module(f"morphogen.{submodule}").__all__:
            return f"mg.{submodule}.{name}"
    spec = find_spec(f"morphogen.{name}")
    if spec is None or spec.origin is None:
        return ""
    has_function = f"\ndef {name}(" in Path(spec.origin).read_text(encoding="utf8")
    used = f", and morphogen.{name}.{name}(...)" if has_function else ""
    return f"import morphogen.{name}{used}"
