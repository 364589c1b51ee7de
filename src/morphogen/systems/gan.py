"""The first generative adversarial network, of multilayer perceptrons (Goodfellow et al. 2014)."""

__all__ = ["gan"]

from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Adversarial, NonSaturating
from morphogen.model import Model
from morphogen.networks.perceptron import Brightness, InRange, Maxout, Perceptron
from morphogen.plan import SGD, Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # units of the generator and of the critic; linear maps of a maxout unit; dropout of inputs and units
    "tiny": {"latent": 8, "widths": (32, 32), "critic": (24, 24), "pieces": 2, "dropout": (0.0, 0.0)},
    "small": {"latent": 32, "widths": (256, 256), "critic": (120, 120), "pieces": 3, "dropout": (0.1, 0.3)},
    # those of the authors' code for MNIST, which the paper does not state
    "paper": {
        "latent": 100,
        "widths": (1200, 1200),
        "critic": (240, 240),
        "pieces": 5,
        "dropout": (0.2, 0.5),
    },
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(1e-3, betas=(0.5, 0.9)), "batch": 32, "ema": 0.9},
    "small": {"optimizer": Adam(5e-4, betas=(0.5, 0.9)), "batch": 100, "ema": 0.99},
    "paper": {"optimizer": SGD(0.1, momentum=0.5), "batch": 100},
}


def gan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""GAN of perceptrons: ReLU in the generator, maxout and dropout in the critic (Goodfellow et al. 2014).

        critic: -log D(x) - log(1 - D(G(z)));   generator: -log D(G(z))

    z is normal, and uniform in the paper. The generator's loss is the one that section 3 of the paper trains,
    not that of the minimax game. A label is concatenated with z and with x (Mirza & Osindero 2014). Size
    paper has the momentum with which the authors' code begins; there it rises to 0.7.
    Result: not measured.
    """
    sizes, vector = SIZES[size], len(label or ())
    objective = Adversarial(
        InRange(Perceptron((sizes["latent"],), pixels.shape, sizes["widths"], vector, "relu")),
        Brightness(Maxout(pixels.shape, sizes["critic"], sizes["pieces"], sizes["dropout"], vector)),
        sizes["latent"],
        NonSaturating(),
    )
    return Model(objective, pixels, OneHot(vector) if label else None, Plan(**PLANS[size]))
