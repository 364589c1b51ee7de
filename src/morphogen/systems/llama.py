r"""LLaMA: a decoder-only transformer with rotary positions, gated feed-forward and grouped-query attention.

    q_i . k_j = (R^i q) . (R^j k),     h += W_2 (silu(W_g h) * W_1 h)
    p(x) = prod_i softmax(W_o norm(h_i))_{x_i}

Paper: LLaMA: open and efficient foundation language models, Touvron, Lavril, Izacard, Martinet, Lachaux,
Lacroix, Roziere, Goyal, Hambro, Azhar, Rodriguez, Joulin, Grave & Lample, 2023.
"paper": its 7B model, 32 layers of width 4096; batches of 4M tokens are 2048 rows of 2048 tokens. "small" has
as many parameters per layer as gpt's; two query heads share a key-value head there, as in LLaMA 2 (Touvron et
al. 2023b) and later models.
Measured: recipes/results/shakespeare.json.
"""

__all__ = ["llama"]

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
    # hidden: width of the feed-forward layers
    "tiny": {"width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "hidden": 64},
    "small": {"width": 128, "layers": 4, "heads": 4, "kv_heads": 2, "hidden": 384},
    "paper": {"width": 4096, "layers": 32, "heads": 32, "kv_heads": 32, "hidden": 11008},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 16, "warmup": 10},
    "small": {"lr": 1e-3, "batch": 16, "warmup": 100},
    "paper": {"lr": 3e-4, "batch": 2048, "warmup": 2000},
}


def llama(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """LLaMA language model with exact bits/byte; the condition is a prompt (ids [B, P]), or a label."""
    sizes, training = SIZES[size], TRAINING[size]
    width = sizes["width"]
    network = decoders.llama(
        text.vocabulary,
        text.length,
        width,
        sizes["layers"],
        sizes["heads"],
        sizes["kv_heads"],
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
