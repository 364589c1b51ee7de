"""Memory by recomputation: what a causal network without a cache costs, and the twin that every cache must equal.

A network's own `cache` remembers its features and pays for one position a step; `Recompute` remembers the symbols only and
pays for a whole pass. Both answer `step` (`contract.Memory`), so a sampler does not know which it has; and as symbols are easily read
ahead, reordered and forgotten, `Recompute` answers whatever a decoder may ask. No paper: this is what the chain rule costs as it stands.
"""

__all__ = ["Recompute", "read", "remember"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context, Memory, Reads
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
        self.network, self.shape, self.context, self.length = network, shape, context, 0
        device = next(t.device for t in [*network.parameters(), *network.buffers()])
        self.symbols = torch.zeros(rows, torch.Size(shape).numel(), dtype=torch.int64, device=device)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        return self._logits()[:, 0] if previous is None else self.read(previous[:, None])[:, 0]

    def read(self, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """The logits after each of the symbols that stand next."""
        first, self.length = self.length, self.length + symbols.shape[1]
        self.symbols[:, first : self.length] = symbols
        return self._logits()[:, first + 1 : self.length + 1]

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Row i becomes what row rows[i] was."""
        self.symbols, self.context = self.symbols[rows], None if self.context is None else self.context[rows]

    def rewind(self, length: int) -> None:
        """Forget all symbols from `length` on."""
        self.length = length

    def _logits(self) -> Tensor:
        return raster(self.network(unraster(self.symbols, self.shape), self.context), self.shape)


def remember(network: Any, rows: int, shape: tuple[int, ...], context: Context | None, able: type = Memory) -> Any:
    """The network's own memory if it is `able` (`Memory`, `Selects`, `Rewinds`), else a `Recompute`, which is all of them."""
    own = network.cache(rows, context) if hasattr(network, "cache") else None
    return own if isinstance(own, able) else Recompute(network, rows, shape, context)


def read(memory: Memory, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
    """The logits after a prompt: in one pass where the memory can, else symbol by symbol."""
    if symbols.shape[1] and isinstance(memory, Reads):
        return memory.read(symbols)[:, -1]
    logits = memory.step(None)
    for previous in symbols.unbind(1):
        logits = memory.step(previous)
    return logits
