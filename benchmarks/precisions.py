"""In what the two sides multiply here: bf16 is a gain only where the hardware has it, and is said to be absent where it has not.

A name's `bf16` therefore asks for bf16 where it is native and for fp32 elsewhere; emulated, it would measure the emulation.
"""

__all__ = ["best_dtype", "ours_precision", "told"]

import torch

from benchmarks.names import Name
from morphogen.numerics.precision import Precision, native_bf16

_CPU = torch.device("cpu")


def ours_precision(name: Name) -> Precision:
    """What to ask of ours."""
    return "fp32" if name.precision == "fp32" else "auto"


def best_dtype(name: Name) -> torch.dtype:
    """What the peer multiplies in: fp32 by default, at its best bf16 where that is native."""
    return torch.bfloat16 if name.best and native_bf16(_CPU) else torch.float32


def told(name: Name) -> dict[str, str]:
    """The precision of both sides in words."""
    auto = "bf16" if native_bf16(_CPU) else "fp32, as bf16 is not native here (it would be emulated)"
    return {"precision": "fp32" if name.precision == "fp32" else auto, "peer precision": auto if name.best else "fp32"}
