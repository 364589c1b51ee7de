"""The tensors of a module by name, and what they can be converted to.

model.to("cuda"), model.half(), ...     apply one function to every tensor
"""

__all__ = ["Converted", "available_device", "copy_tensors", "parameters", "tensors"]

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError, first_line

FULL = 4  # bytes of the narrowest float that the parameters of a model can have


class Converted(nn.Module):
    """Base class of modules that are converted as a whole.

    Errors: ConfigError for half precision, which is an argument, and for a device that is not there.
    """

    def to(self, *given: Any, **named: Any) -> Self:
        """As that of torch, and to "auto", the GPU if there is one."""
        named |= {name: _device(value) for name, value in named.items() if isinstance(value, str)}
        converted: list[Any] = [_device(value) if isinstance(value, str) else value for value in given]
        return super().to(*converted, **named)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        _check(fn)
        return super()._apply(fn, recurse)


def available_device(given: Any) -> torch.device:
    """A device by its name or number, which may be "auto". Errors: ConfigError if it is not there."""
    device = _device(given)
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(f"device={given!r}: {first_line(error)}: give {_names()}") from None
    return device


def parameters(module: nn.Module) -> int:
    """Number of learned parameters."""
    return sum(math.prod(p.shape) for p in module.parameters())


def tensors(module: nn.Module, without: Iterable[nn.Module] = ()) -> dict[str, Tensor]:
    """Parameters and buffers by name, shared ones under their first name, except those of `without`."""
    kept: dict[str, Tensor] = {}
    seen = {id(tensor) for part in without for tensor in part.state_dict(keep_vars=True).values()}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kept[name] = tensor.detach()
    return kept


def copy_tensors(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy `values` into the tensors of the same names. Errors: ConfigError if names or shapes differ."""
    if own.keys() != values.keys():
        missing, unknown = sorted(own.keys() - values.keys())[:3], sorted(values.keys() - own.keys())[:3]
        raise ConfigError(f"weights do not fit: missing {missing}, unknown {unknown}")
    if wrong := [name for name, tensor in own.items() if tensor.shape != values[name].shape]:
        name = wrong[0]
        shapes = f"{tuple(values[name].shape)}, the config says {tuple(own[name].shape)}"
        raise ConfigError(f"weights do not fit: {name} is {shapes}")
    for name, tensor in own.items():
        tensor.copy_(values[name])


def _check(convert: Callable[[Tensor], Tensor]) -> None:
    """Check a function that is to be applied to every tensor of a model. Errors: ConfigError."""
    try:
        converted = convert(torch.zeros(1))
    except (AssertionError, RuntimeError) as error:  # torch's own, such as "No CUDA GPUs are available"
        raise ConfigError(
            f"the model cannot be moved ({first_line(error)}): write model.to({_auto()!r})"
        ) from None
    if converted.is_floating_point() and converted.element_size() < FULL:
        name = str(converted.dtype).removeprefix("torch.")
        raise ConfigError(
            f"a model keeps its parameters in float32, not {name}: give the precision of a call, "
            'model.sample(4, precision="bf16")'
        )


def _device(given: Any) -> torch.device:
    """A device by its name or number; "auto": the GPU if there is one. Errors: ConfigError."""
    try:
        return torch.device(_auto() if given == "auto" else given)
    except (RuntimeError, TypeError):
        raise ConfigError(f"device={given!r:.40}: torch knows none of this name: give {_names()}") from None


def _auto() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _names() -> str:
    """The devices that can be given here."""
    return " or ".join(map(repr, dict.fromkeys(("auto", "cpu", _auto()))))
