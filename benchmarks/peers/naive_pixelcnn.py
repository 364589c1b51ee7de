"""Naive PixelCNN sampling, without a cache: a full forward pass over the image for every pixel.

Written for this benchmark, since no library provides it. All passes cost the same, so the cost of a whole
image follows from a fraction of them.
"""

__all__ = ["passes"]

from collections.abc import Callable

import torch

from morphogen.networks.gated_pixelcnn import GatedPixelCNN


def passes(network: GatedPixelCNN, n: int, count: int) -> Callable[[], None]:
    """Return a function that samples the first `count` pixels of n single-channel images, in raster order."""
    _, height, width = network.image_shape

    @torch.no_grad()
    def run() -> None:
        network.eval()
        x = torch.zeros(n, 1, height, width, dtype=torch.int64)
        for i in range(count):
            row, column = divmod(i, width)
            logits = network(x, None)[:, 0, row, column]
            x[:, 0, row, column] = torch.multinomial(logits.softmax(-1), 1)[:, 0]

    return run
