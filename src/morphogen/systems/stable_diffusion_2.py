r"""Stable Diffusion 2: v-prediction, more heads at coarser levels and a larger frozen text encoder.

    loss = |v - v_theta(z_t, t, tau(caption))|^2,   v = alpha_t eps - sigma_t z

Papers: High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser &
Ommer, 2022; the target is that of Salimans & Ho, 2022.
"paper": 768 x 768 pixels; a U-Net of 865,910,724 parameters, whose heads have 64 channels, and the text tower
of OpenCLIP ViT-H/14 without its last layer, of 340,387,840 with its vocabulary of 49,408.
Its training is not measured.
"""

__all__ = ["stable_diffusion_2"]

from typing import Any

from morphogen.conditioning.caption import CaptionDropout, Captions
from morphogen.conditioning.frozen import Frozen
from morphogen.families.diffusion import DDIM, LeadingTimesteps
from morphogen.model import Model
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.latent_diffusion import PLANS, SIZES, denoiser, latents
from morphogen.systems.stable_diffusion import contrastive

HEADS: dict[Size, tuple[int, ...]] = {"tiny": (1, 2), "small": (0, 4), "paper": (5, 10, 20, 20)}
TEXTS: dict[Size, dict[str, Any]] = {
    "tiny": {"tokens": 32, "width": 16, "layers": 1, "heads": 2, "activation": "gelu"},
    "small": {"tokens": 32, "width": 128, "layers": 2, "heads": 4, "activation": "gelu"},
    "paper": {"tokens": 77, "width": 1024, "layers": 23, "heads": 16, "activation": "gelu"},
}


def stable_diffusion_2(pixels: Pixels, caption: Captions, size: Size = "small") -> Staged:
    """Stable Diffusion 2 in the three stages of `stable_diffusion`."""
    text, latent = contrastive(pixels, caption, size, TEXTS[size]), latents(pixels, size)
    encoder: Any = text.conditioner
    autoencoder = latent.inner.first_stage
    tokens, sampler = encoder.widths["tokens"], DDIM(SIZES[size]["calls"], spacing=LeadingTimesteps())
    objective = denoiser(latent.shape, tokens, size, sampler, "v", heads=HEADS[size])
    conditioner = CaptionDropout(Frozen(encoder), 0.1)
    return Staged(
        text=text, autoencoder=autoencoder, prior=Model(objective, latent, conditioner, PLANS[size])
    )
