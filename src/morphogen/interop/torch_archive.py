"""Tensors of a file of `torch.save`, read without unpickling.

    PyTorch 1.6 and later    a zip file: NAME/data.pkl, and NAME/data/KEY with the elements of each storage
    before                   pickles (a magic number, the protocol, sizes, the object, the sorted keys of its
                             storages), then the storages: the number of elements as int64, the elements

`pickletools` disassembles a pickle into its opcodes and executes none of them. In the object, a state dict or
a dict of one, every tensor is its name, the key of its storage (a decimal number), then integers: the number
of elements, the offset, the sizes and the strides.

Only what packaged weights need is read: little-endian float32 tensors, each with a storage of its own.
"""

__all__ = ["read_state_dict"]

import io
import pickletools
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError

HEADER = 3  # pickles before the object, in the older format
INTEGER = "num_batches_tracked"  # the int64 buffers of batch normalization, which are left out
ZIP = b"PK"  # the first bytes of a zip file


class Layout(NamedTuple):
    """Name of a tensor, key of its storage and number of elements there, sizes and strides."""

    name: str
    key: str
    elements: int
    sizes: list[int]
    strides: list[int]


def read_state_dict(content: bytes) -> dict[str, Float[Tensor, "..."]]:
    """The float32 tensors of a saved state dict, by name and in its order.

    Errors: ConfigError if the content is not such a file, or truncated.
    """
    read = _read_zip if content.startswith(ZIP) else _read_sequence
    try:
        layouts, storages = read(io.BytesIO(content))
        return {
            layout.name: _tensor(layout, storages[layout.key])
            for layout in layouts
            if not layout.name.endswith(INTEGER)
        }
    except (ValueError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        raise ConfigError(f"not a state dict saved by PyTorch ({error}); fetch the file again") from None


def _tensor(layout: Layout, storage: bytes) -> Float[Tensor, "..."]:
    """A tensor of float32. Errors: ValueError if the storage is of another size or type."""
    if len(storage) != 4 * layout.elements:
        raise ValueError(f"{layout.name} is not float32")
    flat = torch.frombuffer(bytearray(storage), dtype=torch.float32)
    return flat.as_strided(layout.sizes, layout.strides).contiguous()


def _read_zip(file: io.BytesIO) -> tuple[list[Layout], dict[str, bytes]]:
    """Layouts, and storages by key."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError("an entry is compressed")  # torch compresses none, and it could be of any size
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise ValueError("not little-endian")
        layouts = list(_layouts(io.BytesIO(archive.read(entries["data.pkl"]))))
        return layouts, {key: archive.read(entries[f"data/{key}"]) for _, key, *_ in layouts}


def _read_sequence(file: io.BytesIO) -> tuple[list[Layout], dict[str, bytes]]:
    """Layouts, and storages by key; first the pickle of the keys, then the contents."""
    for _ in range(HEADER):
        list(pickletools.genops(file))
    layouts = list(_layouts(file))
    names = {layout.key: layout.name for layout in layouts}
    keys: list[Any] = [
        argument for opcode, argument, _ in pickletools.genops(file) if opcode.name == "BINUNICODE"
    ]
    storages = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * (8 if names[key].endswith(INTEGER) else 4)
        storages[key] = file.read(size)
        if len(storages[key]) < size:
            raise ValueError(f"{names[key]} is truncated")
    return layouts, storages


def _layouts(file: io.BytesIO) -> Iterator[Layout]:
    """Layout of each tensor of the next pickle."""
    name, key, numbers, in_storage = "", "", list[int](), False
    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "BINUNICODE" and argument.isdecimal():
            key, numbers, in_storage = argument, [], True
        elif opcode.name == "BINPERSID":  # ends a storage: its type, key, device and number of elements
            in_storage = False
        elif opcode.name == "BINUNICODE" and not in_storage and argument != "storage":
            name = argument
        elif opcode.name.startswith("BININT"):
            numbers.append(argument)
        elif opcode.name in ("NEWFALSE", "NEWTRUE"):  # requires_grad ends the arguments of a tensor
            axes = len(numbers) // 2 - 1
            yield Layout(name, key, numbers[0], numbers[2 : 2 + axes], numbers[2 + axes :])
