r"""Latent diffusion: an autoencoder, and a diffusion model of its latents (Rombach et al. 2022)."""

__all__ = ["autoencoder_kl_ddpm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import Diffusion, GaussianDecoder, LinearBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Constant, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.representations.unit_variance import UnitVariance
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.autoencoder_kl import autoencoder_kl

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain, and its first and last beta; network calls per evaluation of the bound
    "tiny": {"steps": 50, "first_beta": 1e-3, "last_beta": 0.2, "bound_steps": 51},
    "small": {"steps": 100, "first_beta": 1e-3, "last_beta": 0.1, "bound_steps": 40},
    "paper": {"steps": 1000, "first_beta": 1.5e-3, "last_beta": 0.0195, "bound_steps": 1001},
}
NETWORKS: dict[Size, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 64, "multipliers": (1, 2), "blocks": 1, "heads": 4},
    "paper": {"channels": 224, "multipliers": (1, 2, 3, 4), "attention": (8, 16, 32), "heads": 8},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3), "batch": 32, "ema": 0.99},
    "small": {"optimizer": Adam(2e-3), "batch": 64, "schedule": Cosine(warmup=50), "ema": 0.995, "clip": 1.0},
    "paper": {"optimizer": AdamW(9.6e-5), "batch": 48, "schedule": Constant(warmup=10_000), "ema": 0.9999},
}


def autoencoder_kl_ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Staged:
    r"""Latent diffusion (Rombach et al. 2022), trained in two stages: `autoencoder_kl`, and DDPM on its z.

        loss = |eps - eps_theta(alpha_t x_0 + sigma_t eps, t)|^2,   x_0 = z / std of the first batch

    If there are classes, only the diffusion model is conditional on the label, which is dropped for one row
    in five; the paper's is an unconditional model of 256 x 256 pixels (table 12).
    Measured, small: recipes/results/fashion-autoencoders.json.
    """
    autoencoder = autoencoder_kl(pixels, size)
    latent, sizes, vector = UnitVariance(Latent(autoencoder)), SIZES[size], 64 if label else 0
    objective = Diffusion(
        UNet(latent.shape, vector=vector, **NETWORKS[size]),
        LinearBetas(sizes["first_beta"], sizes["last_beta"], sizes["steps"]),
        GaussianDecoder(),
        variance="posterior",
        bound_steps=sizes["bound_steps"],
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.2) if label else None
    prior = Model(objective, latent, conditioner, Plan(**PLANS[size]))
    return Staged(autoencoder=autoencoder, prior=prior)
