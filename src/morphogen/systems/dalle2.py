r"""DALL-E 2 (unCLIP): a prior of CLIP's embeddings of pictures, and a decoder that draws pictures of them.

    p(x | caption) = p(z | caption) p(x_low | z, caption) p(x_high | x_low),       z = CLIP's embedding of x

Paper: Hierarchical text-conditional image generation with CLIP latents, Ramesh, Dhariwal, Nichol, Chu & Chen,
2022, section 2 and appendix C. The prior predicts z and keeps the better of two samples by CLIP. In training
it loses the caption of one row in ten, the decoder, GLIDE's U-Net, z of one in ten and the caption of every
second one. The upsamplers see a blurred smaller picture and no text.
"paper": 64, 256 and 1024 pixels; at the published widths, prior, decoder and upsamplers have 1.22, 3.56, 0.73
and 0.28 billion parameters, where the paper states 1, 3.5, 0.7 and 0.3. Its CLIP is ViT-H/16, and it trains
the upsamplers on crops, the last with other degradations than blur.
Measured, small, on `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["SIZES", "dalle2", "decoded"]

from copy import deepcopy
from typing import Any

from morphogen.conditioning.best_match import BestMatch
from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.embedded_caption import EmbeddedCaption
from morphogen.conditioning.picture_embedding import PictureEmbedding
from morphogen.conditioning.previous import LowResolution
from morphogen.families.diffusion import DDIM, DDPM, CosineAlphas, Diffusion, DiscretizedGaussian, Shifted
from morphogen.families.diffusion.likelihood import GaussianDecoder
from morphogen.model import Model
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.doubled_channels import DoubledChannels
from morphogen.networks.prior_transformer import prior_transformer
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations.contrastive_embedding import ContrastiveEmbedding
from morphogen.representations.pixels import Pixels
from morphogen.representations.resized import reduced
from morphogen.staged import Cascade
from morphogen.systems import Size
from morphogen.systems.clip import clip
from morphogen.systems.latent_diffusion import text_transformer

SIZES: dict[Size, dict[str, Any]] = {
    # clip, stages: divisors of the sides; decoder: its chain; steps: of the others; calls: of the networks
    "tiny": {"clip": 1, "stages": {"low": 2, "high": 1}, "decoder": CosineAlphas(50), "steps": 50,
             "targets": ("eps", "eps"), "calls": (4, 4, 4), "tokens": 32},
    "small": {"clip": 1, "stages": {"low": 2, "high": 1}, "decoder": Shifted(CosineAlphas(1000), 2.0),
              "steps": 1000, "targets": ("v", "x0"), "calls": (25, 50, 15), "tokens": 32},
    "paper": {"clip": 4, "stages": {"low": 16, "middle": 4, "high": 1}, "decoder": CosineAlphas(1000),
              "steps": 1000, "targets": ("eps", "eps"), "calls": (64, 250, 27), "tokens": 256},
}  # fmt: skip
TEXTS: dict[Size, tuple[dict[str, Any], ...]] = {  # transformers of the prior, and of the decoder's captions
    "tiny": 2 * ({"width": 16, "layers": 1, "heads": 2},),
    "small": ({"width": 128, "layers": 3, "heads": 4}, {"width": 64, "layers": 2, "heads": 4}),
    "paper": 2 * ({"width": 2048, "layers": 24, "heads": 32},),
}
UNETS: dict[Size, list[dict[str, Any]]] = {
    "tiny": [{"channels": 8, "multipliers": (1,), "blocks": 1, "heads": heads} for heads in (2, 0)],
    "small": [{"channels": 48, "multipliers": (1, 2), "blocks": 1, "attention": (4,), "heads": 4, "patch": 2},
              {"channels": 32, "multipliers": (1, 2), "blocks": 1, "heads": 0, "patch": 2}],
    "paper": [{"channels": 512, "multipliers": (1, 2, 3, 4), "blocks": 3, "attention": (32, 16, 8),
               "heads": (8, 16, 24, 32), "dropout": 0.1},
              {"channels": 320, "multipliers": (1, 2, 3, 4), "blocks": 3, "heads": 0, "dropout": 0.1},
              {"channels": 192, "multipliers": (1, 1, 2, 2, 4, 4), "blocks": 2, "heads": 0}],
}  # fmt: skip
PLANS: dict[Size, list[Plan]] = {  # of the prior, the decoder and the upsamplers
    "tiny": 3 * [Plan(Adam(2e-3), batch=32, ema=0.99)],
    "small": [Plan(AdamW(1e-3, weight_decay=0.06), 128, Cosine(warmup=50), ema=0.99, clip=1.0),
              *(Plan(Adam(2e-3, (0.9, 0.99)), n, Cosine(100), ema=0.995, clip=1.0) for n in (128, 64))],
    "paper": [Plan(AdamW(1.1e-4, (0.9, 0.96), 1e-6, 0.06), 4096, ema=0.9999),
              *(Plan(Adam(lr), n, ema=0.9999) for lr, n in ((1.2e-4, 2048), (1.2e-4, 1024), (1e-4, 512)))],
}  # fmt: skip


def dalle2(pixels: Pixels, caption: Captions, size: Size = "small") -> Cascade:
    """DALL-E 2 (Ramesh et al. 2022): CLIP, a diffusion prior of its embeddings, a decoder and upsamplers."""
    contrastive = clip(reduced(pixels, SIZES[size]["clip"]), caption, size)
    return decoded(_prior(contrastive, size), pixels, caption, size)


def decoded(prior: Model, pixels: Pixels, caption: Captions, size: Size) -> Cascade:
    """CLIP, a prior of its embeddings, the decoder that draws pictures of them, and the upsamplers."""
    z: Any = prior.representation
    stages = {"clip": z.contrastive, "embedding": prior}
    for i, (name, factor) in enumerate(SIZES[size]["stages"].items()):
        x, smaller = reduced(pixels, factor), list(stages)[-1]
        stages[name] = _upsampler(x, smaller, i, size) if i else _decoder(x, z.shape[0], caption, size)
    return Cascade(**stages)


def _prior(contrastive: Model, size: Size) -> Model:
    """p(z | caption), by diffusion whose network predicts z."""
    z, caption = ContrastiveEmbedding(contrastive), EmbeddedCaption(contrastive)
    network = prior_transformer(caption.encoder.length, **caption.widths, **TEXTS[size][0])
    chain, sampler = CosineAlphas(SIZES[size]["steps"]), BestMatch(DDPM(SIZES[size]["calls"][0]))
    objective = Diffusion(network, chain, GaussianDecoder(), "x0", "posterior", sampler=sampler)
    return Model(objective, z, CaptionDropout(caption, 0.1), PLANS[size][0])


def _decoder(x: Pixels, features: int, caption: Captions, size: Size) -> Model:
    """p(x_low | z, caption), with guidance by both."""
    sizes, encoder = SIZES[size], text_transformer(caption, SIZES[size]["tokens"], **TEXTS[size][1])
    text, z = Caption(caption.text, encoder), PictureEmbedding(features, encoder.width)
    conditioner = Conditions(caption=ConditionDropout(text, 0.5), embedding=ConditionDropout(z, 0.1))
    unet = UNet((2 * x.channels, *x.shape[1:]), vector=2 * (encoder.width,), design="glide", **UNETS[size][0])
    options: Any = {"target": sizes["targets"][0], "variance": "learned", "bound_steps": 51}
    options |= {"decoder": DiscretizedGaussian(x.levels), "sampler": DDPM(sizes["calls"][1])}
    objective = Diffusion(DoubledChannels(unet), deepcopy(sizes["decoder"]), **options)
    return Model(objective, x, conditioner, PLANS[size][1])


def _upsampler(x: Pixels, smaller: str, i: int, size: Size) -> Model:
    """p(x | the picture of the smaller stage)."""
    sizes, conditioner = SIZES[size], Conditions(**{smaller: LowResolution(x.shape, noise=0.2, blur=0.6)})
    planes = conditioner.widths["spatial"]
    network = ConcatCondition(UNet((x.channels + planes, *x.shape[1:]), **UNETS[size][i]), planes)
    options: Any = {"target": sizes["targets"][1], "variance": "posterior", "bound_steps": 51}
    options |= {"decoder": DiscretizedGaussian(x.levels), "sampler": DDIM(sizes["calls"][2])}
    objective = Diffusion(network, CosineAlphas(sizes["steps"]), **options)
    return Model(objective, x, conditioner, PLANS[size][1 + i])
