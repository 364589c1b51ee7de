"""In which precision the networks multiply. Weights, gradients, optimiser and losses' sums stay as the model keeps them.

bf16 has fp32's range with 8 bits of mantissa (Kalamkar et al. 2019), so that no loss scaling is needed; it pays only where
the hardware multiplies it natively. Elsewhere it is emulated and slower than fp32, hence "auto".
"""

__all__ = ["Precision", "autocast", "native_bf16"]

from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context of a forward pass on `device`; "auto": bf16 where it is native, else as the weights are."""
    wanted = precision == "bf16" or (precision == "auto" and native_bf16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware: NVIDIA from Ampere on, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(_processor_flags() & {"amx_bf16", "avx512_bf16"})


@lru_cache
def _processor_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
