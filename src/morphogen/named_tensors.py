"""The tensors of a module by name, and what they can be converted to.

model.to("cuda"), model.half(), ...     apply one function to every tensor
"""

__all__ = ["Converted", "copy_tensors", "parameters", "tensors"]

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError

FULL = 4  # bytes of the narrowest float that the parameters of a model can have


class Converted(nn.Module):
    """Base class of modules that are converted as a whole.

    Errors: ConfigError for half precision, which is an argument, and for a device that is not there.
    """

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        _check(fn)
        return super()._apply(fn, recurse)


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
        line = (str(error).splitlines() or [type(error).__name__])[0]
        has = "cuda" if torch.cuda.is_available() else "cpu"
        raise ConfigError(f"the model cannot be moved ({line}): write model.to({has!r})") from None
    if converted.is_floating_point() and converted.element_size() < FULL:
        name = str(converted.dtype).removeprefix("torch.")
        raise ConfigError(
            f"a model keeps its parameters in float32, not {name}: give the precision of a call, "
            'model.sample(4, precision="bf16")'
        )
