"""What becomes of memory that is freed: the process keeps it.

A step frees all that it has allocated, and the next asks for as much again. GNU's allocator hands large blocks back to the kernel, which
clears each page anew when it is next touched: up to a tenth of a small network's step on a CPU.
"""

__all__ = ["keep_freed_memory"]

import ctypes
import sys
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST, _LARGEST_OF_OLD = 2**30, 2**25  # bytes of a block; older releases take no more than the latter


@lru_cache
def keep_freed_memory() -> bool:
    """From now on this process gives nothing back that it frees below a gigabyte; whether the C library can be told so (GNU's can)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    # the first call fixes the threshold of the second, which would else stay at 128 kB
    return bool((mallopt(_MMAP_THRESHOLD, _LARGEST) or mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD)) and mallopt(_TRIM_THRESHOLD, _LARGEST))
