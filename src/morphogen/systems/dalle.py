r"""DALL-E: a caption and the codes of its picture, one sequence of a transformer (Ramesh et al. 2021).

    log p(x | s) >= E_(z ~ q) [log p(x | z) + log p(z | s) - log q(z | x)],    z the codes of a discrete VAE

The transformer models s and then z, with the weights 1/8 and 7/8 of their losses; samples of z given s are
decoded, and `best_of` ranks several of them by CLIP.

Paper: Zero-shot text-to-image generation, Ramesh, Pavlov, Goh, Gray, Voss, Radford, Chen & Sutskever,
2021.
"paper": 12 billion parameters in 64 layers of 62 heads; a picture of 256 pixels has 32 x 32 codes of 8192,
and its caption up to 256 tokens, in the paper of a vocabulary of 16,384. The paper's sparse attention is
computed as dense attention with masks. The discrete VAE has our networks and likelihood. The paper drops
merges of the tokenizer in training; this page drops captions, so that samples can be guided.
Measured, small, on `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["dalle"]

from typing import Any

from morphogen.conditioning.caption import Caption, CaptionDropout, Captions
from morphogen.families.autoregressive import JointAutoregressive
from morphogen.families.vae import DiscreteVAE, SharedScaleLogistic
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.attention_patterns import ColumnPattern, NeighbourhoodPattern, RowPattern
from morphogen.networks.blocks import Block
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, coarsest_size, halvings
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.joint_transformer import JointTransformer
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_encoder import LeadingText
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size

CODES: dict[Size, dict[str, Any]] = {
    # channels of each scale, finest first; blocks per scale; steps until the last temperature
    "tiny": {"codes": 16, "widths": (8, 16), "blocks": 1, "annealing": 50, "beta": 1.0},
    "small": {"codes": 256, "widths": (16, 32, 64), "blocks": 1, "annealing": 500, "beta": 1.0},
    "paper": {"codes": 8192, "widths": (128, 256, 256, 256), "blocks": 2, "annealing": 150_000, "beta": 6.6},
}
CODE_PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(3e-3), batch=32, ema=0.9),
    "small": Plan(Adam(3e-3), batch=32, schedule=Cosine(warmup=20), ema=0.99, clip=100.0),
    "paper": Plan(AdamW(1e-4, weight_decay=1e-4), batch=512, ema=0.999),
}
SIZES: dict[Size, dict[str, Any]] = {
    # tokens: most of a caption; kernel: of the attention of the last layer, None: all attention is dense
    "tiny": {"width": 16, "layers": 3, "heads": 2, "tokens": 16, "kernel": 3},
    "small": {"width": 128, "layers": 4, "heads": 4, "tokens": 32, "kernel": None},
    "paper": {"width": 3968, "layers": 64, "heads": 62, "tokens": 256, "kernel": 11},
}
TEXT_WEIGHT, DROPPED = 1 / 8, 0.1  # of the loss; of the captions, for guidance
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "warmup": 10, "ema": 0.9},
    "small": {"lr": 2e-3, "batch": 32, "warmup": 50, "ema": 0.99},
    "paper": {"lr": 4.5e-4, "batch": 1024, "warmup": 5000, "ema": 0.99},
}


def dalle(pixels: Pixels, caption: Captions, size: Size = "small") -> Staged:
    """DALL-E in two stages: a discrete VAE of pictures, and a transformer of captions and codes."""
    sizes, plan = SIZES[size], PLANS[size]
    autoencoder = discrete_autoencoder(pixels, size)
    codes, width, layers, kernel = Latent(autoencoder), sizes["width"], sizes["layers"], sizes["kernel"]
    repeated = (RowPattern(), ColumnPattern(), RowPattern(), RowPattern())
    network = JointTransformer(
        caption.text.vocabulary,
        sizes["tokens"],
        codes.vocabulary,
        codes.shape,
        Block(Attention(width, sizes["heads"]), FeedForward(width, 4 * width), LayerNorm(width)),
        layers,
        (*(repeated[i % 4] for i in range(layers - 1)), NeighbourhoodPattern(kernel)) if kernel else (),
    )
    training = Plan(
        AdamW(plan["lr"], betas=(0.9, 0.96), weight_decay=0.045),
        batch=plan["batch"],
        schedule=Cosine(plan["warmup"], floor=0.1),
        ema=plan["ema"],
        clip=4.0,
    )
    conditioner = CaptionDropout(Caption(caption.text, LeadingText(sizes["tokens"])), DROPPED)
    objective = JointAutoregressive(network, TEXT_WEIGHT)
    return Staged(autoencoder=autoencoder, prior=Model(objective, codes, conditioner, training))


def discrete_autoencoder(pixels: Pixels, size: Size) -> Model:
    """The first stage: a discrete VAE, whose grid of codes is small enough for the second."""
    sizes, likelihood = CODES[size], SharedScaleLogistic(pixels.levels)
    widths = sizes["widths"][: 1 + halvings(pixels.shape, 2)]
    sides, channels = coarsest_size(pixels.shape, widths), likelihood.outputs(pixels.shape[0])
    latent = (sizes["codes"], *sides)
    objective = DiscreteVAE(
        ConvEncoder(pixels.shape, latent, widths, sizes["blocks"]),
        ConvDecoder(latent, (channels, *pixels.shape[1:]), widths, sizes["blocks"]),
        likelihood,
        sizes["codes"],
        sides,
        sizes["beta"],
        annealing=sizes["annealing"],
    )
    return Model(objective, pixels, None, CODE_PLANS[size])
