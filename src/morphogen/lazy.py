"""Lazy exports: the names of a public module are imported from their home modules on first use.

A public module lists its names by home and defines `__getattr__` with `resolve`, so that `import morphogen`
loads neither torch nor any family.
"""

__all__ = ["resolve"]

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def resolve(module: str, homes: Mapping[str, str], name: str) -> Any:
    """Import `name` from its home below `morphogen`. Errors: AttributeError that lists the known names."""
    if name not in homes:
        raise AttributeError(f"{module} has no attribute {name!r}; it exports {', '.join(sorted(homes))}")
    return getattr(import_module(f"morphogen.{homes[name]}"), name)
