"""Naive WaveNet sampling, without a cache: a forward pass over the receptive field for every sample.

Written for this benchmark, since no maintained library provides it. All passes after a full receptive field
cost the same, so the cost of an audio clip follows from a few of them.
"""

__all__ = ["passes"]

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.networks.wavenet import WaveNet


def passes(network: WaveNet, prefix: Int[Tensor, "b t"], count: int) -> Callable[[], Tensor]:
    """Return a function that extends clips greedily by `count` samples and returns the last logits [B, V]."""

    @torch.no_grad()
    def run() -> Tensor:
        network.eval()
        x = prefix
        for _ in range(count):
            # the last position is the sample to predict; its own value is not used
            window = torch.nn.functional.pad(x[:, -network.receptive_field :], (0, 1))
            logits = network(window, None)[:, -1]
            x = torch.cat([x, logits.argmax(-1, keepdim=True)], 1)
        return logits

    return run
