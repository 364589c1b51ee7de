"""The machine in one line: figures of speed mean nothing without it."""

__all__ = ["machine"]

import os
import platform
from pathlib import Path


def machine(device: str = "cpu") -> str:
    """Cores, processor, operating system, and the accelerator if one did the work: `2 cores of AMD EPYC 7B13, Linux`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    host = f"{cores} core{'s' * (cores != 1)} of {_processor()}, {platform.system()}"
    if not device.startswith("cuda"):
        return host
    import torch  # only here: a report is written without it

    return f"{torch.cuda.get_device_name(device)}, {host}"


def _processor() -> str:
    """What the processor calls itself; Linux tells only in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
