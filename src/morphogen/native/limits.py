r"""The limits of the processor at hand, measured: what no kernel can exceed.

    bandwidth     bytes / seconds  of the sum of an array that no cache holds
    matrix rate   2 n^3 / seconds  of a product of two n x n matrices, or of a 3 x 3 convolution of as many
                                   multiply-adds, whichever is faster: torch has other libraries for each

The least of several repetitions counts, since other processes only add time.
"""

__all__ = ["bandwidth", "matrix_rate"]

import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

MEGABYTES, SIDE, REPETITIONS = 256, 2048, 5


def bandwidth() -> float:
    """Bytes per second that the threads of torch read from memory."""
    x = torch.ones(MEGABYTES * 2**18)
    return x.numel() * x.element_size() / _least_seconds(x.sum)


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating-point operations per second of a matrix product or a convolution."""
    x = torch.ones(SIDE, SIDE, dtype=dtype)
    product = 2 * SIDE**3 / _least_seconds(lambda: x @ x)
    side, channels = max(4, SIDE // 32), max(4, SIDE // 8)
    picture = torch.ones(1, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
    kernels = torch.ones(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = _least_seconds(lambda: F.conv2d(picture, kernels, padding=1))
    return max(product, 2 * 9 * channels**2 * side**2 / seconds)


def _least_seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
