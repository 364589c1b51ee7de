r"""Absolute position encodings, and the time embedding of diffusion models.

TimeEmbedding         sinusoidal features of the time, which resolve small and large differences, and an MLP
PositionBias          a learned vector per pixel, and a position-dependent projection of the condition
LearnedPositions      a learned vector per sequence position
SinusoidalPositions   sinusoidal features per sequence position (Vaswani et al. 2017, section 3.5)

Relative position encodings of attention are in `relative_positions.py`.
"""

__all__ = [
    "LearnedPositions",
    "PositionBias",
    "Positions",
    "SinusoidalPositions",
    "TimeEmbedding",
    "sinusoidal",
]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError


def sinusoidal(t: Float[Tensor, " b"], width: int, period: float = 10_000.0) -> Float[Tensor, "b d"]:
    """Sinusoidal features [sin(t w_i), cos(t w_i)].

    The `width` / 2 frequencies w_i decrease geometrically from 1 to 1 / period (exclusive); `width` is even.
    """
    half = width // 2
    w = torch.exp(-math.log(period) / half * torch.arange(half, device=t.device))
    return torch.cat([(t[:, None] * w).sin(), (t[:, None] * w).cos()], 1)


class TimeEmbedding(nn.Module):
    """Embedding of t in [0, 1] (0 data, 1 noise): sinusoidal features and a two-layer MLP.

    Denoising diffusion probabilistic models, Ho et al. 2020, appendix B.

    Arguments:
        features: number of sinusoidal features, even.
        width: of the embedding.
    """

    def __init__(self, features: int, width: int):
        super().__init__()
        self.features = features
        self.inner, self.outer = nn.Linear(features, width), nn.Linear(width, width)

    def forward(self, t: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        # 1000: the frequencies are meant for integer positions, and the paper's times are 1 .. 1000.
        return self.outer(F.silu(self.inner(sinusoidal(1000 * t, self.features))))


class PositionBias(Component, nn.Module):
    r"""Learned bias per position of a grid, and per position and condition: x + a + V c; 0 at initialisation.

    Convolutions are translation-equivariant, so they don't know absolute positions; and a condition vector
    that is added uniformly carries no spatial information. The location-dependent condition is that of van
    den Oord et al. (2016b, section 2.3), the learned position that of PixelSNAIL (Chen et al. 2018).

    Arguments:
        grid: (height, width) of x.
        features: channels of x.
        vector: width of the condition c (0: unconditional).
    """

    def __init__(self, grid: tuple[int, int], features: int, vector: int = 0):
        super().__init__()
        self.grid, self.features, self.vector = tuple(grid), features, vector
        self.embedding = nn.Parameter(torch.zeros(features, *self.grid))
        self.condition = nn.Linear(vector, self.embedding.numel(), bias=False) if vector else None
        if self.condition is not None:
            nn.init.zeros_(self.condition.weight)

    def forward(
        self, x: Float[Tensor, "b d h w"], vector: Float[Tensor, "b c"] | None = None
    ) -> Float[Tensor, "b d h w"]:
        return x + self.bias(vector)

    def bias(self, vector: Float[Tensor, "b c"] | None = None) -> Float[Tensor, "#b d h w"]:
        """The bias a + V c."""
        if self.condition is None or vector is None:
            return self.embedding[None]
        return self.embedding + self.condition(vector).view(-1, *self.embedding.shape)


class Positions(Component, nn.Module, ABC):
    """Base class of absolute position encodings, which are added to the token embedding."""

    length: int

    @abstractmethod
    def forward(self, offset: int, count: int) -> Float[Tensor, "t d"]:
        """The vectors of positions offset .. offset + count - 1."""

    def check(self, end: int) -> None:
        """Errors: ConfigError for a sequence that ends beyond the last position."""
        if end > self.length:
            raise ConfigError(
                f"a sequence of {end} tokens, where the model has {self.length} positions: "
                f"cut it into windows of at most {self.length}"
            )


class LearnedPositions(Positions):
    """Learned position embedding (Gehring et al. 2017; Radford et al. 2019).

    Arguments:
        length: number of positions.
        width: D of the vectors.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.length, self.width = length, width
        self.weight = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, offset: int, count: int) -> Float[Tensor, "t d"]:
        self.check(offset + count)
        return self.weight[offset : offset + count]


class SinusoidalPositions(Positions):
    """Fixed sinusoidal position encoding (Vaswani et al. 2017, section 3.5).

    All sines come before all cosines; in the paper they alternate.

    Arguments:
        length: number of positions.
        width: D of the vectors, even.
    """

    encoding: Float[Tensor, "t d"]

    def __init__(self, length: int, width: int):
        super().__init__()
        self.length, self.width = length, width
        self.register_buffer("encoding", sinusoidal(torch.arange(length).float(), width), persistent=False)

    def forward(self, offset: int, count: int) -> Float[Tensor, "t d"]:
        self.check(offset + count)
        return self.encoding[offset : offset + count]
