"""Causal networks and the caches of their incremental decoding, as protocols."""

__all__ = ["Causal", "DecodingCache", "DrawsTokens", "Prefills", "Reads", "Reorders", "Truncates"]

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from morphogen.context import Context


@runtime_checkable
class Causal(Protocol):
    """A network `forward(x, context)` whose logits at position i depend only on x_<i, with cached decoding.

    Positions are in raster order (`numerics.tensors.raster`: row by row, pixel by pixel, colours innermost).
    A cache is for evaluation only.
    """

    def make_cache(self, rows: int, context: Context | None) -> "DecodingCache":
        """An empty cache for `rows` sequences."""


@runtime_checkable
class DrawsTokens(Causal, Protocol):
    """A causal network that draws all tokens in one call, where a kernel can."""

    def draw(
        self,
        tokens: Int[Tensor, "b n"],
        uniforms: Float[Tensor, "b n"],
        temperature: float,
        context: Context | None,
        end: int | None,
    ) -> bool:
        """Replace each -1 by the token that `Ancestral` draws; False: it was not done, tokens is undefined.

        Arguments:
            tokens: in raster order, contiguous.
            uniforms: the numbers at which the cumulative distributions are inverted.
            temperature: divides the logits; 0: the most likely token.
            context: context of the rows.
            end: the token after which a row remains -1; None: none.
        """


@runtime_checkable
class DecodingCache(Protocol):
    """State of incremental decoding, at the cost of one position per step."""

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous position's values (None: at the first position); returns the next logits."""


@runtime_checkable
class Prefills(DecodingCache, Protocol):
    """A cache that processes many positions in one pass: prompts, drafts."""

    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each. A start token is processed before the first."""


@runtime_checkable
class Reads(DecodingCache, Protocol):
    """A cache that processes a prompt in one pass, and computes the logits of its last position only."""

    def read(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        """Append T tokens, at least one; returns the logits after the last."""


@runtime_checkable
class Reorders(DecodingCache, Protocol):
    """A cache whose rows can be selected, reordered and repeated, as beam search requires."""

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select M rows in place: row i becomes the former row rows[i]."""


@runtime_checkable
class Truncates(DecodingCache, Protocol):
    """A cache that can drop its last tokens, as speculative decoding requires."""

    length: int  # cached tokens, without the start token

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
