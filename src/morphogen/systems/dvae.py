r"""The two stages of DALL-E without its texts: a discrete VAE, and a transformer of its codes."""

__all__ = ["dvae"]

import math
from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.previous import Codes
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.vae import DiscreteVAE, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, coarsest_size, halvings
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Tied, Transformer
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # width of the finest scale, and of the coarser ones; blocks per scale; steps until the last temperature
    "tiny": {"codes": 16, "fine": 8, "coarse": 16, "blocks": 1, "annealing": 50, "beta": 1.0},
    "small": {"codes": 256, "fine": 32, "coarse": 64, "blocks": 1, "annealing": 500, "beta": 1.0},
    "paper": {"codes": 8192, "fine": 128, "coarse": 256, "blocks": 2, "annealing": 150_000, "beta": 6.6},
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
    "paper": {"optimizer": AdamW(1e-4, betas=(0.9, 0.999), weight_decay=1e-4), "batch": 512, "ema": 0.999},
}
PRIORS: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "heads": 2, "dropout": 0.0},
    "small": {"width": 128, "layers": 4, "heads": 4, "dropout": 0.1},
    "paper": {"width": 1024, "layers": 24, "heads": 16, "dropout": 0.1},
}
PRIOR_PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "warmup": 10, "ema": 0.9},
    "small": {"lr": 2e-3, "batch": 64, "warmup": 50, "ema": 0.99},
    "paper": {"lr": 4.5e-4, "batch": 1024, "warmup": 5000, "ema": 0.999},
}


def dvae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Staged:
    r"""Discrete VAE of DALL-E (Ramesh et al. 2021) and a transformer of its codes, trained in two stages.

        log P(x) >= log P(x | z) + sum_i log p(z_i | z_<i, c) - log q(z | x),   z ~ q a categorical per place

    In place of the paper's captions, the codes are conditional on the label, if there are classes. The
    temperatures, the weight of the KL term and the 8192 codes at size paper are the paper's; its networks,
    and its likelihood on a logarithmic scale, are not; not measured.
    """
    sizes, (channels, height, width) = SIZES[size], pixels.shape
    widths = (sizes["fine"],) + (sizes["coarse"],) * halvings(pixels.shape)
    sides, likelihood = coarsest_size(pixels.shape, widths), likelihood_of_levels(pixels.levels)
    latent = (sizes["codes"], *sides)
    objective = DiscreteVAE(
        ConvEncoder(pixels.shape, latent, widths, sizes["blocks"]),
        ConvDecoder(latent, (likelihood.outputs(channels), height, width), widths, sizes["blocks"]),
        likelihood,
        sizes["codes"],
        sides,
        sizes["beta"],
        annealing=sizes["annealing"],
    )
    autoencoder = Model(objective, pixels, None, Plan(**PLANS[size]))
    return Staged(autoencoder=autoencoder, prior=code_transformer(Latent(autoencoder), label, size))


def code_transformer(codes: Latent, label: Classes | None, size: Size, top: Latent | None = None) -> Model:
    """The prior of a grid of codes, in raster order; of the lower of two, given those of the top."""
    sizes, plan, length = PRIORS[size], PRIOR_PLANS[size], math.prod(codes.shape)
    width, heads, dropout = sizes["width"], sizes["heads"], sizes["dropout"]
    block = Block(
        Attention(width, heads),
        FeedForward(width, 4 * width),
        LayerNorm(width),
        CrossAttention(width, heads) if top else None,
        dropout,
    )
    network = Transformer(
        codes.vocabulary,
        length,
        block,
        sizes["layers"],
        LearnedPositions(length, width),
        Tied(),
        start=codes.vocabulary,
        dropout=dropout,
        vector=width if label else 0,
    )
    parts: dict[str, Any] = {"label": ConditionDropout(Label(len(label), width), p=0.1)} if label else {}
    parts |= {"top": Codes(top.vocabulary, top.shape, width)} if top else {}
    conditioner = Conditions(**parts) if len(parts) > 1 else next(iter(parts.values()), None)
    training = Plan(
        AdamW(plan["lr"], betas=(0.9, 0.96), weight_decay=0.045),
        batch=plan["batch"],
        schedule=Cosine(plan["warmup"], floor=0.1),
        ema=plan["ema"],
        clip=1.0,
    )
    return Model(Autoregressive(network), codes, conditioner, training)
