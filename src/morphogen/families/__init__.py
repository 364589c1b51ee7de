"""The families of generative models: one package each, with an objective, its parts and its samplers."""

from importlib import import_module
from types import ModuleType

_FAMILIES = ("autoregressive", "classical", "diffusion", "flow", "gan", "vae")

__all__ = [*_FAMILIES]


def __getattr__(name: str) -> ModuleType:
    if name not in _FAMILIES:
        raise AttributeError(f"{__name__} has no attribute {name!r}; it has {', '.join(_FAMILIES)}")
    return import_module(f"morphogen.families.{name}")


def __dir__() -> list[str]:
    return __all__
