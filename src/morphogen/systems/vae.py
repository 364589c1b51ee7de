"""The variational autoencoder of pictures, convolutional (Kingma & Welling 2013)."""

__all__ = ["vae"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.families.vae import VAE, DiscretizedLogistic
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, halvings
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

_NETWORKS: dict[Size, dict[str, int]] = {
    # width of the finest scale and of the coarser ones
    "tiny": {"latent": 4, "fine": 8, "coarse": 16, "blocks": 1},
    "small": {"latent": 16, "fine": 32, "coarse": 64, "blocks": 1},
    "paper": {"latent": 128, "fine": 128, "coarse": 256, "blocks": 2},
}
_PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(3e-3), "batch": 32, "ema": 0.9},
    "small": {"optimizer": Adam(3e-3), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99, "clip": 100.0},
    "paper": {"optimizer": Adam(3e-4), "batch": 128, "schedule": Cosine(warmup=500), "ema": 0.999, "clip": 200.0},
}


def vae(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    r"""A VAE (Kingma & Welling 2013), its networks told the label if there is one (Sohn et al. 2015).

    Small, on digits, 30 s on two cores: 1.86 bits/dim.

        log P(x) >= E_q log P(x | z) - KL(q(z | x) || N(0, I)),   P(x | z) a discretised logistic for each subpixel

    The paper's networks had one hidden layer of 500; these are residual, as its successors' are. The picture is halved until
    no side is above 7. Norms of the gradient are of nats a picture, hence the large clips.
    """
    n, vector = _NETWORKS[size], 32 if classes else 0
    channels, height, width = pixels.shape
    widths = (n["fine"],) + (n["coarse"],) * halvings(pixels.shape)
    likelihood = DiscretizedLogistic(pixels.levels)
    objective = VAE(
        ConvEncoder(pixels.shape, (2 * n["latent"],), widths, n["blocks"], vector),
        ConvDecoder((n["latent"],), (likelihood.outputs(channels), height, width), widths, n["blocks"], vector),
        likelihood,
        latent_shape=(n["latent"],),
    )
    return Model(objective, pixels, Label(classes, vector) if classes else None, Plan(**_PLANS[size]))
