r"""GLIDE: pictures from captions by diffusion of pixels, in two resolutions (Nichol et al. 2022).

    low ~ p(low | caption),     picture ~ p(picture | low, caption)

Paper: GLIDE: towards photorealistic image generation and editing with text-guided diffusion models, Nichol,
Dhariwal, Ramesh, Shyam, Mishkin, McGrew, Sutskever & Chen, 2022.
"paper": 64 x 64 pixels, then 256 x 256, by U-Nets of 2.24 billion parameters (2.3 in the paper) and 1.29
billion, each with a text transformer that is trained with it, of 1.31 (1.2) and 0.35 billion. Here these are
causal, and the variance of a step is not learned. The last token of a caption takes the place of the class,
and its tokens are further keys and values of attention; one caption in five becomes the empty one.
"small" doubles the resolution; its first stage predicts v, with twice the noise, its upsampler x_0. Guidance
by a contrastive model is `CLIPGuided`; `inpaint` fills in a part of a picture.
Measured, small, on `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["NETWORKS", "PLANS", "SCHEDULES", "SIZES", "attended", "glide"]

from copy import deepcopy
from typing import Any

from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.previous import LowResolution
from morphogen.families.diffusion import (
    DDIM,
    CosineAlphas,
    Diffusion,
    DiscretizedGaussian,
    LinearBetas,
    Shifted,
)
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.model import Model
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.representations.resized import reduced
from morphogen.staged import Cascade
from morphogen.systems import Size
from morphogen.systems.latent_diffusion import text_transformer

SIZES: dict[Size, dict[str, Any]] = {
    # factor between the resolutions; what the networks of the stages predict, their calls per sample, and per
    # bound
    "tiny": {"factor": 2, "targets": ("v", "x0"), "calls": (4, 4), "bound_steps": 33},
    "small": {"factor": 2, "targets": ("v", "x0"), "calls": (50, 27), "bound_steps": 100},
    "paper": {"factor": 4, "targets": ("eps", "eps"), "calls": (150, 27), "bound_steps": 1001},
}
SCHEDULES: dict[Size, tuple[NoiseSchedule, NoiseSchedule]] = {
    "tiny": (CosineAlphas(32), LinearBetas(1e-3, 0.2, 32)),
    "small": (Shifted(CosineAlphas(1000), 2.0), LinearBetas(1e-4, 0.02, 1000)),
    "paper": (CosineAlphas(1000), LinearBetas(1e-4, 0.02, 1000)),
}
NETWORKS: dict[Size, tuple[dict[str, Any], dict[str, Any]]] = {
    # of the first stage and of the upsampler; attended: number of coarsest levels with attention
    "tiny": (
        {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 1, "attended": 1},
        {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 1, "attended": 1},
    ),
    "small": (
        {"channels": 48, "multipliers": (1, 2), "blocks": 1, "heads": 4, "attended": 1, "patch": 2},
        {"channels": 32, "multipliers": (1, 2), "blocks": 1, "heads": 4, "attended": 1, "patch": 2},
    ),
    "paper": (
        {"channels": 512, "multipliers": (1, 2, 3, 4), "blocks": 3, "heads": (8, 16, 24, 32), "attended": 3},
        {
            "channels": 384, "multipliers": (1, 1, 2, 2, 4, 4), "blocks": 2,
            "heads": (6, 6, 12, 12, 24, 24), "attended": 3,
        },
    ),
}  # fmt: skip
TEXTS: dict[Size, tuple[dict[str, Any], ...]] = {
    # tokens: most of a caption, with start and end
    "tiny": ({"tokens": 32, "width": 16, "layers": 1, "heads": 2},) * 2,
    "small": ({"tokens": 32, "width": 64, "layers": 2, "heads": 4},) * 2,
    "paper": tuple({"tokens": 128, "width": w, "layers": 24, "heads": w // 64} for w in (2048, 1024)),
}
PLANS: dict[Size, tuple[Plan, ...]] = {
    "tiny": (Plan(Adam(2e-3), batch=32, ema=0.99),) * 2,
    "small": tuple(
        Plan(Adam(2e-3, (0.9, 0.99)), batch=n, schedule=Cosine(warmup=100), ema=0.995, clip=1.0)
        for n in (128, 32)
    ),
    "paper": tuple(Plan(AdamW(1e-4), batch=n, schedule=Constant(), ema=0.9999) for n in (2048, 512)),
}


def glide(pixels: Pixels, caption: Captions, size: Size = "small") -> Cascade:
    """GLIDE in two stages: smaller pictures by their captions, and an upsampler with the same captions."""
    sizes, low = SIZES[size], reduced(pixels, SIZES[size]["factor"])
    above, previous = pixels.shape[0], LowResolution(pixels.shape)
    texts = [text_transformer(caption, **text) for text in TEXTS[size]]
    captions = [CaptionDropout(Caption(caption.text, text), 0.2) for text in texts]
    vectors, planes = [(text.width, text.width) for text in texts], previous.widths["spatial"]
    first = UNet(low.shape, vector=vectors[0], design="glide", **attended(NETWORKS[size][0], low.shape))
    shape = (above + planes, *pixels.shape[1:])
    second = UNet(shape, vector=vectors[1], design="glide", **attended(NETWORKS[size][1], shape))
    networks: tuple[Any, ...] = first, ConcatCondition(second, planes)
    parts = zip(networks, deepcopy(SCHEDULES[size]), sizes["targets"], sizes["calls"], strict=True)
    objectives = [
        Diffusion(
            network, schedule, DiscretizedGaussian(pixels.levels), target, "posterior",
            sizes["bound_steps"], sampler=DDIM(calls),
        )
        for network, schedule, target, calls in parts
    ]  # fmt: skip
    return Cascade(
        low=Model(objectives[0], low, captions[0], PLANS[size][0]),
        picture=Model(objectives[1], pixels, Conditions(caption=captions[1], low=previous), PLANS[size][1]),
    )


def attended(network: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """The arguments of a U-Net of this shape with attention at its coarsest levels."""
    levels, patch = len(network["multipliers"]), network.get("patch", 1)
    heights = [shape[1] // patch // 2**level for level in range(levels)]
    others = {name: value for name, value in network.items() if name != "attended"}
    return others | {"attention": tuple(heights[-network["attended"] :])}
