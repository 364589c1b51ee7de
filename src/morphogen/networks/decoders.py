r"""Three decoders, each a choice of parts with the numbers left open.

               block       normalisation   feed-forward   positions   keys          head
    GPT-2      pre-norm    LayerNorm       MLP, GELU      learned     one a head    tied
    LLaMA      pre-norm    RMSNorm         SwiGLU         rotary      grouped       its own
    PaLM       parallel    LayerNorm       SwiGLU         rotary      one for all   tied, scaled

References: GPT-2, Radford et al., 2019; LLaMA: open and efficient foundation language models, Touvron et al., 2023; PaLM: scaling
language modeling with pathways, Chowdhery et al., 2022.
"""

__all__ = ["gpt2", "llama", "palm"]

from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block, ParallelBlock
from morphogen.networks.feed_forward import FeedForward, SwiGLU
from morphogen.networks.initial import FanIn
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.positions import Learned
from morphogen.networks.relative_positions import Rotary, Scaling
from morphogen.networks.transformer import Tied, Transformer, Untied


def gpt2(
    vocabulary: int, length: int, width: int, layers: int, heads: int, *, dropout: float = 0.0, vector: int = 0, bias: bool = True,
    exact: bool = False, start: int | None = -1,
) -> Transformer:  # fmt: skip
    """GPT-2's shape (Radford et al. 2019); GPT-3's is the same but for its sparse layers (Brown et al. 2020).

    Arguments:
        vocabulary, length, layers, dropout, vector: as of `Transformer`.
        width, heads: of the attention; the feed-forward is four times the stream's.
        bias: whether projections and normalisations have one; nanoGPT's default has none.
        exact: GELU itself (nanoGPT's) instead of GPT-2's approximation of it.
        start: as of `Transformer`; -1: a symbol of its own.
    """
    feed_forward = FeedForward(width, 4 * width, "gelu" if exact else "gelu-tanh", bias)
    block = Block(Attention(width, heads, bias=bias), feed_forward, LayerNorm(width, bias), dropout=dropout)
    places = Learned(length, width)
    return Transformer(vocabulary, length, block, layers, places, Tied(), _start(start, vocabulary), dropout, vector)


def llama(
    vocabulary: int, length: int, width: int, layers: int, heads: int, key_values: int, hidden: int, *, base: float = 10_000.0,
    scaling: Scaling | None = None, tied: bool = False, eps: float = 1e-5, start: int | None = -1, vector: int = 0,
    head_width: int | None = None,
) -> Transformer:  # fmt: skip
    """LLaMA's shape (Touvron et al. 2023), with grouped keys as of its second edition (Touvron et al. 2023b).

    Arguments:
        vocabulary, length, layers, vector: as of `Transformer`.
        width, heads, key_values, head_width: of the attention.
        hidden: of the feed-forward.
        base, scaling: of the rotary positions.
        tied: whether the head is the embedding again.
        eps: of the normalisation.
        start: as of `Transformer`; -1: a symbol of its own.
    """
    rotary = Rotary(head_width if head_width is not None else width // heads, length, base, scaling)
    attention = Attention(width, heads, key_values, bias=False, positions=rotary, head_width=head_width)
    block = Block(attention, SwiGLU(width, hidden), RMSNorm(width, eps))
    head = Tied() if tied else Untied(vocabulary, width)
    return Transformer(vocabulary, length, block, layers, None, head, _start(start, vocabulary), 0.0, vector)


def palm(
    vocabulary: int, length: int, width: int, layers: int, heads: int, head_width: int, hidden: int, *, start: int | None = -1,
    vector: int = 0,
) -> Transformer:  # fmt: skip
    """PaLM's shape (Chowdhery et al. 2022): no biases anywhere, logits over sqrt(width) since embeddings begin at N(0, 1).

    Arguments:
        vocabulary, length, layers, vector: as of `Transformer`.
        width: D of the stream.
        heads, head_width: of the attention, whose heads share one key and one value.
        hidden: of the feed-forward.
        start: as of `Transformer`; -1: a symbol of its own.
    """
    attention = Attention(width, heads, 1, bias=False, positions=Rotary(head_width, length), head_width=head_width)
    block = ParallelBlock(attention, SwiGLU(width, hidden), LayerNorm(width, bias=False))
    return Transformer(
        vocabulary, length, block, layers, None, Tied(write=width**-0.5), _start(start, vocabulary), 0.0, vector, FanIn(1.0)
    )  # fmt: skip


def _start(start: int | None, vocabulary: int) -> int | None:
    return vocabulary if start == -1 else start
