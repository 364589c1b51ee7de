r"""GPT: a transformer that continues text, one byte after another.

    p(x) = prod_i softmax(W_e norm(h_i))_{x_i},     h_i = transformer(start, x_1 .. x_(i-1))

Paper: Language models are unsupervised multitask learners (GPT-2), Radford, Wu, Child, Luan, Amodei & Sutskever, 2019 ("paper":
its smallest model, 12 layers of 768; "small": the shape nanoGPT trains on a laptop). GPT-3 (Brown et al. 2020, table 2.1; its layers
attend densely and sparsely in turn) is the same in larger numbers, trained on blocks of 2048:

    parameters    125M    350M    760M    1.3B    2.7B    6.7B    13B     175B
    layers        12      24      24      24      32      32      40      96
    width         768     1024    1536    2048    2560    4096    5140    12288
    heads         12      16      16      24      32      32      40      96          (1.3B and 13B: of 128, which is no divisor)
    rate / 1e-4   6.0     3.0     2.5     2.0     1.6     1.2     1.0     0.6

Figure of this page: recipes/results/shakespeare.json.
"""

__all__ = ["gpt"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.decoders import gpt2
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES = {
    # width, layers, heads, dropout, batch, learning rate, warm-up
    "tiny": (32, 2, 2, 0.0, 16, 3e-3, 10),
    "small": (128, 4, 4, 0.0, 16, 6e-3, 100),
    "paper": (768, 12, 12, 0.1, 512, 6e-4, 2000),
}


def gpt(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits per byte of blocks of text; the condition is a prompt (ids [B, P]), or a label if there are `classes`."""
    width, layers, heads, dropout, batch, lr, warmup = SIZES[size]
    network = gpt2(text.vocabulary, text.length, width, layers, heads, dropout=dropout, vector=width if classes else 0)
    conditioner = ConditionDropout(Label(classes, width), p=0.1) if classes else Prefix()
    plan = Plan(AdamW(lr, betas=(0.9, 0.95), weight_decay=0.1), batch=batch, schedule=Cosine(warmup, floor=0.1), clip=1.0)
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
