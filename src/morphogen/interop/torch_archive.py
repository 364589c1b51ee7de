"""Tensors of a file of `torch.save`, read without unpickling.

Before PyTorch 1.6 a file was a sequence of pickles (a magic number, the protocol, sizes, the object, the
sorted keys of its storages), followed by the storages: the number of elements as int64, then the elements.
`pickletools` disassembles a pickle into its opcodes and executes none of them. In the object of a state dict
every tensor is its name, the key of its storage (a decimal number), then integers: the number of elements,
the offset, the sizes and the strides.

Only what packaged weights need is read: little-endian float32 tensors, each with a storage of its own.
"""

__all__ = ["read_state_dict"]

import io
import pickletools
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError

HEADER = 3  # pickles before the object
INTEGER = "num_batches_tracked"  # the int64 buffers of batch normalization, which are left out


def read_state_dict(content: bytes) -> dict[str, Float[Tensor, "..."]]:
    """The float32 tensors of a saved state dict, by name and in its order.

    Errors: ConfigError if the content is not such a file, or truncated.
    """
    file = io.BytesIO(content)
    try:
        for _ in range(HEADER):
            list(pickletools.genops(file))
        layouts = list(_layouts(file))
        storages = dict(_storages(file, {key: name for name, key, _, _ in layouts}))
        return {
            name: storages[name].as_strided(sizes, strides).contiguous()
            for name, _, sizes, strides in layouts
            if name in storages
        }
    except (ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(
            f"not a state dict saved by PyTorch 1.5 or older ({error}); fetch the file again"
        ) from None


def _layouts(file: io.BytesIO) -> Iterator[tuple[str, str, list[int], list[int]]]:
    """Name, key of the storage, sizes and strides of each tensor of the next pickle."""
    name, key, numbers = "", "", list[int]()
    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "BINUNICODE" and argument.isdecimal():
            key, numbers = argument, []
        elif opcode.name == "BINUNICODE" and argument not in ("storage", "cpu"):
            name = argument
        elif opcode.name.startswith("BININT"):
            numbers.append(argument)
        elif opcode.name in ("NEWFALSE", "NEWTRUE"):  # requires_grad ends the arguments of a tensor
            axes = len(numbers) // 2 - 1
            yield name, key, numbers[2 : 2 + axes], numbers[2 + axes :]


def _storages(file: io.BytesIO, names: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    """Name and elements of each float32 storage; first the pickle of their keys, then their contents."""
    keys: list[Any] = [
        argument for opcode, argument, _ in pickletools.genops(file) if opcode.name == "BINUNICODE"
    ]
    for key in keys:
        name = names[key]
        integer = name.endswith(INTEGER)
        size = int.from_bytes(file.read(8), "little") * (8 if integer else 4)
        data = file.read(size)
        if len(data) < size:
            raise ValueError(f"{name} is truncated")
        if not integer:
            yield name, torch.frombuffer(bytearray(data), dtype=torch.float32)
