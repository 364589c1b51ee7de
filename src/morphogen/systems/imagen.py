r"""Imagen: pictures from captions, read by a frozen language model (Saharia et al. 2022).

    tokens = language model(caption)
    low ~ p(low | tokens),     picture ~ p(picture | low + noise, strength of the noise, tokens)

Paper: Photorealistic text-to-image diffusion models with deep language understanding, Saharia, Chan, Saxena
et al., 2022. The language model was trained on text alone, and is never trained here.
"paper": 64, 256 and 1024 pixels per side, by a U-Net of 2.4 billion parameters (2 billion in the paper) and
two `EfficientUNet`s of 481 million each (600 and 400 million), with the width of T5-XXL's tokens, 4096.
"small" doubles the resolution, with twice the noise in the first stage, and an upsampler that predicts x_0.
`morphogen train` gives it `language_model("minilm")`; without one, captions have an encoder with random
weights. Large guidance scales need `DDIM(50, clip=DynamicThreshold())`.
Measured, small, on `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["first_stage", "imagen"]

from copy import deepcopy
from itertools import pairwise
from typing import Any

from morphogen.conditioning.caption import Caption, Captions
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.conditioning.previous import LowResolution
from morphogen.contract import Conditioner
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian, Shifted
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.model import Model
from morphogen.networks.attention_pooling import AttentionPooling
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.efficient_unet import EfficientUNet
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.representations.resized import reduced
from morphogen.staged import Cascade
from morphogen.systems import Size
from morphogen.systems.glide import NETWORKS, attended
from morphogen.systems.latent_diffusion import text_transformer

SIZES: dict[Size, dict[str, Any]] = {
    # factors between the resolutions; what the networks of the first stage and of an upsampler predict, their
    # calls per sample, and per bound; largest strength of the noise on the smaller picture
    "tiny": {"factors": (2,), "targets": ("v", "x0"), "calls": (4, 4), "bound": 33, "noise": 0.3},
    "small": {"factors": (2,), "targets": ("v", "x0"), "calls": (50, 20), "bound": 100, "noise": 0.3},
    "paper": {"factors": (16, 4), "targets": ("v", "v"), "calls": (256, 128), "bound": 1001, "noise": 0.99},
}
SCHEDULES: dict[Size, tuple[NoiseSchedule, NoiseSchedule]] = {
    # of the first stage and of an upsampler, as the plans are
    "tiny": (CosineAlphas(32), CosineAlphas(32)),
    "small": (Shifted(CosineAlphas(1000), 2.0), CosineAlphas(1000)),
    "paper": (CosineAlphas(1000), CosineAlphas(1000)),
}
UPSAMPLER: dict[Size, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": (1, 1), "heads": 1},
    "small": {"channels": 32, "multipliers": (1, 2, 4), "blocks": (1, 2, 2), "heads": 4},
    "paper": {"channels": 128, "multipliers": (1, 2, 4, 8), "blocks": (2, 4, 8, 8), "heads": 8},
}
TEXTS: dict[Size, dict[str, Any]] = {
    # of the encoder that stands in for a language model
    "tiny": {"tokens": 32, "width": 16, "layers": 1, "heads": 2},
    "small": {"tokens": 32, "width": 128, "layers": 2, "heads": 4},
    "paper": {"tokens": 128, "width": 4096, "layers": 1, "heads": 64},
}
PLANS: dict[Size, tuple[Plan, ...]] = {
    "tiny": (Plan(Adam(2e-3), batch=32, ema=0.99),) * 2,
    "small": tuple(
        Plan(Adam(2e-3, (0.9, 0.99)), batch=n, schedule=Cosine(warmup=100), ema=0.995, clip=1.0)
        for n in (128, 32)
    ),
    "paper": (Plan(AdamW(1e-4), batch=2048, schedule=Constant(warmup=10_000), ema=0.9999, clip=1.0),) * 2,
}


def imagen(
    pixels: Pixels, caption: Captions, size: Size = "small", language_model: Caption | None = None
) -> Cascade:
    """Imagen: a cascade of diffusion models of pixels, whose captions a frozen language model reads.

    Arguments:
        pixels, caption, size: as of every system.
        language_model: of the captions; None: an encoder with random weights.
    """
    sizes = SIZES[size]
    reader = language_model or Caption(caption.text, text_transformer(caption, **TEXTS[size]))
    frozen, widths = Frozen(reader), (reader.widths["vector"], reader.widths["tokens"])
    names = ["low", *(f"middle{i}" for i in range(1, len(sizes["factors"]))), "picture"]
    larger = [*(reduced(pixels, factor) for factor in sizes["factors"][1:]), pixels]
    stages = {"low": first_stage(pixels, ConditionDropout(frozen, 0.1), size)}
    for (earlier, name), picture in zip(pairwise(names), larger, strict=True):
        previous = LowResolution(picture.shape, sizes["noise"])
        planes, (channels, *sides) = previous.widths["spatial"], picture.shape
        coarsest = sides[0] // 2 ** len(UPSAMPLER[size]["multipliers"])
        efficient = EfficientUNet(
            (channels + planes, *sides), attention=(coarsest,), vector=widths, **UPSAMPLER[size]
        )
        conditions: dict[str, Any] = {"caption": ConditionDropout(frozen, 0.1), earlier: previous}
        objective = _diffusion(ConcatCondition(efficient, planes), pixels, size, upsampler=True)
        stages[name] = Model(objective, picture, Conditions(**conditions), PLANS[size][1])
    return Cascade(**stages)


def first_stage(pixels: Pixels, captions: Conditioner, size: Size) -> Model:
    """The first stage, with GLIDE's U-Net: small pictures by captions, as tokens and a vector."""
    low = reduced(pixels, SIZES[size]["factors"][0])
    vector, tokens = captions.widths["vector"], captions.widths["tokens"]
    unet = UNet(low.shape, vector=(vector, tokens), design="glide", **attended(NETWORKS[size][0], low.shape))
    objective = _diffusion(AttentionPooling(unet, tokens, vector), pixels, size)
    return Model(objective, low, captions, PLANS[size][0])


def _diffusion(network: Any, pixels: Pixels, size: Size, upsampler: bool = False) -> Diffusion:
    """Diffusion of the first stage, or of an upsampler."""
    sizes, schedule = SIZES[size], deepcopy(SCHEDULES[size][upsampler])
    return Diffusion(
        network, schedule, DiscretizedGaussian(pixels.levels), sizes["targets"][upsampler], "posterior",
        sizes["bound"], sampler=DDIM(sizes["calls"][upsampler]),
    )  # fmt: skip
