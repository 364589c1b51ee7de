r"""An LSTM language model.

    p(x) = prod_i softmax(W_o [h^1_i .. h^L_i])_{x_i},     h_i = LSTM(start, x_1 .. x_(i-1))

Paper: Generating sequences with recurrent neural networks, Graves, 2013, section 3.2.
"paper": its network for Wikipedia, 7 layers of width 700, trained on sequences of 100 bytes. The paper
states 21.3M weights, which 5 such layers have, where 7 have 30.5M; here they read bytes through an embedding
as wide as the layers: 40.7M. The paper's optimizer and batch are not reproduced, and "tiny" and "small" are
this library's own.
Measured: recipes/results/shakespeare.json.
"""

__all__ = ["rnn_lm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.recurrent import Recurrent
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 32, "layers": 1, "lr": 1e-2, "batch": 16, "warmup": 10},
    "small": {"width": 256, "layers": 1, "lr": 5e-3, "batch": 16, "warmup": 20},
    "paper": {"width": 700, "layers": 7, "lr": 1e-3, "batch": 100, "warmup": 1000},
}


def rnn_lm(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """LSTM language model with exact bits/byte; the condition is a prompt (ids [B, P]), or a label."""
    sizes = SIZES[size]
    width = sizes["width"]
    network = Recurrent(text.vocabulary, width, sizes["layers"], "lstm", vector=width if label else 0)
    conditioner = ConditionDropout(Label(len(label), width), p=0.1) if label else Prefix()
    schedule = Cosine(sizes["warmup"], floor=0.01)
    plan = Plan(Adam(sizes["lr"]), batch=sizes["batch"], schedule=schedule, clip=1.0)
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
