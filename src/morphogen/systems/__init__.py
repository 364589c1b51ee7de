"""Named systems: each module has a function of the same name that builds a published model.

    from morphogen.systems import ddpm
    model = ddpm(pixels, label=Classes(10), size="small")
    list(mg.systems)                                            the names of all

Each page has a table of sizes: "tiny" for tests, "small" for minutes on two cores, "paper" as published.
"""

__all__ = ["Size"]

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NoReturn

from morphogen.wrong_calls import WrongCall

Size = Literal["tiny", "small", "paper"]


class _Systems(ModuleType):
    """The package, whose attributes are the functions of its modules, although both have the same name."""

    def __setattr__(self, name: str, value: Any) -> None:  # Python binds each imported submodule here
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)

    def __iter__(self) -> Iterator[str]:
        """The names of the systems."""
        return iter(name for name in __dir__() if name not in __all__)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Errors: WrongCall with what lists the systems, and what builds one."""
        raise WrongCall('systems is a module: write list(mg.systems), or mg.build_system("ddpm", data)')


def __getattr__(name: str) -> Any:
    if name not in __dir__():
        raise AttributeError(f"{__name__} has no system {name!r}; it has {', '.join(__dir__())}")
    return getattr(import_module(f"morphogen.systems.{name}"), name)


def __dir__() -> list[str]:
    return [*__all__, *(module.name for module in pkgutil.iter_modules(__path__))]


sys.modules[__name__].__class__ = _Systems
