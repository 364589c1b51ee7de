"""Two encoders of correlated Gaussian pairs: x is the medium, y the condition."""

import math
from typing import Any

import torch
from torch import Tensor, nn

import morphogen as mg
from morphogen.contract import Batch, Conditioner, Context, Encoded, Representation
from morphogen.families.contrastive import Contrastive
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.plan import AdamW, Cosine, Plan

DIMS, RHO, BATCH, WIDTH = 2, 0.9, 512, 16
INFORMATION = -DIMS / 2 * math.log(1 - RHO**2)  # 1.66 nats; log(BATCH) is 6.24


class GivenPoints(Representation):
    """The medium itself as x."""

    shape, discrete, medium_discrete = (DIMS,), False, False

    def encode(self, medium: Tensor, rng: Rng, measure: bool = True) -> Encoded:
        return Encoded(medium, torch.zeros(len(medium)), torch.full((len(medium),), DIMS))

    def decode(self, x: Tensor) -> Tensor:
        return x

    def present(self, medium: Tensor) -> list[Any]:
        return medium.tolist()


class GivenVector(Conditioner):
    """The condition itself as the vector."""

    name, widths = "y", {"vector": DIMS}

    def forward(self, condition: Tensor, rng: Rng | None = None) -> Context:
        return Context(vector=condition)


def pairs(n: int, seed: int) -> Batch:
    x, noise = Rng(seed, n).normal(2, DIMS).unbind(1)
    return Batch(x, {"y": RHO * x + math.sqrt(1 - RHO**2) * noise})


def tower() -> MLP:
    network = MLP(DIMS, WIDTH, 64, 2)
    nn.init.xavier_uniform_(network.output_layer.weight)
    return network


def towers(**plan: int) -> mg.Model:
    torch.manual_seed(0)
    settings = {"batch": BATCH, "schedule": Cosine(warmup=20), "clip": 1.0} | plan
    return mg.Model(
        Contrastive(tower(), tower()), GivenPoints(), GivenVector(), Plan(AdamW(3e-3), **settings)
    )
