r"""Sketch to picture: a diffusion model conditioned on edge maps, which are concatenated to x_t.

    v_theta([x_t, sketch], t),     the sketch is dropped for one row in ten

Papers: Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023 (edge maps
as the condition); Palette: image-to-image diffusion models, Saharia et al., 2022 (spatial conditioning by
concatenation). Neither publishes a network for images this small: "paper" is the U-Net of `v_diffusion`. The
data must have sketches: `morphogen train sketch_to_picture --data DATA --condition sketch`.
Measured, on Fashion-MNIST: recipes/results/fashion-sketches.json.
"""

__all__ = ["sketch_to_picture"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.specs import Sketches
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian
from morphogen.model import Model
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.unet import UNet
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import size_key
from morphogen.systems.v_diffusion import NETWORKS, PLANS, SIZES


def sketch_to_picture(pixels: Pixels, sketch: Sketches, size: Size = "small") -> Model:
    """Diffusion model of images given a sketch."""
    chain, (channels, *sides) = SIZES[size], pixels.shape
    unet = UNet((channels + 1, *sides), **NETWORKS[size_key(pixels, size)])
    objective = Diffusion(
        ConcatCondition(unet, 1),
        CosineAlphas(chain["steps"]),
        DiscretizedGaussian(pixels.levels),
        "v",
        variance="posterior",
        bound_steps=chain["bound_steps"],
        sampler=DDIM(chain["calls"]),
    )
    return Model(objective, pixels, ConditionDropout(Sketch(), p=0.1), PLANS[size])
