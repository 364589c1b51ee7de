"""Watch the parts that a user has written on the first batch, so that a wrong signature or shape is one line.

    Net.forward receives (float32 [2, 1, 8, 8], float32 [2], None); it fails on the first batch: ...

No paper: it is a check.
"""

__all__ = ["own_parts", "trying"]

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import OutOfMemoryError, Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.objective_values import WrongShape

FAULTS = (TypeError, ValueError, RuntimeError, LookupError, AttributeError)  # of a wrong signature or shape


def own_parts(model: nn.Module) -> list[nn.Module]:
    """The parts of a model that another package, a program or a notebook defines."""
    here = __name__.partition(".")[0]
    parts = [part for part in model.modules() if isinstance(part, Component)]
    return [part for part in parts if type(part).__module__.partition(".")[0] != here]


@contextmanager
def trying(parts: list[nn.Module]) -> Iterator[None]:
    """Context manager: an error inside becomes a ConfigError with what the parts received and returned."""
    calls: dict[str, str] = {}

    def receive(part: nn.Module, given: tuple[Any, ...]) -> None:
        calls[type(part).__name__] = f"forward receives ({', '.join(map(_described, given))})"

    def give_back(part: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        calls[type(part).__name__] += f" and returns {_described(result)}"

    hooks = [part.register_forward_pre_hook(receive) for part in parts]
    hooks += [part.register_forward_hook(give_back) for part in parts]
    try:
        yield
    except FAULTS as error:
        is_ours = isinstance(error, ConfigError) and not isinstance(error, WrongShape)
        if is_ours or isinstance(error, MemoryError | OutOfMemoryError) or not calls:
            raise
        line = (str(error).splitlines() or [type(error).__name__])[0]
        found = "; ".join(f"{name}.{what}" for name, what in calls.items())
        raise ConfigError(f"{found}; it fails on the first batch: {line}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _described(value: Any) -> str:
    """The type and the shape of a tensor, or the kind of another value."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "None" if value is None else type(value).__name__
