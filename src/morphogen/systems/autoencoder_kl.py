r"""The first stage of latent diffusion alone: a sharp autoencoder of images (Rombach et al. 2022)."""

__all__ = ["adversarial", "autoencoder_kl", "network_sizes", "plain_autoencoder"]

from typing import Any

from morphogen.families.vae import (
    ELBO,
    VAE,
    AdversarialReconstruction,
    FeatureDistance,
    LatentVariableModel,
    SharedScaleLogistic,
)
from morphogen.model import Model
from morphogen.networks.convnet import coarsest_size, halvings
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.networks.vqgan import VQGANDecoder, VQGANEncoder
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # channels of z; weight of the KL term
    "tiny": {"latent": 2, "beta": 0.1},
    "small": {"latent": 4, "beta": 1e-2},
    "paper": {"latent": 4, "beta": 1e-6},
}
NETWORKS: dict[Size, dict[str, Any]] = {
    # widths from the finest scale on, as many as the image can be halved; blocks per scale; groups
    "tiny": {"widths": (8, 8), "blocks": 1, "groups": 4},
    "small": {"widths": (16, 32, 32), "blocks": 1, "groups": 8},
    "paper": {"widths": (128, 256, 512, 512), "blocks": 2, "groups": 32},
}
ADVERSARIES: dict[Size, dict[str, Any]] = {
    # widths of the discriminator; u and w; steps before its score counts
    "tiny": {"widths": (8, 16), "perceptual": 0.1, "adversarial": 0.5, "start": 20},
    "small": {"widths": (32, 64, 64), "perceptual": 1.0, "adversarial": 0.5, "start": 500},
    "paper": {"widths": (64, 128, 256, 512), "perceptual": 1.0, "adversarial": 0.5, "start": 50_000},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(3e-3, betas=(0.5, 0.9)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(2e-3, betas=(0.5, 0.9)),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.99,
        "clip": 100.0,
    },
    "paper": {"optimizer": Adam(5.4e-5, betas=(0.5, 0.9)), "batch": 12},
}
PLAIN: dict[str, Any] = {"widths": (16, 32), "blocks": 1, "groups": 8, "middle_attention": False}


def autoencoder_kl(pixels: Pixels, size: Size = "small") -> Model:
    r"""The autoencoder of latent diffusion (Rombach et al. 2022), trained against a discriminator of patches.

        -log P(x | z) + w D d(x, y) - lambda u C(y) + beta KL(q(z | x) || N(0, I)),   y the median of P(x | z)

    A first stage: z keeps what a picture shows, and beta is so small that N(0, I) is not the distribution of
    z. Its own samples are therefore of little worth; `autoencoder_kl_ddpm` learns the distribution. The
    perceptual distance is that of the discriminator's features, in place of a classifier's; not measured.
    """
    objective = _gaussian(pixels, network_sizes(pixels, size), **SIZES[size])
    return Model(adversarial(objective, pixels, size), pixels, None, Plan(**PLANS[size]))


def plain_autoencoder(pixels: Pixels) -> Model:
    """An autoencoder without a discriminator, for pictures of few pixels and flat colours.

    Its z have half the sides, so that a network of z reads them in patches, and 3 channels.
    """
    networks = PLAIN | {"widths": PLAIN["widths"][: 1 + halvings(pixels.shape)]}
    plan = Plan(Adam(2e-3, (0.9, 0.99)), 64, Cosine(warmup=100), ema=0.99, clip=100.0)
    return Model(_gaussian(pixels, networks, latent=3, beta=1e-2), pixels, None, plan)


def network_sizes(pixels: Pixels, size: Size) -> dict[str, Any]:
    """The sizes of the networks of VQGAN, with as many scales as the pixels can be halved."""
    widths = NETWORKS[size]["widths"]
    return NETWORKS[size] | {"widths": widths[: 1 + halvings(pixels.shape)]}


def adversarial(autoencoder: LatentVariableModel, pixels: Pixels, size: Size) -> AdversarialReconstruction:
    """An autoencoder with a discriminator, whose features are those of the perceptual distance."""
    sizes = ADVERSARIES[size]
    discriminator = PatchDiscriminator(pixels.shape, sizes["widths"])
    weights = sizes["perceptual"], sizes["adversarial"]
    return AdversarialReconstruction(
        autoencoder, discriminator, FeatureDistance(discriminator), *weights, sizes["start"]
    )


def _gaussian(pixels: Pixels, networks: dict[str, Any], latent: int, beta: float) -> VAE:
    """An autoencoder whose posterior of z, of `latent` channels, is Gaussian."""
    likelihood, shape = SharedScaleLogistic(pixels.levels), coarsest_size(pixels.shape, networks["widths"])
    encoder = VQGANEncoder(pixels.shape, 2 * latent, inner=2 * latent, **networks)
    decoder = VQGANDecoder(latent, pixels.shape, inner=latent, **networks)
    return VAE(encoder, decoder, likelihood, (latent, *shape), bound=ELBO(beta))
