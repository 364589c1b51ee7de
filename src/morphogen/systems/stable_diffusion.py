r"""Stable Diffusion 1: latent diffusion with the frozen text encoder of CLIP (Rombach et al. 2022).

    loss = |eps - eps_theta(z_t, t, tau(caption))|^2,   tau the text tower of a contrastive model

Paper: High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser &
Ommer, 2022, of whose text-to-image model it has more data and another encoder.
"paper": 512 x 512 pixels; a U-Net of 859,520,964 parameters, an autoencoder of 83,653,863 and the text tower
of CLIP ViT-L/14, of 123,060,480 with its vocabulary of 49,408. The picture tower, which only trains the text
tower, has 16 x 16 patches. Captions are filled up with end tokens. For published weights see
`interop.stable_diffusion.read_stable_diffusion`.
Its training is not measured.
"""

__all__ = ["contrastive", "stable_diffusion"]


from typing import Any

from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.conditioning.caption_encoder import text_transformer
from morphogen.conditioning.frozen import Frozen
from morphogen.families.contrastive import Contrastive
from morphogen.families.diffusion import PNDM, LeadingTimesteps
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.vision_transformer import Projection, VisionTransformer
from morphogen.plan import AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.latent_diffusion import PLANS, SIZES, denoiser, latents

TEXTS: dict[Size, dict[str, int]] = {
    # tokens: of every caption, filled up, with start and end
    "tiny": {"tokens": 32, "width": 16, "layers": 1, "heads": 2},
    "small": {"tokens": 32, "width": 128, "layers": 2, "heads": 4},
    "paper": {"tokens": 77, "width": 768, "layers": 12, "heads": 12},
}
PICTURES: dict[Size, dict[str, int]] = {
    # patches per side, if they divide the picture; features: width of both embeddings
    "tiny": {"patches": 2, "width": 16, "layers": 1, "heads": 2, "features": 16},
    "small": {"patches": 8, "width": 128, "layers": 3, "heads": 4, "features": 128},
    "paper": {"patches": 16, "width": 1024, "layers": 24, "heads": 16, "features": 768},
}
CONTRASTIVE_PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(2e-3), batch=32, clip=1.0),
    "small": Plan(AdamW(1e-3, weight_decay=0.1), batch=256, schedule=Cosine(warmup=100), clip=1.0),
    "paper": Plan(AdamW(4e-4, weight_decay=0.2), batch=32_768, schedule=Constant(warmup=2000)),
}


def stable_diffusion(pixels: Pixels, caption: Captions, size: Size = "small") -> Staged:
    """Stable Diffusion in three stages: contrastive text encoder, autoencoder, U-Net of its latents."""
    text, latent = contrastive(pixels, caption, size, TEXTS[size]), latents(pixels, size)
    encoder: Any = text.conditioner
    tokens, autoencoder = encoder.widths["tokens"], latent.inner.first_stage
    sampler = PNDM(SIZES[size]["calls"], spacing=LeadingTimesteps())
    objective = denoiser(latent.shape, tokens, size, sampler)
    conditioner = CaptionDropout(Frozen(encoder), 0.1)
    prior = Model(objective, latent, conditioner, PLANS[size])
    return Staged(text=text, autoencoder=autoencoder, prior=prior)


def contrastive(pixels: Pixels, caption: Captions, size: Size, tower: dict[str, Any]) -> Model:
    """Contrastive model of pictures and captions (Radford et al. 2021), with a text tower of these sizes."""
    picture = PICTURES[size]
    width, height = picture["width"], pixels.shape[1]
    patch = next(side for side in range(max(1, height // picture["patches"]), 0, -1)
                 if not any(length % side for length in pixels.shape[1:]))  # fmt: skip
    block = Block(
        Attention(width, picture["heads"]), FeedForward(width, 4 * width, "quick-gelu"), LayerNorm(width)
    )
    vision = VisionTransformer(pixels.shape, patch, block, picture["layers"], picture["features"])
    encoder = text_transformer(caption, **tower, filled=True)
    objective = Contrastive(vision, Projection(encoder.width, picture["features"]))
    return Model(objective, pixels, Caption(caption.text, encoder), CONTRASTIVE_PLANS[size])
