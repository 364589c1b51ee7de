"""Load a kernel when it is first used; where it cannot be built, say so once and use its twin.

    available("philox")     then torch.ops.morphogen.philox_normal(...) exists

Nothing is built or loaded on import. $MORPHOGEN_NATIVE=off disables all kernels.
"""

__all__ = ["NoNativeKernels", "available", "source"]

import os
import warnings
from functools import lru_cache
from pathlib import Path

import torch

from morphogen.native.compiler import BuildFailed, library
from morphogen.native.operators import GRADIENTS, KERNELS

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
        if operator in GRADIENTS:
            backward, save = GRADIENTS[operator]
            torch.library.register_autograd(f"morphogen::{operator}", backward, setup_context=save)
    return True


def source(kernel: str) -> Path:
    """The C++ file of a kernel."""
    return Path(__file__).with_name(f"{kernel}.cpp")


@lru_cache
def _say_once(reason: str) -> None:
    """Warn; once for all kernels that fail for the same reason."""
    warnings.warn(f"no native kernels, so training and sampling take longer: {reason}", NoNativeKernels, 4)
