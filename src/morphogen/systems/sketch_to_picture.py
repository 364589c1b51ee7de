r"""Sketch to picture: a diffusion that has the edges it is to fill beside the noise, from its first layer on.

    v_theta([x_t, sketch], t),     the sketch left out for one row in ten

Papers: Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023 (edges as the condition); Palette:
image-to-image diffusion models, Saharia et al., 2022 (a condition in space by concatenation). Neither publishes numbers for pictures this
small: "paper" is the U-Net of v_diffusion. Data are given so: `morphogen train sketch_to_picture --data DATA --condition sketch`.
On clothes: recipes/results/fashion-sketches.json.
"""

__all__ = ["sketch_to_picture"]

from morphogen.conditioning.sketch import Sketch
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian
from morphogen.model import Model
from morphogen.networks.beside import Beside
from morphogen.networks.unet import UNet
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import numbers
from morphogen.systems.v_diffusion import CHAINS, NETWORKS, PLANS


def sketch_to_picture(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures from sketches; labels, if there are any, are not heard."""
    steps, calls, bound_steps = CHAINS[size]
    channels, *sides = pixels.shape
    objective = Diffusion(
        Beside(UNet((channels + 1, *sides), **NETWORKS[numbers(pixels, size)]), 1),
        CosineAlphas(steps),
        DiscretizedGaussian(pixels.levels),
        "v",
        variance="posterior",
        bound_steps=bound_steps,
        drawn_by=DDIM(calls),
    )
    return Model(objective, pixels, Sketch(p=0.1), PLANS[size])
