"""One-line description of the machine, which timings depend on."""

__all__ = ["machine"]

import os
import platform

from morphogen.native.processor import model_name


def machine(device: str = "cpu") -> str:
    """Cores, processor, operating system, and the GPU if used: `2 cores of AMD EPYC 7B13, Linux`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    host = f"{cores} core{'s' * (cores != 1)} of {model_name()}, {platform.system()}"
    if not device.startswith("cuda"):
        return host
    import torch  # imported late: writing a report does not require torch

    return f"{torch.cuda.get_device_name(device)}, {host}"
