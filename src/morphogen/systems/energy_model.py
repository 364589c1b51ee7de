"""An energy-based model of pictures, sampled by Langevin dynamics (Du & Mordatch 2019)."""

__all__ = ["energy_model"]

from typing import Any

from torch import nn

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.energy import EnergyBased, Langevin, ReplayBuffer
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.networks.dcgan import DCGANDiscriminator
from morphogen.networks.lipschitz import SpectrallyNormalized
from morphogen.networks.resnet_gan import ResNetCritic
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # width of the finest scale and of the coarser ones; chains in the buffer; weight of the squared energies
    "tiny": {"fine": 8, "coarse": 16, "blocks": 0, "chains": 64, "regularizer": 0.1},
    "small": {"fine": 32, "coarse": 64, "blocks": 1, "chains": 512, "regularizer": 0.1},
    "paper": {"fine": 128, "coarse": 256, "blocks": 2, "chains": 10_000, "regularizer": 1.0},
}
CHAINS: dict[Size, Langevin] = {
    "tiny": Langevin(5, 2.0, noise=0.01, clip=0.03, bound=1.0),
    "small": Langevin(20, 2.0, noise=0.01, clip=0.04, bound=1.0),
    "paper": Langevin(60, 80.0, noise=0.01, bound=1.0),
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(1e-3, betas=(0.0, 0.99)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(1e-3, betas=(0.0, 0.99)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {
        "optimizer": Adam(1e-4, betas=(0.0, 0.999)), "batch": 128, "schedule": Constant(), "ema": 0.999,
    },
}  # fmt: skip
NOISE = 0.02  # standard deviation of the noise that is added to the examples


def energy_model(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""Energy-based model p(x | c) = exp(-E(x, c)) / Z(c) (Du & Mordatch 2019), with persistent chains.

        E(x+) - E(x-) + alpha (E(x+)^2 + E(x-)^2),   x- <- x- - (lambda / 2) grad E(x-) + omega z, 20 times

    "paper" has the numbers for CIFAR-10, of pixels in [-1, 1], and spectral normalization. In the smaller
    sizes, the entries of gradients are clipped instead. Above 16 pixels, "small" has the critic of DCGAN,
    which is faster. Samples continue chains of the training.
    Result: not measured.
    """
    sizes, vector = SIZES[size], len(label or ())
    widths = (sizes["fine"],) + (sizes["coarse"],) * halvings(pixels.shape)
    network: nn.Module = ResNetCritic(pixels.shape, widths, sizes["blocks"], vector)
    if size == "small" and max(pixels.shape) > 16:
        network = DCGANDiscriminator(pixels.shape, sizes["fine"], vector, norm="group")
    objective = EnergyBased(
        SpectrallyNormalized(network) if size == "paper" else network,
        CHAINS[size],
        ReplayBuffer(pixels.shape, sizes["chains"], vector=vector),
        sizes["regularizer"],
        NOISE,
    )
    return Model(objective, pixels, OneHot(vector) if label else None, Plan(**PLANS[size]))
