r"""Latent diffusion: pictures from captions, in the latents of an autoencoder (Rombach et al. 2022).

    loss = |eps - eps_theta(z_t, t, tau(caption))|^2,   z_t = alpha_t z + sigma_t eps

Paper: High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser &
Ommer, 2022, sections 3.3 and 4.3.1.
"paper": the model of LAION-400M, 256 x 256 pixels, with 8-fold smaller latents: a U-Net of 872 million
parameters and a text transformer tau of 32 layers, which are trained together. Without captions see
`autoencoder_kl_ddpm`; with a frozen text encoder `stable_diffusion`.
Its training is not measured.
"""

__all__ = ["denoiser", "latent_diffusion", "text_transformer"]

from typing import Any, Literal

from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.contract import Sampler
from morphogen.families.diffusion import DDIM, Diffusion, GaussianDecoder, ScaledLinearBetas, ZeroBased
from morphogen.families.diffusion.targets import Target
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initialization import FanInInit
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_transformer import TextTransformer
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Constant, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.representations.unit_variance import UnitVariance
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.autoencoder_kl import autoencoder_kl

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain, and its first and last beta; network calls per sample and per bound
    "tiny": {"steps": 50, "betas": (1e-3, 0.2), "calls": 8, "bound_steps": 51},
    "small": {"steps": 1000, "betas": (0.00085, 0.012), "calls": 50, "bound_steps": 40},
    "paper": {"steps": 1000, "betas": (0.00085, 0.012), "calls": 50, "bound_steps": 1001},
}
NETWORKS: dict[Size, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 2},
    "small": {"channels": 64, "multipliers": (1, 2), "blocks": 1, "heads": 4},
    "paper": {"channels": 320, "multipliers": (1, 2, 4, 4), "blocks": 2, "heads": 8},
}
TEXTS: dict[Size, dict[str, Any]] = {
    # tokens: most of a caption, with start and end
    "tiny": {"tokens": 32, "width": 16, "layers": 1, "heads": 2},
    "small": {"tokens": 32, "width": 128, "layers": 2, "heads": 4},
    "paper": {"tokens": 77, "width": 1280, "layers": 32, "heads": 8},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(2e-3), batch=32, ema=0.99),
    "small": Plan(Adam(1e-3), batch=64, schedule=Cosine(warmup=100), ema=0.998, clip=1.0),
    "paper": Plan(AdamW(1e-4), batch=680, schedule=Constant(warmup=10_000), ema=0.9999),
}


def latent_diffusion(pixels: Pixels, caption: Captions, size: Size = "small") -> Staged:
    """Latent diffusion of captioned pictures in two stages; one caption in ten becomes the empty one."""
    autoencoder, encoder = autoencoder_kl(pixels, size), text_transformer(caption, **TEXTS[size])
    latent = UnitVariance(Latent(autoencoder))
    objective = denoiser(latent.shape, encoder.width, NETWORKS[size], SIZES[size], DDIM(SIZES[size]["calls"]))
    conditioner = CaptionDropout(Caption(caption.text, encoder), 0.1)
    return Staged(autoencoder=autoencoder, prior=Model(objective, latent, conditioner, PLANS[size]))


def denoiser(
    shape: tuple[int, ...], tokens: int, network: dict[str, Any], chain: dict[str, Any], sampler: Sampler,
    target: Target = "eps",
) -> Diffusion:  # fmt: skip
    """Diffusion of latents with cross-attention to captions, at all levels of the U-Net but the fourth.

    Arguments:
        shape: (C, H, W) of the latents.
        tokens: width of the encoded captions.
        network: of `NETWORKS`.
        chain: of `SIZES`.
        sampler: the default sampler.
        target: what the network predicts.
    """
    attention = tuple(shape[1] // 2**level for level, _ in enumerate(network["multipliers"][:3]))
    first_beta, last_beta = chain["betas"]
    schedule = ZeroBased(ScaledLinearBetas(first_beta, last_beta, chain["steps"]))
    unet = UNet(shape, attention=attention, vector=(0, tokens), design="latent", **network)
    return Diffusion(
        unet, schedule, GaussianDecoder(), target, bound_steps=chain["bound_steps"], sampler=sampler
    )


def text_transformer(
    caption: Captions, tokens: int, width: int, layers: int, heads: int, filled: bool = False,
    activation: Literal["gelu", "quick-gelu"] = "quick-gelu",
) -> TextTransformer:  # fmt: skip
    """A text encoder of the captions' own vocabulary, with a start and an end token.

    Its weights are scaled by their inputs, as CLIP's are: N(0, 0.02) is of about that size at CLIP's width of
    512, but so small at a width of 64 that attention is uniform and captions are learned late.

    Arguments:
        caption: of the data.
        tokens: most tokens of a caption, with start and end.
        width, layers, heads: of the transformer.
        activation: of its feed-forward networks.
        filled: whether captions are filled up with end tokens, to which the U-Net attends too.
    """
    block = Block(Attention(width, heads), FeedForward(width, 4 * width, activation), LayerNorm(width))
    vocabulary = caption.text.vocabulary
    start, end = vocabulary, vocabulary + 1
    padding = end if filled else None
    return TextTransformer(
        vocabulary + 2, tokens, block, layers, start, end, padding, initializer=FanInInit()
    )
