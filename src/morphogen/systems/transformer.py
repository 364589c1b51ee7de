r"""The encoder-decoder transformer for translation: the decoder cross-attends to the encoded source text.

    p(x | source) = prod_i softmax(W_e h_i)_{x_i},     h_i = decoder(start, x_<i; encoder(source))

Paper: Attention is all you need, Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser & Polosukhin,
2017.
"paper": its base model, 6 + 6 layers of width 512, post-norm; batches of 25,000 tokens are about a thousand
sentences. As in the paper, both texts have one vocabulary; here the encoder has its own embedding. With one
embedding of 37,000 tokens it has 63.1 million parameters; table 3 of the paper states 65.
Measured: recipes/results/translation.json.
"""

__all__ = ["transformer"]

from typing import Any

from morphogen.conditioning.source import SourceText
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import PostBlock
from morphogen.networks.encoder import Encoder
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initialization import FanInInit
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import SinusoidalPositions
from morphogen.networks.transformer import Tied, Transformer
from morphogen.plan import Adam, InverseRoot, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # layers of the encoder, and of the decoder; hidden: width of the feed-forward layers
    "tiny": {"width": 32, "layers": 2, "heads": 2, "hidden": 64, "dropout": 0.0},
    "small": {"width": 128, "layers": 3, "heads": 4, "hidden": 512, "dropout": 0.1},
    "paper": {"width": 512, "layers": 6, "heads": 8, "hidden": 2048, "dropout": 0.1},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # lr: the peak learning rate
    "tiny": {"lr": 3e-3, "batch": 16, "warmup": 10},
    "small": {"lr": 1e-3, "batch": 32, "warmup": 300},
    "paper": {"lr": (512 * 4000) ** -0.5, "batch": 1000, "warmup": 4000},
}


def transformer(text: Text, source: Text, size: Size = "small") -> Model:
    """Encoder-decoder transformer with exact bits/byte; the condition is a source text.

    Sources are ids [B, S] of the vocabulary of `source`, padded with -1.
    """
    sizes, training, vocabulary, length = SIZES[size], TRAINING[size], text.vocabulary, text.length
    width, layers, heads, dropout = sizes["width"], sizes["layers"], sizes["heads"], sizes["dropout"]
    positions, init = SinusoidalPositions(length, width), FanInInit(width**-0.5)

    def block(cross: CrossAttention | None) -> PostBlock:
        attention, feed_forward = Attention(width, heads), FeedForward(width, sizes["hidden"], "relu")
        return PostBlock(attention, feed_forward, LayerNorm(width), cross, dropout)

    sources = source.vocabulary, source.length
    encoder = Encoder(*sources, block(None), layers, positions, width**0.5, dropout, init)
    head, decoder_block = Tied(embedding_scale=width**0.5), block(CrossAttention(width, heads))
    decoder = Transformer(
        vocabulary, length, decoder_block, layers, positions, head, vocabulary, dropout, initializer=init
    )
    plan = Plan(
        Adam(training["lr"], betas=(0.9, 0.98), eps=1e-9),
        batch=training["batch"],
        schedule=InverseRoot(training["warmup"]),
    )
    return Model(Autoregressive(decoder, text.end, smoothing=0.1), text, SourceText(encoder), plan)
