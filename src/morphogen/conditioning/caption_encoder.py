"""The text transformer of captions with their own vocabulary (Radford et al. 2021; Rombach et al. 2022)."""

__all__ = ["text_transformer"]

from typing import Literal

from morphogen.conditioning.caption import Captions
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initialization import FanInInit
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_transformer import TextTransformer


def text_transformer(
    caption: Captions, tokens: int, width: int, layers: int, heads: int, filled: bool = False,
    activation: Literal["gelu", "quick-gelu"] = "quick-gelu",
) -> TextTransformer:  # fmt: skip
    """A text encoder of the captions' own vocabulary, with a start and an end token.

    Its weights are scaled by their inputs, as CLIP's are: N(0, 0.02) is of about that size at CLIP's width of
    512, but so small at a width of 64 that attention is uniform and captions are learned late.

    Arguments:
        caption: of the data.
        tokens: most tokens of a caption, with start and end.
        width, layers, heads: of the transformer.
        activation: of its feed-forward networks.
        filled: whether captions are filled up with end tokens, to which the U-Net attends too.
    """
    block = Block(Attention(width, heads), FeedForward(width, 4 * width, activation), LayerNorm(width))
    vocabulary = caption.text.vocabulary
    start, end = vocabulary, vocabulary + 1
    padding = end if filled else None
    return TextTransformer(
        vocabulary + 2, tokens, block, layers, start, end, padding, initializer=FanInInit()
    )
