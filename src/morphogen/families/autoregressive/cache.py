"""Memory by recomputation: what a causal network without a cache costs, and the twin that every cache must equal.

A network's own `cache` remembers its features and pays for one position a step; `Recompute` remembers the symbols only and
pays for a whole pass. Both answer `step` (`contract.Memory`), so a sampler does not know which it has. No paper: this is
what the chain rule costs as it stands.
"""

__all__ = ["Recompute", "remember"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context, Memory
from morphogen.numerics.tensors import raster, unraster


class Recompute:
    """A full pass of `network` at every step.

    Arguments:
        network: causal, `network(x int64 [B, *shape], context) -> logits [B, *shape, V]`.
        rows: B.
        shape: of one x.
        context: what the network may look at besides x, of B rows.
    """

    def __init__(self, network: nn.Module, rows: int, shape: tuple[int, ...], context: Context | None):
        self.network, self.shape, self.context, self.position = network, shape, context, 0
        device = next(t.device for t in [*network.parameters(), *network.buffers()])
        self.symbols = torch.zeros(rows, torch.Size(shape).numel(), dtype=torch.int64, device=device)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        if previous is not None:
            self.symbols[:, self.position - 1] = previous
        logits = raster(self.network(unraster(self.symbols, self.shape), self.context), self.shape)[:, self.position]
        self.position += 1
        return logits


def remember(network: Any, rows: int, shape: tuple[int, ...], context: Context | None) -> Memory:
    """The network's own memory, or a `Recompute`."""
    return network.cache(rows, context) if hasattr(network, "cache") else Recompute(network, rows, shape, context)
