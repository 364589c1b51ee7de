"""Load a kernel when it is first used; where it cannot be built, say so once and use its twin.

    available("philox")     then torch.ops.morphogen.philox_normal(...) exists

Nothing is built or loaded on import. $MORPHOGEN_NATIVE=off disables all kernels.
"""

__all__ = ["NoNativeKernels", "available", "calls", "source", "takes"]

import os
import warnings
from functools import lru_cache
from pathlib import Path

import torch

from morphogen.native.compiler import BuildFailed, library
from morphogen.native.operators import GRADIENTS, KERNELS

OFF = "off"
MULTIPLY_ADDS = 1 << 33  # of one call: half a second


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
        if operator in GRADIENTS:
            backward, save = GRADIENTS[operator]
            torch.library.register_autograd(f"morphogen::{operator}", backward, setup_context=save)
    return True


def takes(kernel: str, *tensors: torch.Tensor) -> bool:
    """Whether a kernel for float32 without gradients can be used on the tensors."""
    plain = all(tensor.is_cpu and tensor.dtype == torch.float32 for tensor in tensors)
    return plain and not torch.is_grad_enabled() and available(kernel)


def calls(positions: int, cost: int, unit: int = 1) -> list[tuple[int, int]]:
    """Ranges of positions for calls of less than a second each, so that a loop of them can be interrupted.

    Arguments:
        positions: their number.
        cost: multiply-adds of one position.
        unit: number of which each range is a multiple.
    """
    step = unit * max(1, MULTIPLY_ADDS // max(1, cost * unit))
    return [(first, min(first + step, positions)) for first in range(0, positions, step)]


def source(kernel: str) -> Path:
    """The C++ file of a kernel."""
    return Path(__file__).with_name(f"{kernel}.cpp")


@lru_cache
def _say_once(reason: str) -> None:
    """Warn; once for all kernels that fail for the same reason."""
    warnings.warn(f"no native kernels, so training and sampling take longer: {reason}", NoNativeKernels, 4)
