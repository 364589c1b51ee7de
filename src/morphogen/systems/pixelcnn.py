r"""PixelCNN: an autoregressive model of images with one stack of masked convolutions.

    p(x | c) = prod_i p(x_i | x_<i, c),     h' = h + B_1x1 relu(B_3x3 relu(B_1x1 relu(h)))

Paper: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016; 3.14 bits/dim for its
PixelCNN on CIFAR-10.
"paper": 15 layers, h = 128 features per colour. The paper trains with RMSProp, this module with AdamW; the
condition is an addition.
Measured: recipes/results/fashion-pixels.json.
"""

__all__ = ["pixelcnn"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.pixel_stack import PixelStack, Residual
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels, Quantised
from morphogen.systems import Size

BINARY = "small, binary"  # "small" for images of two levels; as many parameters as `pixelrnn`
SIZES: dict[str, dict[str, Any]] = {
    # width: features per colour, h in the paper
    "tiny": {"width": 4, "layers": 2, "first_kernel": 5, "kernel": 3, "label_width": 8},
    "small": {"width": 32, "layers": 6, "first_kernel": 7, "kernel": 5, "label_width": 32},
    BINARY: {"width": 16, "layers": 11, "first_kernel": 7, "kernel": 3, "label_width": 32},
    "paper": {"width": 128, "layers": 15, "first_kernel": 7, "kernel": 3, "label_width": 128},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "ema": 0.99},
    "small": {"lr": 3e-3, "batch": 32, "ema": 0.99},
    "paper": {"lr": 1e-3, "batch": 16, "ema": 0.9995},
}


def pixelcnn(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """PixelCNN with exact bits/dim; class-conditional if there are labels."""
    sizes = SIZES[BINARY if size == "small" and pixels.levels == 2 else size]
    colours, vector = pixels.shape[0], sizes["label_width"] if label else 0
    layers = tuple(
        Residual(2 * sizes["width"] * colours, sizes["kernel"], colours) for _ in range(sizes["layers"])
    )
    network = PixelStack(pixels.shape, pixels.levels, layers, sizes["first_kernel"], vector)
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    plan = Plan(
        AdamW(TRAINING[size]["lr"], betas=(0.9, 0.99), weight_decay=0.01),
        batch=TRAINING[size]["batch"],
        schedule=Cosine(warmup=20),
        ema=TRAINING[size]["ema"],
        clip=1.0,
    )
    return Model(Autoregressive(network), Quantised(pixels), conditioner, plan)
