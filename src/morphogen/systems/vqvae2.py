r"""VQ-VAE-2: two levels of codes, each with a prior (Razavi, van den Oord & Vinyals 2019)."""

__all__ = ["vqvae2"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.vae import Codebook, TwoLevelVQVAE, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, coarsest_size, halvings
from morphogen.plan import Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Cascade
from morphogen.systems import Size
from morphogen.systems.dvae import code_transformer
from morphogen.systems.vqvae import PLANS

SIZES: dict[Size, dict[str, Any]] = {
    # width of the codes, of the finest scale, and of the coarser ones; blocks per scale
    "tiny": {"codes": 8, "width": 4, "fine": 8, "coarse": 8, "blocks": 1},
    "small": {"codes": 256, "width": 16, "fine": 32, "coarse": 64, "blocks": 1},
    "paper": {"codes": 512, "width": 64, "fine": 128, "coarse": 128, "blocks": 2},
}


def vqvae2(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Cascade:
    r"""VQ-VAE-2 (Razavi et al. 2019): pictures as a coarse and a finer grid of codes, with two priors.

        log P(x) >= log P(x | t, b) + sum_i log p(t_i | t_<i, c) + sum_i log p(b_i | b_<i, t, c)

    A digit of 28 x 28 pixels has 7 x 7 top codes and 14 x 14 bottom codes. The priors are transformers; those
    of the paper are gated PixelCNNs, with attention at the top; not measured.
    """
    codes = two_level_autoencoder(pixels, size)
    top, bottom = Latent(codes, "top"), Latent(codes, "bottom")
    return Cascade(
        codes=codes,
        top=code_transformer(top, label, size),
        bottom=code_transformer(bottom, label, size, top),
    )


def two_level_autoencoder(pixels: Pixels, size: Size) -> Model:
    """The first stage: pictures to two grids of codes."""
    sizes, (channels, height, width) = SIZES[size], pixels.shape
    depth, fine, coarse, blocks = sizes["width"], sizes["fine"], sizes["coarse"], sizes["blocks"]
    # pictures of 8 x 8 pixels are halved twice, to 2 x 2 top codes
    times = max(1, halvings(pixels.shape), min(2, halvings(pixels.shape, largest=1)))
    widths = (fine,) + (coarse,) * (times - 1)
    sides = {
        "bottom": coarsest_size(pixels.shape, widths),
        "top": coarsest_size(pixels.shape, (*widths, coarse)),
    }
    bottom, top, likelihood = sides["bottom"], sides["top"], likelihood_of_levels(pixels.levels)
    output = (likelihood.outputs(channels), height, width)
    objective = TwoLevelVQVAE(
        ConvEncoder(pixels.shape, (coarse, *bottom), widths, blocks),
        ConvEncoder((coarse, *bottom), (depth, *top), (coarse, coarse), blocks),
        ConvDecoder((depth, *top), (depth, *bottom), (coarse, coarse), blocks),
        ConvEncoder((coarse + depth, *bottom), (depth, *bottom), (coarse,), blocks),
        ConvDecoder((2 * depth, *bottom), output, widths, blocks),
        likelihood,
        Codebook(sizes["codes"], depth),
        Codebook(sizes["codes"], depth),
        sides,
    )
    return Model(objective, pixels, None, Plan(**PLANS[size]))
