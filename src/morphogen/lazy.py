"""Lazy exports: the names of a public module are imported from their home modules on first use.

A public module lists its names by home and defines `__getattr__` with `resolve`, so that `import morphogen`
loads neither torch nor any family.
"""

__all__ = ["resolve"]

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any


def resolve(module: str, homes: Mapping[str, str], name: str) -> Any:
    """Import `name` from its home below `morphogen`. Errors: AttributeError that suggests other names."""
    if name not in homes:
        near = get_close_matches(name, homes, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it exports {', '.join(sorted(homes))}"
        raise AttributeError(f"{module} has no attribute {name!r}; {hint}")
    return getattr(import_module(f"morphogen.{homes[name]}"), name)
