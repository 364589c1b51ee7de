r"""NCSN: the gradient of log p at every level of noise, and a walk along it while the noise falls.

    loss = sigma^2 |s(x_t, sigma) - grad log q(x_t | x_0)|^2 = |eps - eps_theta|^2,     x = x + e s + sqrt(2 e) z at each of falling sigmas

Papers: Generative modeling by estimating gradients of the data distribution, Song & Ermon, 2019 ("paper": 10 levels of 100 steps each);
Improved techniques for training score-based generative models, Song & Ermon, 2020 (the largest sigma is about the largest distance of two
pictures; a last step without noise). The network is ddpm's U-Net, which hears sigma as a time and says F of Karras et al. (2022), where
theirs is a RefineNet. Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["ncsn"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import VE, AnnealedLangevin, Diffusion, DiscretizedGaussian, Preconditioned, ProbabilityFlow
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

WALKS: dict[Size, tuple[int, int, int]] = {  # calls for a sample; of them at each level; intervals for a likelihood
    "tiny": (8, 2, 4),
    "small": (300, 5, 20),
    "paper": (1000, 100, 200),
}


def ncsn(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures by Langevin dynamics under falling noise; log p along the flow, estimated with one probe."""
    (steps, rounds, intervals), vector = WALKS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        VE(0.02, 2 * max(pixels.shape[1:]) ** 0.5 * pixels.shape[0] ** 0.5),
        DiscretizedGaussian(pixels.levels),
        Preconditioned(0.5),
        drawn_by=AnnealedLangevin(steps, rounds),
        measured_by=ProbabilityFlow(intervals),
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))
