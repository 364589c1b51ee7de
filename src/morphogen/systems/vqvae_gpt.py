r"""VQ-VAE with a transformer as the prior of its codes: pictures as sentences of codes."""

__all__ = ["vqvae_gpt"]

from morphogen.conditioning.specs import Classes
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.dvae import code_transformer
from morphogen.systems.vqvae import code_autoencoder


def vqvae_gpt(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Staged:
    r"""VQ-VAE (van den Oord et al. 2017) with a GPT (Radford et al. 2018) of its codes, in two stages.

        log P(x) >= log P(x | z) + sum_i log p(z_i | z_<i, c),   z the nearest codes of the encoder's output

    The codes are in raster order, as in VQGAN (Esser, Rombach & Ommer 2021) and DALL-E. If there are classes,
    only the prior is conditional on the label; not measured.
    """
    autoencoder = code_autoencoder(pixels, size)
    return Staged(autoencoder=autoencoder, prior=code_transformer(Latent(autoencoder), label, size))
