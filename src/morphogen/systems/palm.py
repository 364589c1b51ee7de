r"""PaLM: a transformer whose branches run side by side, all of whose heads share one key.

    h += attention(norm(h)) + W_2 (silu(W_g norm(h)) * W_1 norm(h)),     p(x) = prod_i softmax(D^(-1/2) W_e norm(h_i))_{x_i}

Paper: PaLM: scaling language modeling with pathways, Chowdhery, Narang, Devlin et al., 2022 ("paper": its largest, 118 layers of 18432
with 48 heads of 256; 540 billion parameters with its vocabulary of 256,000). Adafactor there; the optimiser is gpt's here.
Figure of this page: not measured.
"""

__all__ = ["palm"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks import decoders
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES = {
    # width, layers, heads, head width, hidden, batch, learning rate, warm-up
    "tiny": (32, 2, 2, 16, 64, 16, 3e-3, 10),
    "small": (128, 4, 4, 32, 384, 16, 1e-3, 100),
    "paper": (18432, 118, 48, 256, 73728, 2048, 1e-4, 2000),
}


def palm(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits per byte of blocks of text, by parallel branches and one key for all heads; conditions are those of gpt."""
    width, layers, heads, head, hidden, batch, lr, warmup = SIZES[size]
    network = decoders.palm(text.vocabulary, text.length, width, layers, heads, head, hidden, vector=width if classes else 0)
    conditioner = ConditionDropout(Label(classes, width), p=0.1) if classes else Prefix()
    plan = Plan(AdamW(lr, betas=(0.9, 0.95), weight_decay=0.1), batch=batch, schedule=Cosine(warmup, floor=0.1), clip=1.0)
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
