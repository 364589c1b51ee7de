r"""PixelRNN: a picture's law as a product over its subpixels, read by LSTMs that go through it row by row or diagonal by diagonal.

    p(x | c) = prod_i p(x_i | x_<i, c),     h' = h + B_1x1 lstm(h)

Paper: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016; on CIFAR-10 it came to 3.00 bits/dim with
`DiagonalBiLSTM` and 3.07 with `RowLSTM`, on binary MNIST to 79.20 nats (diagonal, 7 layers, h = 16). "paper": 12 layers, h = 128 of
each colour. The paper's RMSProp is AdamW here, and the condition is ours: it has none.
Figure of this page: recipes/results/mnist-10k-binarised.json.
"""

__all__ = ["pixelrnn"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.pixel_stack import PixelStack
from morphogen.networks.pixelrnn import DiagonalBiLSTM, RowLSTM
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

SIZES = {
    # h of a colour, layers, first kernel, label, batch, learning rate, average
    "tiny": (4, 1, 5, 8, 32, 3e-3, 0.99),
    "small": (16, 3, 7, 32, 32, 3e-3, 0.99),
    "small, two levels": (16, 3, 7, 32, 32, 3e-3, 0.99),
    "paper": (128, 12, 7, 128, 16, 1e-3, 0.9995),
}


def pixelrnn(pixels: Pixels, classes: int = 0, size: Size = "small", layer: type[DiagonalBiLSTM] | type[RowLSTM] = DiagonalBiLSTM) -> Model:
    """Exact bits/dim, given a label if there are `classes`; `layer=RowLSTM` is the cheaper of the paper's two."""
    h, layers, first, label, batch, lr, ema = SIZES["small, two levels" if size == "small" and pixels.levels == 2 else size]
    colours, vector = pixels.shape[0], label if classes else 0
    stack = tuple(layer(2 * h * colours, colours=colours) for _ in range(layers))
    network = PixelStack(pixels.shape, pixels.levels, stack, first, vector)
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    plan = Plan(AdamW(lr, betas=(0.9, 0.99), weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=1.0)
    return Model(Autoregressive(network), Quantised(pixels), conditioner, plan)
