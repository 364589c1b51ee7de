"""The sampling loop that a PixelCNN has without a memory: a pass over the whole picture for every pixel of it.

Own writing; no library offers one. Every pass costs the same, whatever pixel it is for, so that a share of the passes tells the whole.
"""

__all__ = ["passes"]

from collections.abc import Callable

import torch

from morphogen.networks.gated_pixelcnn import GatedPixelCNN


def passes(network: GatedPixelCNN, n: int, count: int) -> Callable[[], None]:
    """The first `count` pixels of n pictures of one channel, in raster order."""
    _, height, width = network.picture

    @torch.no_grad()
    def run() -> None:
        network.eval()
        x = torch.zeros(n, 1, height, width, dtype=torch.int64)
        for i in range(count):
            y, at = divmod(i, width)
            logits = network(x, None)[:, 0, y, at]
            x[:, 0, y, at] = torch.multinomial(logits.softmax(-1), 1)[:, 0]

    return run
