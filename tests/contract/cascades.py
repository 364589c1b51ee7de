"""A cascade of digits: 4 x 4 pictures by label, then 8 x 8 by label and the 4 x 4 picture."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import morphogen as mg
from morphogen.conditioning import ConditionDropout, Conditions, Label, LowResolution
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations import Pixels, Resized

PIXELS = Pixels(17, (1, 8, 8))
LOW = (1, 4, 4)


def diffusion(network: Any, calls: int = 25) -> Diffusion:
    decoder = DiscretizedGaussian(17)
    return Diffusion(network, CosineAlphas(100), decoder, "v", variance="posterior", sampler=DDIM(calls))


def digits_cascade(channels: int = 16, noise: float = 0.3, plan: Plan | None = None) -> mg.Cascade:
    """The label is dropped for one row in five, the smaller picture never."""
    torch.manual_seed(0)
    network: dict[str, Any] = {"channels": channels, "blocks": 1, "heads": 0, "vector": 32}
    low = UNet(LOW, multipliers=(1, 1), **network)
    high = UNet((4, 8, 8), multipliers=(1, 2), **network)
    plan = plan or Plan(Adam(3e-3), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0)
    label = [ConditionDropout(Label(10, 32), p=0.2) for _ in range(2)]
    return mg.Cascade(
        low=mg.Model(diffusion(low), Resized(PIXELS, LOW), Conditions(label=label[0]), plan),
        high=mg.Model(
            diffusion(ConcatCondition(high, 3)),
            PIXELS,
            Conditions(label=label[1], low=LowResolution(PIXELS.shape, noise)),
            plan,
        ),
    )


def halved(pictures: Tensor) -> Tensor:
    """The pictures at half the resolution."""
    return F.avg_pool2d(pictures, 2)
