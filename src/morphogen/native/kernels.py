"""Load a kernel when it is first used; where it cannot be built, say so once and use its twin.

    available("philox")     then torch.ops.morphogen.philox_normal(...) exists

Nothing is built or loaded on import. $MORPHOGEN_NATIVE=off disables all kernels.
"""

__all__ = ["KERNELS", "NoNativeKernels", "available", "source"]

import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morphogen.native.compiler import BuildFailed, library

OFF = "off"


class NoNativeKernels(RuntimeWarning):
    """The warning that kernels could not be built, so that torch's operators are used instead."""


@lru_cache
def available(kernel: str) -> bool:
    """Whether a kernel can be used; the first call builds and loads it."""
    if os.environ.get("MORPHOGEN_NATIVE") == OFF:
        return False
    try:
        torch.ops.load_library(library(source(kernel)))
    except (BuildFailed, OSError) as error:
        _say_once(str(error).partition("\n")[0])
        return False
    for operator, fake in KERNELS[kernel].items():
        torch.library.register_fake(f"morphogen::{operator}", fake)
    return True


def source(kernel: str) -> Path:
    """The C++ file of a kernel."""
    return Path(__file__).with_name(f"{kernel}.cpp")


def _words(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.int64)


def _numbers(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.float32)


def _norm(gradients: list[Tensor]) -> Tensor:
    return gradients[0].new_empty(())


def _theta(entry: Tensor | None, known: list[Tensor], *arguments: Any) -> Tensor:
    last_weight = arguments[2]
    return known[0].new_empty(len(last_weight), known[0].shape[1])


def _nothing(*arguments: object) -> None:
    """Of an operator that changes its arguments in place."""


# the operators of each kernel, with the shapes and types of their results
KERNELS: dict[str, dict[str, Callable[..., Tensor | None]]] = {
    "made": {"made_step": _theta},
    "philox": {"philox": _words, "philox_uniform": _numbers, "philox_normal": _numbers},
    "adam": {"gradient_norm": _norm, "adam_": _nothing},
}


@lru_cache
def _say_once(reason: str) -> None:
    """Warn; once for all kernels that fail for the same reason."""
    warnings.warn(f"no native kernels, so training and sampling take longer: {reason}", NoNativeKernels, 4)
