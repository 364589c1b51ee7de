"""Mixed precision of the forward pass.

Weights, gradients, optimizer state and loss sums keep the model's own dtype.

bf16 has the range of fp32 with 8 bits of significand (Kalamkar et al. 2019), so it needs no loss scaling. It
is faster only on hardware with native bf16; elsewhere it is emulated and slower than fp32, so "auto" uses it
only where it is native.
"""

__all__ = ["Precision", "autocast", "native_bf16"]

from typing import Literal

import torch

from morphogen.native.processor import instructions

Precision = Literal["auto", "fp32", "bf16"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Autocast context of a forward pass on `device`; "auto" uses bf16 if it is native there."""
    enabled = precision == "bf16" or (precision == "auto" and native_bf16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def native_bf16(device: torch.device) -> bool:
    """Whether the device has bf16 hardware: NVIDIA GPUs since Ampere, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(instructions() & {"amx_bf16", "avx512_bf16"})
