"""Decoding without a cache, by recomputation: the fallback, and the reference for every cache.

A network's own cache stores features and processes one position per step. `Recompute` stores only the tokens
and runs the whole network at each step. Both implement `contract.DecodingCache`, so a sampler can use either;
`Recompute` also supports prefilling, reordering and truncation. No paper: this is the plain evaluation of the
chain rule.
"""

__all__ = ["Recompute", "cache_for", "prefill"]

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, DecodingCache, Prefills, Reads
from morphogen.families.autoregressive.window import SlidingCache
from morphogen.numerics.tensors import raster, unraster


class Recompute:
    """A decoding cache that runs a full forward pass of `network` at every step.

    Arguments:
        network: a causal network, `network(x int64 [B, *shape], context) -> logits [B, *shape, V]`.
        rows: batch size B.
        shape: shape of one x.
        context: context of the B rows, passed to the network.
    """

    def __init__(self, network: nn.Module, rows: int, shape: tuple[int, ...], context: Context | None):
        self.network, self.shape, self.context, self.length = network, shape, context, 0
        tensors = [*network.parameters(), *network.buffers()]
        device = tensors[0].device if tensors else torch.device("cpu")
        self.tokens = torch.zeros(rows, torch.Size(shape).numel(), dtype=torch.int64, device=device)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous token (None: at the first position); returns the logits of the next."""
        return self._logits()[:, 0] if previous is None else self.prefill(previous[:, None])[:, 0]

    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each of them."""
        first, self.length = self.length, self.length + tokens.shape[1]
        self.tokens[:, first : self.length] = tokens
        return self._logits()[:, first + 1 : self.length + 1]

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Replace row i by the former row rows[i]."""
        self.tokens, self.context = self.tokens[rows], None if self.context is None else self.context[rows]

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self.length = length

    def _logits(self) -> Tensor:
        return raster(self.network(unraster(self.tokens, self.shape), self.context), self.shape)


def cache_for(
    network: Any,
    rows: int,
    shape: tuple[int, ...],
    context: Context | None,
    protocol: type = DecodingCache,
    length: int = 0,
) -> Any:
    """An empty cache of `network` that implements `protocol` (`DecodingCache`, `Reorders`, `Truncates`).

    This is the network's own cache if it has one that does, else a `Recompute`, which implements all
    protocols; for sequences of a `length` beyond the window, a `SlidingCache` of them.

    Errors: ConfigError if the network does not continue beyond its window.
    """
    if length > (window := torch.Size(shape).numel()):
        if getattr(network, "keeps_to_window", False):
            raise ConfigError(
                f"{length} tokens exceed the window of {window}, which a prompt's guidance does not continue "
                f"beyond: lower max_new_tokens by {length - window}, or leave the guidance out"
            )
        make = partial(_make_cache, network, shape, protocol)
        return SlidingCache(make, rows, window, context)
    return _make_cache(network, shape, protocol, rows, context)


def prefill(cache: DecodingCache, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
    """Logits of the token after a prompt, in one pass if the cache supports it, else token by token."""
    if tokens.shape[1] and isinstance(cache, Reads):
        return cache.read(tokens)
    if tokens.shape[1] and isinstance(cache, Prefills):
        return cache.prefill(tokens)[:, -1]
    logits = cache.step(None)
    for previous in tokens.unbind(1):
        logits = cache.step(previous)
    return logits


def _make_cache(
    network: Any, shape: tuple[int, ...], protocol: type, rows: int, context: Context | None
) -> Any:
    """A cache for sequences within the window."""
    own = network.make_cache(rows, context) if hasattr(network, "make_cache") else None
    return own if isinstance(own, protocol) else Recompute(network, rows, shape, context)
