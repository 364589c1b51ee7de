"""A hierarchical VAE of pictures, with latents at several resolutions (Sonderby et al. 2016; Child 2021)."""

__all__ = ["hierarchical_vae"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.vae import ELBO, HierarchicalVAE, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.networks.ladder import Ladder
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # latent channels and groups of each scale, coarsest first; the finest scale has none
    "tiny": {"latent": 2, "width": 8, "groups": (2, 1), "warmup": 0, "lr": 3e-3, "batch": 32},
    "small": {"latent": 4, "width": 32, "groups": (2, 1), "warmup": 200, "lr": 2e-3, "batch": 64},
    "paper": {"latent": 16, "width": 384, "groups": (8, 10), "warmup": 5000, "lr": 2e-4, "batch": 32},
}


def hierarchical_vae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""VAE with groups of latents from coarse to fine, inferred top down (Sonderby et al. 2016; Child 2021).

        log P(x) >= E_q log P(x | z) - sum_l KL(q(z_l | z_<l, x) || p(z_l | z_<l))

    Two groups at the coarsest resolution and one at every finer one except the finest; the published models
    have dozens. The KL term is warmed up (Sonderby et al. 2016, section 2.3).
    Measured, small: recipes/results/fashion-autoencoders.json; at half the width: mnist-10k-vaes.json.
    """
    sizes, vector = SIZES[size], 32 if label else 0
    likelihood, (coarse, finer) = likelihood_of_levels(pixels.levels), sizes["groups"]
    scales = max(halvings(pixels.shape), 1)
    groups = (coarse, *(finer,) * (scales - 1), 0) if halvings(pixels.shape) else (coarse + finer,)
    objective = HierarchicalVAE(
        Ladder(
            pixels.shape, likelihood.outputs(pixels.shape[0]), sizes["latent"], groups, sizes["width"], vector
        ),
        likelihood,
        ELBO(warmup=sizes["warmup"]),
    )
    plan = Plan(Adam(sizes["lr"]), batch=sizes["batch"], schedule=Cosine(warmup=20), ema=0.99, clip=200.0)
    return Model(objective, pixels, Label(len(label), vector) if label else None, plan)
