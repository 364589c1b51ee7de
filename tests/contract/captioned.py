"""Digits with captions in words, and a denoiser that attends to the tokens of a caption."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import morphogen as mg
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.source import SourceText
from morphogen.contract import Batch, Conditioner
from morphogen.data import load_data
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.encoder import Encoder
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Cosine, Plan

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEMPLATES = (
    "{name}",
    "a {name}",
    "the digit {number} please",
    "please write the number {name}",
    "my {number}",
)
CAPTIONS = [
    [template.format(name=name, number=number) for template in TEMPLATES]
    for number, name in enumerate(DIGITS)
]
WORDS = sorted({word for captions in CAPTIONS for caption in captions for word in caption.split()})
LENGTH, WIDTH = 5, 32  # words of the longest caption; features of a token


def ids(captions: Sequence[str]) -> Tensor:
    """The words of captions, padded on the right with -1: [B, 5]."""
    rows = [[WORDS.index(word) for word in caption.split()] for caption in captions]
    return torch.tensor([row + [-1] * (LENGTH - len(row)) for row in rows])


def captions_of(labels: Tensor, seed: int) -> Tensor:
    """A random caption of each label, as ids."""
    templates = Rng(seed, len(labels)).integers(len(TEMPLATES))
    chosen = zip(labels.tolist(), templates.tolist(), strict=True)
    return ids([CAPTIONS[label][template] for label, template in chosen])


class Captioned:
    """The training digits, each with a caption."""

    def __init__(self, shuffled: bool = False) -> None:
        examples = load_data("digits").train.first()
        self.captions = captions_of(examples.condition["label"], seed=0)
        self.medium = examples.medium
        if shuffled:
            self.captions = self.captions[
                torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
            ]

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.medium[rows], {"caption": self.captions[rows]})


def text_tower() -> SourceText:
    block = Block(Attention(WIDTH, 2), FeedForward(WIDTH, 2 * WIDTH), LayerNorm(WIDTH))
    return SourceText(Encoder(len(WORDS), LENGTH, block, 1, LearnedPositions(LENGTH, WIDTH)))


def captioned_model(caption: Conditioner, **plan: Any) -> mg.Model:
    network = UNet((1, 8, 8), 16, (1, 2), blocks=1, attention=(4,), heads=2, vector=(0, WIDTH))
    objective = Diffusion(
        network, LinearBetas(1e-3, 0.2, 50), DiscretizedGaussian(17), sampler=DDIM(25), bound_steps=8
    )
    settings: dict[str, Any] = {"batch": 64, "ema": 0.99, "clip": 1.0, "schedule": Cosine(warmup=20)} | plan
    conditioner = Conditions(caption=ConditionDropout(caption, 0.1))
    return mg.Model(objective, load_data("digits").representation, conditioner, Plan(Adam(2e-3), **settings))
