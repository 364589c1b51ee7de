r"""The transformer: one that reads a text, and one that writes another while it looks at what was read.

    tokens = encoder(source),     p(x | source) = prod_i softmax(W_e h_i)_{x_i},     h = decoder(start, x_<i; tokens)

Paper: Attention is all you need, Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser & Polosukhin, 2017 ("paper": its base model,
6 + 6 layers of 512, post-norm; batches of 25,000 tokens are about a thousand sentences). The two texts are of one vocabulary, as there;
the reader's embedding is its own here. Figure of this page: recipes/results/translation.json.
"""

__all__ = ["transformer"]

from morphogen.component import ConfigError
from morphogen.conditioning.source import SourceText
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import PostBlock
from morphogen.networks.encoder import Encoder
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initial import FanIn
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import Sinusoidal
from morphogen.networks.transformer import Tied, Transformer
from morphogen.plan import Adam, InverseRoot, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES = {
    # width, layers, heads, hidden, dropout, batch, learning rate at its peak, warm-up
    "tiny": (32, 2, 2, 64, 0.0, 16, 3e-3, 10),
    "small": (128, 3, 4, 512, 0.1, 32, 1e-3, 300),
    "paper": (512, 6, 8, 2048, 0.1, 1000, (512 * 4000) ** -0.5, 4000),
}


def transformer(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits per byte of a text given another; the condition is the source (ids [B, S], -1 behind the end of each)."""
    if classes:
        raise ConfigError(f"transformer reads a source text, the data have {classes} classes; take gpt, llama or palm")
    width, layers, heads, hidden, dropout, batch, lr, warmup = SIZES[size]
    places, initial = Sinusoidal(text.length, width), FanIn(width**-0.5)

    def block(cross: CrossAttention | None) -> PostBlock:
        return PostBlock(Attention(width, heads), FeedForward(width, hidden, "relu"), LayerNorm(width), cross, dropout)

    reader = Encoder(text.vocabulary, text.length, block(None), layers, places, width**0.5, dropout, initial)
    head, writes = Tied(read=width**0.5), block(CrossAttention(width, heads))
    writer = Transformer(text.vocabulary, text.length, writes, layers, places, head, text.vocabulary, dropout, initial=initial)
    plan = Plan(Adam(lr, betas=(0.9, 0.98), eps=1e-9), batch=batch, schedule=InverseRoot(warmup))
    return Model(Autoregressive(writer, text.end, smoothing=0.1), text, SourceText(reader), plan)
