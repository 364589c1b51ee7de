"""A convolutional variational autoencoder of images (Kingma & Welling 2013)."""

__all__ = ["convolutional_vae", "vae"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.vae import VAE, Bound, Prior, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, halvings
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # width of the finest scale, and of the coarser ones; blocks per scale
    "tiny": {"latent": 4, "fine": 8, "coarse": 16, "blocks": 1},
    "small": {"latent": 16, "fine": 32, "coarse": 64, "blocks": 1},
    "paper": {"latent": 128, "fine": 128, "coarse": 256, "blocks": 2},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(3e-3), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(3e-3),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.99,
        "clip": 100.0,
    },
    "paper": {
        "optimizer": Adam(3e-4),
        "batch": 128,
        "schedule": Cosine(warmup=500),
        "ema": 0.999,
        "clip": 200.0,
    },
}


def vae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""VAE (Kingma & Welling 2013), class-conditional if there are classes (Sohn et al. 2015).

        log P(x) >= E_q log P(x | z) - KL(q(z | x) || N(0, I)),   P(x | z) a discretised logistic per subpixel

    Pixels of two levels are Bernoulli. The paper's networks have one hidden layer of 500 units; these are
    residual convolutional networks, as in later work. The image is halved until no side is above 7. The
    gradient clips are large because the loss is in nats per image.
    Measured, small, on digits, 30 s on two cores: 1.86 bits/dim.
    """
    return convolutional_vae(pixels, label, **SIZES[size], plan=Plan(**PLANS[size]))


def convolutional_vae(
    pixels: Pixels,
    label: Classes | None,
    latent: int,
    fine: int,
    coarse: int,
    blocks: int,
    plan: Plan,
    bound: Bound | None = None,
    prior: Prior | None = None,
    floor: float = -7.0,
) -> Model:
    """A VAE of images with one vector as latent; the label, if there are classes, enters both networks.

    Arguments:
        pixels, label: of the data.
        latent: entries of z.
        fine, coarse, blocks: width of the finest scale, and of the coarser ones; blocks per scale.
        plan: of the training.
        bound: what training maximizes; None: the ELBO.
        prior: p(z), which may depend on the label; None: N(0, I).
        floor: lower bound of the log of a subpixel's scale.
    """
    vector, (channels, height, width) = 32 if label else 0, pixels.shape
    widths = (fine,) + (coarse,) * halvings(pixels.shape)
    likelihood = likelihood_of_levels(pixels.levels, floor)
    objective = VAE(
        ConvEncoder(pixels.shape, (2 * latent,), widths, blocks, vector),
        ConvDecoder((latent,), (likelihood.outputs(channels), height, width), widths, blocks, vector),
        likelihood,
        latent_shape=(latent,),
        prior=prior,
        bound=bound,
    )
    return Model(objective, pixels, Label(len(label), vector) if label else None, plan)
