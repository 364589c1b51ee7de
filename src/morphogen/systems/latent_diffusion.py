r"""Latent diffusion: pictures from captions, in the latents of an autoencoder (Rombach et al. 2022).

    loss = |eps - eps_theta(z_t, t, tau(caption))|^2,   z_t = alpha_t z + sigma_t eps

Paper: High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser &
Ommer, 2022, sections 3.3 and 4.3.1.
"paper": the model of LAION-400M, 256 x 256 pixels, with 8-fold smaller latents: a U-Net of 872 million
parameters and a text transformer tau of 32 layers, which are trained together. Without captions see
`autoencoder_kl_ddpm`; with a frozen text encoder `stable_diffusion`.
"small": 2-fold smaller latents, from an autoencoder without discriminator: 4-fold ones of `shapes` keep the
objects but hide their colours in little noise. v is predicted, as in `stable_diffusion_2`, and the blocks are
those of ADM.
Measured, small, on `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["denoiser", "latent_diffusion", "latents"]

from copy import deepcopy
from typing import Any

from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.conditioning.caption_encoder import text_transformer
from morphogen.contract import Sampler
from morphogen.families.diffusion import (
    DDIM,
    CosineAlphas,
    Diffusion,
    GaussianDecoder,
    ScaledLinearBetas,
    Shifted,
    ZeroBased,
)
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.families.diffusion.targets import Target
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Constant, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.representations.unit_variance import UnitVariance
from morphogen.representations.whitened import Whitened
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.autoencoder_kl import autoencoder_kl, plain_autoencoder

SIZES: dict[Size, dict[str, Any]] = {
    # target of the network; its calls per sample and per bound
    "tiny": {"target": "eps", "calls": 8, "bound_steps": 51},
    "small": {"target": "v", "calls": 25, "bound_steps": 40},
    "paper": {"target": "eps", "calls": 50, "bound_steps": 1001},
}
SCHEDULES: dict[Size, NoiseSchedule] = {
    "tiny": ZeroBased(ScaledLinearBetas(1e-3, 0.2, 50)),
    "small": Shifted(CosineAlphas(1000), 2.0),
    "paper": ZeroBased(ScaledLinearBetas(0.00085, 0.012, 1000)),
}
NETWORKS: dict[Size, dict[str, Any]] = {
    # heads: of each level
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 2, "design": "latent"},
    "small": {"channels": 48, "multipliers": (1, 2), "blocks": 1, "heads": (0, 4), "design": "adm",
              "patch": 2},
    "paper": {"channels": 320, "multipliers": (1, 2, 4, 4), "blocks": 2, "heads": 8, "design": "latent"},
}  # fmt: skip
TEXTS: dict[Size, dict[str, Any]] = {
    # tokens: most of a caption, with start and end
    "tiny": {"tokens": 32, "width": 16, "layers": 1, "heads": 2},
    "small": {"tokens": 32, "width": 64, "layers": 2, "heads": 4},
    "paper": {"tokens": 77, "width": 1280, "layers": 32, "heads": 8},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(2e-3), batch=32, ema=0.99),
    "small": Plan(Adam(2e-3, (0.9, 0.99)), batch=128, schedule=Cosine(warmup=100), ema=0.995, clip=1.0),
    "paper": Plan(AdamW(1e-4), batch=680, schedule=Constant(warmup=10_000), ema=0.9999),
}


def latent_diffusion(pixels: Pixels, caption: Captions, size: Size = "small") -> Staged:
    """Latent diffusion of captioned pictures in two stages; one caption in ten becomes the empty one."""
    latent, encoder = latents(pixels, size), text_transformer(caption, **TEXTS[size])
    objective = denoiser(latent.shape, encoder.width, size, DDIM(SIZES[size]["calls"]))
    conditioner = CaptionDropout(Caption(caption.text, encoder), 0.1)
    prior = Model(objective, latent, conditioner, PLANS[size])
    return Staged(autoencoder=latent.inner.first_stage, prior=prior)


def latents(pixels: Pixels, size: Size) -> Any:
    """The latents of a first stage: those of `autoencoder_kl` on one scale, or those of "small" whitened."""
    if size == "small":
        return Whitened(Latent(plain_autoencoder(pixels)))
    return UnitVariance(Latent(autoencoder_kl(pixels, size)))


def denoiser(
    shape: tuple[int, ...], tokens: int, size: Size, sampler: Sampler, target: Target | None = None,
    **changes: Any,
) -> Diffusion:  # fmt: skip
    """Diffusion of latents with cross-attention to captions, at all levels of the U-Net but the fourth.

    The blocks of "adm" are also scaled and shifted by the vector of a caption, as in GLIDE.

    Arguments:
        shape: (C, H, W) of the latents.
        tokens: width of the encoded captions.
        size: of the tables.
        sampler: the default sampler.
        target: what the network predicts; None: that of the size.
        changes: other arguments of the U-Net than those of `NETWORKS`.
    """
    sizes, network = SIZES[size], NETWORKS[size] | changes
    side = shape[1] // network.get("patch", 1)
    attention = tuple(side // 2**level for level, _ in enumerate(network["multipliers"][:3]))
    vector = tokens if network["design"] == "adm" else 0, tokens
    unet, schedule = UNet(shape, attention=attention, vector=vector, **network), deepcopy(SCHEDULES[size])
    options = {"bound_steps": sizes["bound_steps"], "sampler": sampler}
    return Diffusion(unet, schedule, GaussianDecoder(), target or sizes["target"], **options)
