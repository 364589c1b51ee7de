r"""CycleGAN: translation of pictures without pairs, by two generators that invert each other.

    G(y) looks like an x, F(x) like a y,     F(G(y)) = y,  G(F(x)) = x

Paper: Unpaired image-to-image translation using cycle-consistent adversarial networks, Zhu, Park, Isola &
Efros, 2017. The data are pictures of both kinds: `morphogen train cyclegan --data PHOTOS --source PAINTINGS`
translates paintings to photographs, and `model.objective.to_source` photographs to paintings. What fits the
other kind is not unique (a picture and its negative may serve each other equally well): only pairs could say.
Measured, on digits: recipes/results/mnist-5k-cyclegan.json.
"""

__all__ = ["cyclegan"]

from typing import Any

from morphogen.conditioning.source import SourcePicture
from morphogen.families.gan import CycleGAN
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.networks.translation_resnet import TranslationResNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # widths of the generators, whose sides are halved at most so often that 4 remain, their blocks and the
    # kernels at both ends; widths of the critics and their kernels of stride 1
    "tiny": {"widths": (8, 16), "blocks": 1, "kernel": 3, "critic": (8, 16), "critic_kernel": 3},
    "small": {"widths": (24, 48, 96), "blocks": 2, "kernel": 3, "critic": (32, 64), "critic_kernel": 3},
    "paper": {
        "widths": (64, 128, 256),
        "blocks": 9,
        "kernel": 7,
        "critic": (64, 128, 256, 512),
        "critic_kernel": 4,
    },
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3, betas=(0.5, 0.999)), "batch": 16},
    "small": {"optimizer": Adam(5e-4, betas=(0.5, 0.999)), "batch": 8, "schedule": Cosine(floor=0.1)},
    "paper": {"optimizer": Adam(2e-4, betas=(0.5, 0.999)), "batch": 1, "schedule": Constant()},
}
IDENTITY = 0.5  # the weight of the paper, for pictures of the same shape


def cyclegan(pixels: Pixels, source: Pixels, size: Size = "small") -> Model:
    """Picture given a picture of another kind, learned without pairs (Zhu et al. 2017)."""
    sizes, shape, other = SIZES[size], pixels.shape, source.shape
    widths = sizes["widths"][: halvings(shape, 4) + 1]
    options = widths, sizes["blocks"], sizes["kernel"]
    objective = CycleGAN(
        TranslationResNet(shape, other[0], *options),
        TranslationResNet(other, shape[0], *options),
        PatchDiscriminator(shape, sizes["critic"], sizes["critic_kernel"]),
        PatchDiscriminator(other, sizes["critic"], sizes["critic_kernel"]),
        identity=IDENTITY if shape == other else 0.0,
    )
    return Model(objective, pixels, SourcePicture(other), Plan(**PLANS[size]))
