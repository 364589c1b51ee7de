r"""DiT: a diffusion model whose network is a transformer over image patches.

    loss = |eps - transformer(patches of x_t; t, c)|^2,     t ~ U{1 .. T}

Paper: Scalable diffusion models with transformers, Peebles & Xie, 2023.
"paper": DiT-XL/2, 28 layers of width 1152, which the paper trains on 32 x 32 latents of a VAE and samples by
250 steps of DDPM with learned variance; the variance is fixed here. It has 675 million parameters there; here
the embedded label passes one more linear layer, of 1.3 million. "small" has patches of 4 x 4 pixels, so
that an image of 28 x 28 is 49 tokens.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["dit"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import DDPM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.dit import DiT
from morphogen.plan import AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"patch": 2, "width": 32, "layers": 2, "heads": 2},
    "small": {"patch": 4, "width": 128, "layers": 6, "heads": 4},
    "paper": {"patch": 2, "width": 1152, "layers": 28, "heads": 16},
}
CHAINS: dict[Size, dict[str, Any]] = {
    # steps of the chain; network calls per sample, and per evaluation of the bound
    "tiny": {"steps": 50, "calls": 50, "bound_steps": 51},
    "small": {"steps": 100, "calls": 100, "bound_steps": 40},
    "paper": {"steps": 1000, "calls": 250, "bound_steps": 1001},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(2e-3, weight_decay=0.0), batch=32, ema=0.99),
    "small": Plan(AdamW(2e-3, weight_decay=0.0), batch=64, schedule=Cosine(warmup=50), ema=0.995, clip=1.0),
    "paper": Plan(AdamW(1e-4, weight_decay=0.0), batch=256, schedule=Constant(), ema=0.9999),
}


def dit(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """Diffusion transformer of images, trained as DDPM; image sides are multiples of the patch size."""
    sizes, chain = SIZES[size], CHAINS[size]
    width, steps, vector = sizes["width"], chain["steps"], sizes["width"] if label else 0
    objective = Diffusion(
        DiT(pixels.shape, sizes["patch"], width, sizes["layers"], sizes["heads"], vector),
        LinearBetas(1e-4 * 1000 / steps, 0.02 * 1000 / steps, steps),
        DiscretizedGaussian(pixels.levels),
        variance="posterior",
        bound_steps=chain["bound_steps"],
        sampler=DDPM(chain["calls"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, pixels, conditioner, plan=PLANS[size])
