r"""VQ-VAE with a gated PixelCNN as the prior of its codes (van den Oord, Vinyals & Kavukcuoglu 2017)."""

__all__ = ["code_autoencoder", "vqvae"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.vae import VQVAE, Codebook, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, coarsest_size, halvings
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.positions import PositionBias
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # width of the codes, of the finest scale, and of the coarser ones; blocks per scale
    "tiny": {"codes": 16, "width": 4, "fine": 8, "coarse": 16, "blocks": 1},
    "small": {"codes": 256, "width": 16, "fine": 32, "coarse": 64, "blocks": 1},
    "paper": {"codes": 512, "width": 64, "fine": 128, "coarse": 256, "blocks": 2},
}
PRIORS: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 2, "embedding": 8, "label_width": 8, "dropout": 0.0},
    "small": {"width": 64, "layers": 6, "embedding": 32, "label_width": 32, "dropout": 0.1},
    "paper": {"width": 256, "layers": 15, "embedding": 64, "label_width": 128, "dropout": 0.1},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(3e-3), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(2e-3),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.99,
        "clip": 100.0,
    },
    "paper": {
        "optimizer": Adam(2e-4),
        "batch": 128,
        "schedule": Cosine(warmup=500),
        "ema": 0.999,
        "clip": 200.0,
    },
}
PRIOR_PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": AdamW(3e-3), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": AdamW(4e-3, betas=(0.9, 0.99), weight_decay=0.01),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.99,
        "clip": 1.0,
    },
    "paper": {
        "optimizer": AdamW(3e-4, betas=(0.9, 0.99), weight_decay=0.01),
        "batch": 128,
        "schedule": Cosine(warmup=500),
        "ema": 0.999,
        "clip": 1.0,
    },
}


def vqvae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Staged:
    r"""VQ-VAE (van den Oord et al. 2017) with a gated PixelCNN prior, trained in two stages.

        log P(x) >= log P(x | z) + sum_i log p(z_i | z_<i, c),   z the nearest codes of the encoder's output

    The image is halved until no side is above 7, so that a digit of 28 x 28 pixels is a grid of 7 x 7 codes.
    If there are classes, only the prior is conditional on the label.
    Measured, small: recipes/results/fashion-autoencoders.json.
    """
    autoencoder = code_autoencoder(pixels, size)
    latent, sizes = Latent(autoencoder), PRIORS[size]
    vector = sizes["label_width"] if label else 0
    network = GatedPixelCNN(
        latent.shape,
        latent.vocabulary,
        sizes["width"],
        sizes["layers"],
        first_kernel=5,
        embedding=sizes["embedding"],
        dropout=sizes["dropout"],
        vector=vector,
        position_bias=PositionBias(latent.shape, sizes["embedding"], vector),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    prior = Model(Autoregressive(network), latent, conditioner, Plan(**PRIOR_PLANS[size]))
    return Staged(autoencoder=autoencoder, prior=prior)


def code_autoencoder(pixels: Pixels, size: Size) -> Model:
    """The first stage: pictures to a grid of codes."""
    sizes, (channels, height, width) = SIZES[size], pixels.shape
    widths = (sizes["fine"],) + (sizes["coarse"],) * halvings(pixels.shape)
    sides, likelihood = coarsest_size(pixels.shape, widths), likelihood_of_levels(pixels.levels)
    latent = (sizes["width"], *sides)
    objective = VQVAE(
        ConvEncoder(pixels.shape, latent, widths, sizes["blocks"]),
        ConvDecoder(latent, (likelihood.outputs(channels), height, width), widths, sizes["blocks"]),
        likelihood,
        Codebook(sizes["codes"], sizes["width"]),
        sides,
    )
    return Model(objective, pixels, None, Plan(**PLANS[size]))
