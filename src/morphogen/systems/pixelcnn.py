r"""PixelCNN: a picture's law as a product over its subpixels, read by one stack of masked convolutions.

    p(x | c) = prod_i p(x_i | x_<i, c),     h' = h + B_1x1 relu(B_3x3 relu(B_1x1 relu(h)))

Paper: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016; its PixelCNN came to 3.14 bits/dim on CIFAR-10.
"paper": 15 layers, h = 128 of each colour. The paper's RMSProp is AdamW here, and the condition is ours: it has none. Figure of this
page: recipes/results/fashion-pixels.json.
"""

__all__ = ["pixelcnn"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.pixel_stack import PixelStack, Residual
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

SIZES = {
    # h of a colour, layers, first kernel, kernel, label, batch, learning rate, average
    "tiny": (4, 2, 5, 3, 8, 32, 3e-3, 0.99),
    "small": (32, 6, 7, 5, 32, 32, 3e-3, 0.99),
    "small, two levels": (16, 11, 7, 3, 32, 32, 3e-3, 0.99),  # as many numbers as PixelRNN's
    "paper": (128, 15, 7, 3, 128, 16, 1e-3, 0.9995),
}


def pixelcnn(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Exact bits/dim, given a label if there are `classes`."""
    h, layers, first, kernel, label, batch, lr, ema = SIZES["small, two levels" if size == "small" and pixels.levels == 2 else size]
    colours, vector = pixels.shape[0], label if classes else 0
    stack = tuple(Residual(2 * h * colours, kernel, colours) for _ in range(layers))
    network = PixelStack(pixels.shape, pixels.levels, stack, first, vector)
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    plan = Plan(AdamW(lr, betas=(0.9, 0.99), weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=1.0)
    return Model(Autoregressive(network), Quantised(pixels), conditioner, plan)
