"""Precision of both sides on this machine.

bf16 is faster only on hardware with native bf16. A name with `bf16` therefore uses bf16 where it is native
and fp32 elsewhere, where bf16 would measure its emulation; the record states which was used.
"""

__all__ = ["best_dtype", "describe_precisions", "ours_precision"]

import torch

from benchmarks.names import Name
from morphogen.numerics.precision import Precision, native_bf16

_CPU = torch.device("cpu")


def ours_precision(name: Name) -> Precision:
    """The `precision` argument of our side."""
    return "fp32" if name.precision == "fp32" else "auto"


def best_dtype(name: Name) -> torch.dtype:
    """The peer's dtype: fp32 by default; bf16 for vs-best where it is native."""
    return torch.bfloat16 if name.best and native_bf16(_CPU) else torch.float32


def describe_precisions(name: Name) -> dict[str, str]:
    """The precision of both sides, for the record."""
    auto = "bf16" if native_bf16(_CPU) else "fp32, as bf16 is not native here (it would be emulated)"
    return {
        "precision": "fp32" if name.precision == "fp32" else auto,
        "peer precision": auto if name.best else "fp32",
    }
