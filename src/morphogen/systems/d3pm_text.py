r"""D3PM for text: all symbols at once, masked and guessed in a few rounds.

    log p(x) >= - sum_t KL(q(x_{t-1} | x_t, x) || p(x_{t-1} | x_t)),      q: masked with probability t / T

Paper: Structured denoising diffusion models in discrete state-spaces, Austin, Johnson, Ho, Tarlow & van den Berg, 2021 ("paper": its
text8 model, a transformer of 12 layers of 768, T = 1000, of characters; that embeds t and sees both ways; 70M parameters there).
Distances are heard as rotations, as in Lou, Meng & Ermon (2024): told of learned places, it hardly found its neighbours in four minutes.
Figure of this page: recipes/results/shakespeare-d3pm.json.
"""

__all__ = ["d3pm_text"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import D3PM, Absorbing
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.denoising_transformer import DenoisingTransformer
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.relative_positions import Rotary
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES = {
    # width, layers, heads, steps, calls of a bound, batch, learning rate, warm-up
    "tiny": (32, 2, 2, 16, 16, 16, 3e-3, 10),
    "small": (128, 4, 4, 128, 128, 16, 2e-3, 100),
    "paper": (768, 12, 12, 1000, 1000, 512, 5e-4, 10_000),
}


def d3pm_text(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """A bound in bits per byte of blocks of text, drawn in any number of rounds; a label if there are `classes`."""
    width, layers, heads, steps, bound_steps, batch, lr, warmup = SIZES[size]
    corruption, vector = Absorbing(text.vocabulary, steps), width if classes else 0
    attention = Attention(width, heads, positions=Rotary(width // heads, text.length))
    block = Block(attention, FeedForward(width, 4 * width), LayerNorm(width))
    network = DenoisingTransformer(text.vocabulary + 1, text.vocabulary, block, layers, None, vector)
    conditioner = ConditionDropout(Label(classes, width), p=0.1) if classes else None
    plan = Plan(AdamW(lr, betas=(0.9, 0.98), weight_decay=0.1), batch=batch, schedule=Cosine(warmup, floor=0.1), clip=1.0, ema=0.999)
    return Model(D3PM(network, corruption, bound_steps=bound_steps), text, conditioner, plan)
