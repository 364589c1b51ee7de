"""Sets of 2 to 9 points on circles of random centre and radius, and diffusion models of them."""

import math
from typing import Any

import torch
from torch import Tensor

from morphogen.contract import Batch
from morphogen.families.diffusion import (
    Diffusion,
    Euler,
    GaussianDecoder,
    LinearBetas,
    ProbabilityFlow,
    RectifiedFlow,
    UniformTimesteps,
)
from morphogen.model import Model
from morphogen.networks import Attention, Block, FeedForward, SetTransformer
from morphogen.networks.normalization import LayerNorm
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations import PointSets

SIZES = (0, 6, 1, 2, 4, 8, 4, 2, 5)  # weights of the sizes 1 .. 9, far from uniform


class Sets:
    """The sets as a data set."""

    def __init__(self, points: Tensor):
        self.points = points

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.points[rows])


def circles(sets: int, seed: int, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Sets of points on circles of radius 0.5 .. 1, [sets, 9, 2], padded with NaN."""
    rng = Rng(seed, sets)
    size = 1 + rng.fork("size").categorical(torch.tensor(sizes).log().expand(sets, -1))
    angle = 2 * math.pi * rng.fork("angle").uniform(9)
    radius, centre = 0.5 + 0.5 * rng.fork("radius").uniform(1, 1), 0.7 * rng.fork("centre").normal(1, 2)
    points = centre + radius * torch.stack([angle.cos(), angle.sin()], 2)
    return torch.where((torch.arange(9) < size[:, None])[..., None], points, torch.nan)


def chain_model(points: Tensor, **options: Any) -> Model:
    """A model whose likelihood is the bound of a discrete chain."""
    return _model(points, LinearBetas(1e-3, 0.2, 20), {"target": "eps", "bound_steps": 10}, **options)


def flow_model(points: Tensor, **options: Any) -> Model:
    """A model that is sampled along the probability flow, with the likelihood of the flow."""
    likelihood = ProbabilityFlow(10, spacing=UniformTimesteps())
    parts = {"target": "velocity", "sampler": Euler(40, clip=None), "likelihood": likelihood}
    return _model(points, RectifiedFlow(), parts, **options)


def _model(
    points: Tensor, schedule: Any, parts: dict[str, Any], width: int = 64, layers: int = 3, vector: int = 0
) -> Model:
    torch.manual_seed(0)
    block = Block(Attention(width, 4), FeedForward(width, 2 * width), LayerNorm(width))
    objective = Diffusion(SetTransformer(2, block, layers, vector), schedule, GaussianDecoder(), **parts)
    plan = Plan(Adam(2e-3), batch=128, schedule=Cosine(50, floor=0.01), clip=1.0, ema=0.99)
    return Model(objective, PointSets.of(points), plan=plan)
