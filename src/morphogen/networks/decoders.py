r"""Decoder-only transformers: GPT-2, LLaMA and PaLM, as configurations of `Transformer`.

               block       normalisation   feed-forward   positions   key heads       head
    GPT-2      pre-norm    LayerNorm       MLP, GELU      learned     one per head    tied
    LLaMA      pre-norm    RMSNorm         SwiGLU         rotary      grouped         untied
    PaLM       parallel    LayerNorm       SwiGLU         rotary      one for all     tied, scaled

References: GPT-2, Radford et al., 2019; LLaMA: open and efficient foundation language models, Touvron et al.,
2023; PaLM: scaling language modeling with pathways, Chowdhery et al., 2022.
"""

__all__ = ["gpt2", "llama", "palm"]

from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block, ParallelBlock
from morphogen.networks.feed_forward import FeedForward, SwiGLU
from morphogen.networks.initialization import FanInInit
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.relative_positions import Rotary, Scaling
from morphogen.networks.transformer import Tied, Transformer, Untied


def gpt2(
    vocabulary: int,
    length: int,
    width: int,
    layers: int,
    heads: int,
    *,
    dropout: float = 0.0,
    vector: int = 0,
    bias: bool = True,
    exact: bool = False,
    start: int | None = -1,
) -> Transformer:
    """GPT-2 (Radford et al. 2019).

    GPT-3 has the same architecture, apart from its sparse layers (Brown et al. 2020).

    Arguments:
        vocabulary, length, layers, dropout, vector: see `Transformer`.
        width, heads: of the attention; the feed-forward network has 4 width hidden features.
        bias: whether projections and normalisations have a bias; nanoGPT's default is False.
        exact: use the exact GELU, as nanoGPT does, instead of GPT-2's tanh approximation.
        start: see `Transformer`; -1: an additional start token, which is never predicted.
    """
    feed_forward = FeedForward(width, 4 * width, "gelu" if exact else "gelu-tanh", bias)
    block = Block(Attention(width, heads, bias=bias), feed_forward, LayerNorm(width, bias), dropout=dropout)
    positions = LearnedPositions(length, width)
    start = _start_token(start, vocabulary)
    return Transformer(vocabulary, length, block, layers, positions, Tied(), start, dropout, vector)


def llama(
    vocabulary: int,
    length: int,
    width: int,
    layers: int,
    heads: int,
    key_values: int,
    hidden: int,
    *,
    base: float = 10_000.0,
    scaling: Scaling | None = None,
    tied: bool = False,
    eps: float = 1e-5,
    start: int | None = -1,
    vector: int = 0,
    head_width: int | None = None,
) -> Transformer:
    """LLaMA (Touvron et al. 2023), with the grouped-query attention of LLaMA 2 (Touvron et al. 2023b).

    Arguments:
        vocabulary, length, layers, vector: see `Transformer`.
        width, heads, key_values, head_width: see `Attention`.
        hidden: hidden features of the feed-forward network.
        base, scaling: of the rotary position encoding, see `Rotary`.
        tied: whether the head shares the embedding's weights.
        eps: added to the mean square in the normalisation.
        start: see `Transformer`; -1: an additional start token, which is never predicted.
    """
    rotary = Rotary(head_width if head_width is not None else width // heads, length, base, scaling)
    attention = Attention(width, heads, key_values, bias=False, positions=rotary, head_width=head_width)
    block = Block(attention, SwiGLU(width, hidden), RMSNorm(width, eps))
    head = Tied() if tied else Untied(vocabulary, width)
    start = _start_token(start, vocabulary)
    return Transformer(vocabulary, length, block, layers, None, head, start, 0.0, vector)


def palm(
    vocabulary: int,
    length: int,
    width: int,
    layers: int,
    heads: int,
    head_width: int,
    hidden: int,
    *,
    start: int | None = -1,
    vector: int = 0,
) -> Transformer:
    """PaLM (Chowdhery et al. 2022): parallel blocks, multi-query attention, no biases.

    The logits are divided by sqrt(width), because the tied embedding is initialised from N(0, 1).

    Arguments:
        vocabulary, length, layers, vector: see `Transformer`.
        width: D of the residual stream.
        heads, head_width: see `Attention`; all heads share one key and value head.
        hidden: hidden features of the feed-forward network.
        start: see `Transformer`; -1: an additional start token, which is never predicted.
    """
    rotary = Rotary(head_width, length)
    attention = Attention(width, heads, 1, bias=False, positions=rotary, head_width=head_width)
    block = ParallelBlock(attention, SwiGLU(width, hidden), LayerNorm(width, bias=False))
    head = Tied(logit_scale=width**-0.5)
    start = _start_token(start, vocabulary)
    return Transformer(vocabulary, length, block, layers, None, head, start, 0.0, vector, FanInInit(1.0))


def _start_token(start: int | None, vocabulary: int) -> int | None:
    """The id of the start token; -1 stands for one beyond the vocabulary."""
    return vocabulary if start == -1 else start
