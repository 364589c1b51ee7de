"""Small models with several conditions: a label (vector), a caption (tokens) and a sketch (planes)."""

import torch

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.source import SourceText
from morphogen.contract import Batch, Conditioner
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.encoder import Encoder
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels

VECTOR, TOKENS, LENGTH, VOCABULARY = 8, 12, 6, 11


def text_encoder(dropout: float = 0.0, width: int = TOKENS) -> Encoder:
    block = Block(Attention(width, 2), FeedForward(width, 2 * width), LayerNorm(width), dropout=dropout)
    return Encoder(VOCABULARY, LENGTH, block, 1, LearnedPositions(LENGTH, width))


def parts() -> dict[str, Conditioner]:
    return {"label": Label(10, VECTOR), "caption": SourceText(text_encoder()), "sketch": Sketch()}


def dropped_together(p: float = 0.3) -> Conditioner:
    """One dropout of the whole condition."""
    return ConditionDropout(Conditions(**parts()), p)


def dropped_apart(p: float = 0.3) -> Conditioner:
    """A dropout of each part."""
    return Conditions(**{name: ConditionDropout(part, p) for name, part in parts().items()})


def denoiser(conditioner: Conditioner) -> Model:
    unet = UNet((2, 8, 8), 8, (1, 2), blocks=1, attention=(4,), vector=(VECTOR, TOKENS))
    objective = Diffusion(
        ConcatCondition(unet, 1), LinearBetas(1e-3, 0.4, 20), DiscretizedGaussian(17), bound_steps=8
    )
    return Model(objective, Pixels(17, (1, 8, 8)), conditioner)


def conditions(rows: int, seed: int = 7) -> dict[str, torch.Tensor]:
    rng = Rng(seed, rows)
    ids = rng.integers(VOCABULARY, LENGTH)
    valid = torch.arange(LENGTH) < 1 + rng.integers(LENGTH)[:, None]
    return {
        "label": rng.integers(10),
        "caption": torch.where(valid, ids, -1),
        "sketch": rng.uniform(1, 8, 8),
    }


def batch(rows: int = 12) -> Batch:
    return Batch(Rng(3, rows).integers(17, 1, 8, 8).float() / 8 - 1, conditions(rows))
