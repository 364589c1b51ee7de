"""The processor at hand: its name and its instruction sets, as far as the operating system says.

On Linux both are in /proc/cpuinfo, of whose cores the first is read.
"""

__all__ = ["instructions", "model_name"]

import platform
from functools import lru_cache
from pathlib import Path


def model_name() -> str:
    """The model name, such as "AMD EPYC 7B13"; the architecture, if it has none."""
    return _first_core().get("model name") or platform.processor() or platform.machine()


def instructions() -> frozenset[str]:
    """The instruction sets, as Linux calls them (avx2, avx512_bf16, amx_bf16); empty if they are unknown."""
    core = _first_core()
    return frozenset((core.get("flags") or core.get("Features", "")).split())  # Features: ARM


@lru_cache
def _first_core() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf8")
    except OSError:  # not Linux
        return {}
    fields = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}
