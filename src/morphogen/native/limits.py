r"""The limits of the processor at hand, measured: what no kernel can exceed.

    bandwidth     bytes / seconds  of the sum of an array that no cache holds
    matrix rate   2 n^3 / seconds  of a product of two n x n matrices

The least of several repetitions counts, since other processes only add time.
"""

__all__ = ["bandwidth", "matrix_rate"]

import time
from collections.abc import Callable

import torch

MEGABYTES, SIDE, REPETITIONS = 256, 2048, 5


def bandwidth() -> float:
    """Bytes per second that the threads of torch read from memory."""
    x = torch.ones(MEGABYTES * 2**18)
    return x.numel() * x.element_size() / _least_seconds(x.sum)


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating-point operations per second of a matrix product."""
    x = torch.ones(SIDE, SIDE, dtype=dtype)
    return 2 * SIDE**3 / _least_seconds(lambda: x @ x)


def _least_seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
