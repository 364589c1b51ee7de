r"""The first diffusion model, trained on its variational bound.

    log p(x_0) >= E log p(x_0 | x_1) - sum_t KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
                  - KL(q(x_T | x_0) || N(0, I))

Paper: Deep unsupervised learning using nonequilibrium thermodynamics, Sohl-Dickstein, Weiss, Maheswaranathan
& Ganguli, 2015. Every step erases an equal fraction of the image, beta_t = 1 / (T - t + 1); the paper does so
for binary data and learns beta_t for images. The network is ddpm's U-Net and predicts x_0; the paper's is a
multi-scale convolutional network that predicts mean and variance. "paper": T = 1000, the chain of its
CIFAR-10 model. DDPM (2020) drops the weights of the bound, which improves the samples most.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["diffusion_2015"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import BoundWeight, Diffusion, DiscretizedGaussian, InverseBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain; network calls per evaluation of the bound
    "tiny": {"steps": 20, "bound_steps": 21},
    "small": {"steps": 100, "bound_steps": 40},
    "paper": {"steps": 1000, "bound_steps": 1001},
}


def diffusion_2015(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """Diffusion model of images trained on its variational bound, in bits/dim."""
    key, vector = size_key(pixels, size), 64 if label else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        InverseBetas(SIZES[size]["steps"]),
        DiscretizedGaussian(pixels.levels),
        "x0",
        variance="posterior",
        bound_steps=SIZES[size]["bound_steps"],
        weighting=BoundWeight(),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, pixels, conditioner, plan=Plan(**PLANS[key]))
