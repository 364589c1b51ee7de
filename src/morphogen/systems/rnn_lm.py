r"""A character LSTM: text from a state of fixed size that has read all before it.

    p(x) = prod_i softmax(W_o [h^1_i .. h^L_i])_{x_i},     h_i = LSTM(start, x_1 .. x_(i-1))

Paper: Generating sequences with recurrent neural networks, Graves, 2013, section 3.2 ("paper": its network for Wikipedia, 7 layers of
700, trained on sequences of 100 bytes; the optimiser and the batch are ours, as are "tiny" and "small").
Figure of this page: recipes/results/shakespeare.json.
"""

__all__ = ["rnn_lm"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.recurrent import Recurrent
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES = {
    # width, layers, batch, learning rate, warm-up
    "tiny": (32, 1, 16, 1e-2, 10),
    "small": (256, 1, 16, 5e-3, 20),
    "paper": (700, 7, 100, 1e-3, 1000),
}


def rnn_lm(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits per byte of blocks of text, by an LSTM; the condition is a prompt (ids [B, P]), or a label if there are `classes`."""
    width, layers, batch, lr, warmup = SIZES[size]
    network = Recurrent(text.vocabulary, width, layers, "lstm", vector=width if classes else 0)
    conditioner = ConditionDropout(Label(classes, width), p=0.1) if classes else Prefix()
    plan = Plan(Adam(lr), batch=batch, schedule=Cosine(warmup, floor=0.01), clip=1.0)
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
