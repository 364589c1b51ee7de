"""The sampling loop that a WaveNet has without a memory: a pass over all that a sample's law looks back on, for every sample.

Own writing; no library that is kept offers one. Every pass of a sound that is longer than the reach costs the same, so that a few of them
tell the whole.
"""

__all__ = ["passes"]

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.networks.wavenet import WaveNet


def passes(network: WaveNet, begun: Int[Tensor, "b t"], count: int) -> Callable[[], Tensor]:
    """The next `count` samples of sounds that have begun, each the most likely one; the logits of the last, [B, V]."""

    @torch.no_grad()
    def run() -> Tensor:
        network.eval()
        x = begun
        for _ in range(count):
            window = torch.nn.functional.pad(x[:, -network.reach :], (0, 1))  # the place to be drawn: its own symbol is not seen
            logits = network(window, None)[:, -1]
            x = torch.cat([x, logits.argmax(-1, keepdim=True)], 1)
        return logits

    return run
