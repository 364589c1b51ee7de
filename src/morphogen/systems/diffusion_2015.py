r"""The diffusion of 2015: the whole idea, trained by its bound.

    log p(x_0) >= E log p(x_0 | x_1) - sum_t KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) - KL(q(x_T | x_0) || N(0, I))

Paper: Deep unsupervised learning using nonequilibrium thermodynamics, Sohl-Dickstein, Weiss, Maheswaranathan & Ganguli, 2015. Every step
erases an equal share of the picture, beta_t = 1 / (T - t + 1), as theirs does for symbols (for pictures they learn it); the network says
x_0 where theirs says mean and variance, and is ddpm's U-Net for their convolutions at several scales. "paper": T = 1000, their chain for
CIFAR-10. Five years later one change made it draw well: to drop the weights of the bound (ddpm).
Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["diffusion_2015"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import BoundWeight, Diffusion, DiscretizedGaussian, InverseBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

CHAINS: dict[Size, tuple[int, int]] = {"tiny": (20, 21), "small": (100, 40), "paper": (1000, 1001)}  # steps; calls that a bound may take


def diffusion_2015(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures by the chain that is trained on its own bound, in bits per subpixel."""
    (steps, bound_steps), vector = CHAINS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        InverseBetas(steps),
        DiscretizedGaussian(pixels.levels),
        "x0",
        variance="posterior",
        bound_steps=bound_steps,
        weighting=BoundWeight(),
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    return Model(objective, pixels, conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))
