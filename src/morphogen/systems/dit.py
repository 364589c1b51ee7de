r"""DiT: diffusion whose network is a transformer over patches.

    loss = |eps - transformer(patches of x_t; t, c)|^2,     t ~ U{1 .. T}

Paper: Scalable diffusion models with transformers, Peebles & Xie, 2023 ("paper": DiT-XL/2, 28 layers of 1152, in a VAE's codes of 32 x 32;
its 250 steps of DDPM learn their variance, which these do not). "small" has patches of 4, so that a picture of 28 x 28 is 49 symbols.
Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["dit"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import DDPM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.dit import DiT
from morphogen.plan import AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, tuple[int, int, int, int, int, int, int]] = {
    # patch, width, layers, heads, steps of the chain, calls for a sample, calls that a bound may take
    "tiny": (2, 32, 2, 2, 50, 50, 51),
    "small": (4, 128, 6, 4, 100, 100, 40),
    "paper": (2, 1152, 28, 16, 1000, 250, 1001),
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(2e-3, weight_decay=0.0), batch=32, ema=0.99),
    "small": Plan(AdamW(2e-3, weight_decay=0.0), batch=64, schedule=Cosine(warmup=50), ema=0.995, clip=1.0),
    "paper": Plan(AdamW(1e-4, weight_decay=0.0), batch=256, schedule=Constant(), ema=0.9999),
}


def dit(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures whose sides the patches fill, by ddpm's chain; the label enters every layer."""
    (patch, width, layers, heads, steps, calls, bound_steps), vector = SIZES[size], SIZES[size][1] if classes else 0
    objective = Diffusion(
        DiT(pixels.shape, patch, width, layers, heads, vector),
        LinearBetas(1e-4 * 1000 / steps, 0.02 * 1000 / steps, steps),
        DiscretizedGaussian(pixels.levels),
        variance="posterior",
        bound_steps=bound_steps,
        drawn_by=DDPM(calls),
    )
    return Model(objective, pixels, ConditionDropout(Label(classes, vector), p=0.1) if classes else None, plan=PLANS[size])
