r"""PaLM: a decoder-only transformer with parallel attention and feed-forward, and multi-query attention.

    h += attention(norm(h)) + W_2 (silu(W_g norm(h)) * W_1 norm(h))
    p(x) = prod_i softmax(D^(-1/2) W_e norm(h_i))_{x_i}

Paper: PaLM: scaling language modeling with pathways, Chowdhery, Narang, Devlin et al., 2022.
"paper": its largest model, 118 layers of width 18432 with 48 heads of 256; 540.35 billion parameters with its
vocabulary of 256,000. The paper trains with Adafactor; the optimizer here is gpt's.
Bits/byte of this system: not measured.
"""

__all__ = ["palm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks import decoders
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # hidden: width of the feed-forward branch
    "tiny": {"width": 32, "layers": 2, "heads": 2, "head_width": 16, "hidden": 64},
    "small": {"width": 128, "layers": 4, "heads": 4, "head_width": 32, "hidden": 384},
    "paper": {"width": 18432, "layers": 118, "heads": 48, "head_width": 256, "hidden": 73728},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 16, "warmup": 10},
    "small": {"lr": 1e-3, "batch": 16, "warmup": 100},
    "paper": {"lr": 1e-4, "batch": 2048, "warmup": 2000},
}


def palm(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """PaLM language model with exact bits/byte; the condition is a prompt (ids [B, P]), or a label."""
    sizes, training = SIZES[size], TRAINING[size]
    width = sizes["width"]
    network = decoders.palm(
        text.vocabulary,
        text.length,
        width,
        sizes["layers"],
        sizes["heads"],
        sizes["head_width"],
        sizes["hidden"],
        vector=width if label else 0,
    )
    conditioner = ConditionDropout(Label(len(label), width), p=0.1) if label else Prefix()
    plan = Plan(
        AdamW(training["lr"], betas=(0.9, 0.95), weight_decay=0.1),
        batch=training["batch"],
        schedule=Cosine(training["warmup"], floor=0.1),
        clip=1.0,
    )
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
