r"""Where and when: what a network is told of the place it stands at, and of the time.

TimeEmbedding   a number as waves, which tell close times apart and far ones too (Vaswani et al. 2017, section 3.5)
Places          a learned vector for each place of a grid, and the condition's word there
Learned         a learned vector for each place of a sequence
Sinusoidal      waves for each place of a sequence

What attention is told of the distance of two places stands in `relative_positions.py`.
"""

__all__ = ["Learned", "Places", "Positions", "Sinusoidal", "TimeEmbedding", "sinusoidal"]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component


def sinusoidal(t: Float[Tensor, " b"], width: int, period: float = 10_000.0) -> Float[Tensor, "b d"]:
    """[sin(t w_i), cos(t w_i)], w_i from 1 down to 1 / period in `width` / 2 equal ratios; `width` is even."""
    half = width // 2
    w = torch.exp(-math.log(period) / half * torch.arange(half, device=t.device))
    return torch.cat([(t[:, None] * w).sin(), (t[:, None] * w).cos()], 1)


class TimeEmbedding(nn.Module):
    """t in [0, 1] (0 data, 1 noise) to a vector, by waves and two layers (Ho et al. 2020, appendix B).

    Arguments:
        waves: how many, even.
        width: of the vector.
    """

    def __init__(self, waves: int, width: int):
        super().__init__()
        self.waves = waves
        self.inner, self.outer = nn.Linear(waves, width), nn.Linear(width, width)

    def forward(self, t: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        # 1000: the waves were made for whole positions, and the paper's times are 1 .. 1000.
        return self.outer(F.silu(self.inner(sinusoidal(1000 * t, self.waves))))


class Places(Component, nn.Module):
    r"""What a network is told of each place, and of the condition there: x + a + V c, zero at the start.

    Convolutions see how things lie to one another, not where; and a vector that is the same everywhere says little of a picture. The
    location-dependent condition is that of van den Oord et al. (2016b, section 2.3), a learned coordinate PixelSNAIL's (Chen et al. 2018).

    Arguments:
        grid: (height, width) of x.
        features: channels of x.
        vector: width of the condition c (0: there is none).
    """

    def __init__(self, grid: tuple[int, int], features: int, vector: int = 0):
        super().__init__()
        self.grid, self.features, self.vector = tuple(grid), features, vector
        self.at = nn.Parameter(torch.zeros(features, *self.grid))
        self.told = nn.Linear(vector, self.at.numel(), bias=False) if vector else None
        if self.told is not None:
            nn.init.zeros_(self.told.weight)

    def forward(self, x: Float[Tensor, "b d h w"], vector: Float[Tensor, "b c"] | None = None) -> Float[Tensor, "b d h w"]:
        return x + self.picture(vector)

    def picture(self, vector: Float[Tensor, "b c"] | None = None) -> Float[Tensor, "#b d h w"]:
        """a + V c."""
        return self.at[None] if self.told is None or vector is None else self.at + self.told(vector).view(-1, *self.at.shape)


class Positions(Component, nn.Module, ABC):
    """What is added to the embedding of a symbol for the place it stands at."""

    @abstractmethod
    def forward(self, place: int, count: int) -> Float[Tensor, "t d"]:
        """The vectors of positions place .. place + count - 1."""


class Learned(Positions):
    """A vector for each place, learned as the embedding is (Gehring et al. 2017; Radford et al. 2019).

    Arguments:
        length: places there are.
        width: D of the vectors.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.length, self.width = length, width
        self.weight = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, place: int, count: int) -> Float[Tensor, "t d"]:
        return self.weight[place : place + count]


class Sinusoidal(Positions):
    """Waves of each place, sines before cosines (Vaswani et al. 2017, section 3.5, where they alternate); nothing is learned.

    Arguments:
        length: places there are.
        width: D of the vectors, even.
    """

    waves: Float[Tensor, "t d"]

    def __init__(self, length: int, width: int):
        super().__init__()
        self.length, self.width = length, width
        self.register_buffer("waves", sinusoidal(torch.arange(length).float(), width), persistent=False)

    def forward(self, place: int, count: int) -> Float[Tensor, "t d"]:
        return self.waves[place : place + count]
