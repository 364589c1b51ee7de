r"""GPT: a decoder-only transformer language model.

    p(x) = prod_i softmax(W_e norm(h_i))_{x_i},     h_i = transformer(start, x_1 .. x_(i-1))

Paper: Language models are unsupervised multitask learners (GPT-2), Radford, Wu, Child, Luan, Amodei &
Sutskever, 2019.
"paper": its smallest model, 12 layers of width 768; 124M parameters (the paper's 117M was an error, says the
README of its code). "small": the shape that nanoGPT trains on a laptop. GPT-3
(Brown et al. 2020, table 2.1) has the same architecture, except that dense and sparse attention alternate in
its layers; it is larger, and was trained on blocks of 2048 tokens:

    parameters    125M    350M    760M    1.3B    2.7B    6.7B    13B     175B
    layers        12      24      24      24      32      32      40      96
    width         768     1024    1536    2048    2560    4096    5140    12288
    heads         12      16      16      24      32      32      40      96
    rate / 1e-4   6.0     3.0     2.5     2.0     1.6     1.2     1.0     0.6

For 1.3B and 13B the paper gives a head width of 128, although heads x 128 is not the model's width.
Measured: recipes/results/shakespeare.json.
"""

__all__ = ["gpt"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.decoders import gpt2
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 32, "layers": 2, "heads": 2, "dropout": 0.0},
    "small": {"width": 128, "layers": 4, "heads": 4, "dropout": 0.0},
    "paper": {"width": 768, "layers": 12, "heads": 12, "dropout": 0.1},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 16, "warmup": 10},
    "small": {"lr": 6e-3, "batch": 16, "warmup": 100},
    "paper": {"lr": 6e-4, "batch": 512, "warmup": 2000},
}


def gpt(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """GPT language model with exact bits/byte; the condition is a prompt (ids [B, P]), or a label."""
    sizes, training = SIZES[size], TRAINING[size]
    width = sizes["width"]
    network = gpt2(
        text.vocabulary,
        text.length,
        width,
        sizes["layers"],
        sizes["heads"],
        dropout=sizes["dropout"],
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
