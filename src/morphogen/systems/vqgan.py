r"""VQGAN: a sharp autoencoder with a grid of codes, and a transformer of the codes (Esser et al. 2021)."""

__all__ = ["vqgan"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.vae import VQVAE, Codebook, SharedScaleLogistic
from morphogen.model import Model
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.vqgan import VQGANDecoder, VQGANEncoder
from morphogen.plan import Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.autoencoder_kl import PLANS, adversarial, network_sizes
from morphogen.systems.dvae import code_transformer

SIZES: dict[Size, dict[str, Any]] = {
    # number of codes and their width; channels between the networks and the 1 x 1 convolutions
    "tiny": {"codes": 16, "width": 4, "inner": 8},
    "small": {"codes": 256, "width": 16, "inner": 32},
    "paper": {"codes": 1024, "width": 256, "inner": 256},
}


def vqgan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Staged:
    r"""VQGAN (Esser et al. 2021), trained in two stages: a VQ-VAE with an adversary, and a transformer.

        -log P(x | z) + w D d(x, y) - lambda u C(y) + commitment,   then   sum_i log p(z_i | z_<i, c)

    The networks and the adversary are those of `autoencoder_kl`, and the codes are moving averages. If there
    are classes, only the transformer is conditional on the label; not measured.
    """
    sizes, networks = SIZES[size], network_sizes(pixels, size)
    width, inner = sizes["width"], sizes["inner"]
    objective = VQVAE(
        VQGANEncoder(pixels.shape, width, inner=inner, **networks),
        VQGANDecoder(width, pixels.shape, inner=inner, **networks),
        SharedScaleLogistic(pixels.levels),
        Codebook(sizes["codes"], width),
        coarsest_size(pixels.shape, networks["widths"]),
    )
    autoencoder = Model(adversarial(objective, pixels, size), pixels, None, Plan(**PLANS[size]))
    return Staged(autoencoder=autoencoder, prior=code_transformer(Latent(autoencoder), label, size))
