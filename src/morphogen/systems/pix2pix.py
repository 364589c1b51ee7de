r"""pix2pix: a picture from its edges, by a U-Net and a critic that sees both (Isola et al. 2017).

    generator    -log D(G(c, z), c) + 100 |x - G(c, z)|
    critic       -log D(x, c) - log(1 - D(G(c, z), c))

Paper: Image-to-image translation with conditional adversarial networks, Isola, Zhu, Zhou & Efros. The noise z
is dropout, in sampling as in training; sample i depends on the seed and on i alone, because its dropout is a
function of z (`networks/translation_unet.py`). The data must have sketches:
`morphogen train pix2pix --data DATA --condition sketch`.
Measured, on emoji: recipes/results/emoji-pix2pix.json.
"""

__all__ = ["pix2pix"]

from typing import Any

from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.specs import Sketches
from morphogen.families.gan import Adversarial, NonSaturating
from morphogen.model import Model
from morphogen.networks.concat_condition import ConcatCritic
from morphogen.networks.convnet import halvings
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.networks.translation_unet import TranslationUNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # widths of the generator, of which small pictures have the first ones; side of the coarsest scale; scales
    # of the decoder with dropout; widths of the critic and its kernels of stride 1; weight of the L1 distance
    "tiny": {"widths": (8, 16, 16), "coarsest": 2, "dropped": 1, "critic": (8, 16), "kernel": 3, "l1": 10.0},
    "small": {
        "widths": (32, 64, 128, 128, 128),
        "coarsest": 1,
        "dropped": 1,
        "critic": (32, 64),
        "kernel": 3,
        "l1": 100.0,
    },
    "paper": {
        "widths": (64, 128, 256, 512, 512, 512, 512, 512),
        "coarsest": 1,
        "dropped": 3,
        "critic": (64, 128, 256, 512),
        "kernel": 4,
        "l1": 100.0,
    },
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3, betas=(0.5, 0.999)), "batch": 16},
    "small": {"optimizer": Adam(5e-4, betas=(0.5, 0.999)), "batch": 16, "schedule": Cosine(floor=0.1)},
    # the paper halves the critic's loss, which Adam ignores
    "paper": {"optimizer": Adam(2e-4, betas=(0.5, 0.999)), "batch": 1, "schedule": Constant()},
}


def pix2pix(pixels: Pixels, sketch: Sketches, size: Size = "small") -> Model:
    """Picture given its edges (Isola et al. 2017)."""
    sizes, (channels, *sides) = SIZES[size], pixels.shape
    widths = sizes["widths"][: max(1, halvings(pixels.shape, sizes["coarsest"]))]
    generator = TranslationUNet(pixels.shape, 1, widths, min(sizes["dropped"], len(widths) - 1))
    critic = PatchDiscriminator((channels + 1, *sides), sizes["critic"], sizes["kernel"])
    objective = Adversarial(
        generator, ConcatCritic(critic, 1), generator.latent, NonSaturating(), l1=sizes["l1"]
    )
    return Model(objective, pixels, Sketch(), Plan(**PLANS[size]))
