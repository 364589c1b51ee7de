r"""D3PM for text: discrete diffusion with masking noise, which generates all tokens in parallel.

    log p(x) >= - sum_t KL(q(x_{t-1} | x_t, x) || p(x_{t-1} | x_t)),      q: masked with probability t / T

Paper: Structured denoising diffusion models in discrete state-spaces, Austin, Johnson, Ho, Tarlow & van den
Berg, 2021.
"paper": its character-level text8 model, a bidirectional transformer of 12 layers of width 768 with T = 1000,
which also embeds t. The paper states 70M parameters; twelve such layers with feed-forward layers of width
3072 have 85M, and all of this model 87M. Positions are rotary, as in Lou, Meng & Ermon (2024): with learned
position embeddings, attention hardly found the neighbouring tokens in four minutes of training.
Measured: recipes/results/shakespeare-d3pm.json.
"""

__all__ = ["d3pm_text"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import D3PM, AbsorbingNoise
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

SIZES: dict[Size, dict[str, Any]] = {
    # bound_steps: network calls per evaluation of the bound
    "tiny": {"width": 32, "layers": 2, "heads": 2, "steps": 16, "bound_steps": 16},
    "small": {"width": 128, "layers": 4, "heads": 4, "steps": 128, "bound_steps": 128},
    "paper": {"width": 768, "layers": 12, "heads": 12, "steps": 1000, "bound_steps": 1000},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 16, "warmup": 10},
    "small": {"lr": 2e-3, "batch": 16, "warmup": 100},
    "paper": {"lr": 5e-4, "batch": 512, "warmup": 10_000},
}


def d3pm_text(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """D3PM language model with a bound on bits/byte, sampled in any number of rounds."""
    sizes, training = SIZES[size], TRAINING[size]
    width, heads, vector = sizes["width"], sizes["heads"], sizes["width"] if label else 0
    attention = Attention(width, heads, positions=Rotary(width // heads, text.length))
    block = Block(attention, FeedForward(width, 4 * width), LayerNorm(width))
    network = DenoisingTransformer(text.vocabulary + 1, text.vocabulary, block, sizes["layers"], None, vector)
    objective = D3PM(
        network, AbsorbingNoise(text.vocabulary, sizes["steps"]), bound_steps=sizes["bound_steps"]
    )
    conditioner = ConditionDropout(Label(len(label), width), p=0.1) if label else None
    plan = Plan(
        AdamW(training["lr"], betas=(0.9, 0.98), weight_decay=0.1),
        batch=training["batch"],
        schedule=Cosine(training["warmup"], floor=0.1),
        clip=1.0,
        ema=0.999,
    )
    return Model(objective, text, conditioner, plan)
