r"""LLaMA: a transformer that knows distances instead of places, gates its features and shares its keys.

    q_i . k_j = (R^i q) . (R^j k),     h += W_2 (silu(W_g h) * W_1 h),     p(x) = prod_i softmax(W_o norm(h_i))_{x_i}

Paper: LLaMA: open and efficient foundation language models, Touvron, Lavril, Izacard, Martinet, Lachaux, Lacroix, Roziere, Goyal,
Hambro, Azhar, Rodriguez, Joulin, Grave & Lample, 2023 ("paper": its 7B, 32 layers of 4096; batches of 4M tokens are 2048 rows of
2048). "small" has as many parameters in a layer as gpt's; two heads share a key there, as in LLaMA 2 (Touvron et al. 2023b) and after.
Figure of this page: recipes/results/shakespeare.json.
"""

__all__ = ["llama"]

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
    # width, layers, heads, keys, hidden, batch, learning rate, warm-up
    "tiny": (32, 2, 4, 2, 64, 16, 3e-3, 10),
    "small": (128, 4, 4, 2, 384, 16, 1e-3, 100),
    "paper": (4096, 32, 32, 32, 11008, 2048, 3e-4, 2000),
}


def llama(text: Text, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits per byte of blocks of text, by rotary, gated, grouped attention; conditions are those of gpt."""
    width, layers, heads, keys, hidden, batch, lr, warmup = SIZES[size]
    network = decoders.llama(text.vocabulary, text.length, width, layers, heads, keys, hidden, vector=width if classes else 0)
    conditioner = ConditionDropout(Label(classes, width), p=0.1) if classes else Prefix()
    plan = Plan(AdamW(lr, betas=(0.9, 0.95), weight_decay=0.1), batch=batch, schedule=Cosine(warmup, floor=0.1), clip=1.0)
    return Model(Autoregressive(network, text.end), text, conditioner, plan)
