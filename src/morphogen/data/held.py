"""Examples that a program holds in memory, and how numbers among them become arrays."""

__all__ = [
    "Held",
    "array_of",
    "file_at",
    "fraction_of_files",
    "joined",
    "listed_files",
    "names_file",
    "numbers_of",
]

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from morphogen.data.dataset import DataError
from morphogen.data.splits import Part
from morphogen.media import Medium, media
from morphogen.media.text import RECORDS
from morphogen.numerics.arrays import array_with_gaps

ARRAYS = (".npy", ".npz")


class Held(NamedTuple):
    """Examples in memory.

    Arguments:
        values: of the medium, one per example.
        labels: the class of each example: numbers or names; None: there are none.
        captions: a text for each example; None: there are none.
    """

    values: Any
    labels: Any = None
    captions: Any = None


def array_of(values: Any) -> np.ndarray | None:
    """Numbers as one array: an array, a tensor, or a list of equal ones; None for anything else."""
    if isinstance(values, Tensor):
        return _numpy(values)
    if hasattr(values, "columns") or isinstance(values, str | bytes | Mapping | Image.Image):
        return None
    if isinstance(values, Sequence):
        rows = [_numpy(row) for row in values]
        if not rows or any(row.dtype.kind not in "biuf" or row.shape != rows[0].shape for row in rows):
            return None
        return np.stack(rows)
    array = _numpy(values)
    return array if array.dtype.kind in "biuf" else None


def numbers_of(values: Any) -> list[np.ndarray] | None:
    """A list of arrays of numbers that may differ in shape, one per example; None for anything else."""
    if hasattr(values, "columns") or isinstance(values, str | bytes | Mapping):
        return None
    rows = [_numpy(row) for row in values] if isinstance(values, Iterable) else []
    return rows if rows and all(row.dtype.kind in "biuf" and row.ndim for row in rows) else None


def joined(parts: Mapping[Part, Held]) -> tuple[list[Any], list[Part], Any, list[Any]]:
    """The values of all parts, the part of each (none if there is one part), labels and captions.

    Errors: DataError for labels or captions of another number, or of some parts only; for a missing caption.
    """
    values = [value for held in parts.values() for value in held.values]
    of_part = [part for part, held in parts.items() for _ in range(len(held.values))]
    labels = _beside(parts, "labels")
    captions = [_caption(i, given) for i, given in enumerate(_beside(parts, "captions") or ())]
    return values, of_part if len(parts) > 1 else [], labels, captions


def names_file(value: Any) -> bool:
    """Whether a value names a file: one that exists, or one with the suffix of a medium or of arrays."""
    if not isinstance(value, str | Path):
        return False
    with suppress(OSError):  # of a text that is too long for a name
        path = Path(value).expanduser()
        own = {suffix for medium in media().values() for suffix in medium.suffixes}
        return path.suffix.lower() in own.union(RECORDS, ARRAYS) or path.is_file()
    return False


def listed_files(values: Any) -> list[Path]:
    """The files that a list, an array or a column names; [] for anything else."""
    is_list = isinstance(values, Sequence) or getattr(values, "ndim", 0) == 1
    rows = list(values) if is_list and not isinstance(values, str | bytes) else []
    return [Path(row).expanduser() for row in rows] if rows and all(map(names_file, rows)) else []


def file_at(name: str | Path) -> Path:
    """A file by its name. Errors: DataError if there is none."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file in {Path.cwd()}; correct the name, or give whole paths")
    return path


def fraction_of_files(rows: Sequence[Any], medium: Medium) -> float:
    """The fraction of the rows that name a file with a suffix of the medium."""
    return sum(names_file(row) and Path(row).suffix.lower() in medium.suffixes for row in rows) / len(rows)


def _beside(parts: Mapping[Part, Held], what: str) -> list[Any] | None:
    """The labels or captions of all parts. Errors: DataError if their number is another."""
    given = {part: getattr(held, what) for part, held in parts.items()}
    if all(beside is None for beside in given.values()):
        return None
    for part, beside in given.items():
        n, found = len(parts[part].values), 0 if beside is None else len(beside)
        if n != found:
            of = f" of the {part} part" if len(parts) > 1 else ""
            raise DataError(f"{found} {what}{of} for {n} examples; give one for each")
    return [value for beside in given.values() for value in beside]


def _caption(row: int, given: Any) -> str | tuple[str, ...]:
    """A caption, or the several ones of one example. Errors: DataError for a missing one."""
    if isinstance(given, list | tuple | np.ndarray) and len(given):
        several = [_caption(row, each) for each in given]
        return tuple(map(str, several)) if len(several) > 1 else several[0]
    if isinstance(given, int | float | np.number) and given == given:
        raise DataError(f"captions[{row}]={given} is no text: give texts, or classes as labels")
    if given is None or (given == given) is not True or isinstance(given, list | tuple):
        raise DataError(f"captions[{row}] is missing; give every example a caption, or leave captions out")
    return str(given)


def _numpy(value: Any) -> np.ndarray:
    """A value as an array, of objects if it is no number or array of them."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(value, str | bytes | Mapping | Image.Image) or value is None:
        return np.array(value, dtype=object)
    try:
        return array_with_gaps(value)
    except ValueError:  # rows of different lengths
        return np.array(None, dtype=object)
