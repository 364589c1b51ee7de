r"""Gated PixelCNN: a picture's law as a product over its subpixels, read by masked convolutions.

    p(x | c) = prod_i p(x_i | x_<i, c),     gate(a, b) = tanh(W_a * x + V_a c) sigmoid(W_b * x + V_b c)

Paper: Conditional image generation with PixelCNN decoders, van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu,
2016; 3.03 bits/dim on CIFAR-10 there ("paper": its 20 layers of 3 x 128 features). Digits, 30 s: 1.76 bits/dim. The paper
drops no condition; guidance needs it.
"""

__all__ = ["gated_pixelcnn"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.positions import Places
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

SIZES = {
    # features a colour, layers, first kernel, kernel, label, dropout, batch, learning rate, average
    "tiny": (8, 2, 5, 3, 8, 0.0, 32, 3e-3, 0.99),
    "small": (32, 5, 7, 3, 32, 0.2, 64, 6e-3, 0.99),
    "small, above 16 a side": (32, 5, 7, 5, 32, 0.1, 32, 4e-3, 0.99),
    "paper": (128, 20, 7, 5, 128, 0.0, 128, 1e-3, 0.9995),
}


def gated_pixelcnn(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits/dim, given a label if there are `classes`; drawn by `Ancestral()` or `Guided(Ancestral(), scale=2)`."""
    large = size == "small" and max(pixels.shape) > 16
    width, layers, first, kernel, label, dropout, batch, lr, ema = SIZES["small, above 16 a side" if large else size]
    colours, vector = pixels.shape[0], label if classes else 0
    network = GatedPixelCNN(
        pixels.shape, pixels.levels, width * colours, layers, first, kernel, embedding=8, dropout=dropout, vector=vector,
        places=Places((pixels.shape[1], pixels.shape[2]), 8 * colours, vector) if large else None,
    )  # fmt: skip
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    plan = Plan(AdamW(lr, betas=(0.9, 0.99), weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=1.0)
    return Model(Autoregressive(network), Quantised(pixels), conditioner, plan)
