r"""How far apart two positions are, told to their comparison: nothing is learned, and no position has a vector of its own.

    Rotary   q_i and k_j are turned by angles i w_l and j w_l, a pair of features each, so that q_i . k_j knows i - j alone
    ALiBi    q_i . k_j - m_h (i - j): a head forgets with distance, each at a rate of its own

References: RoFormer: enhanced transformer with rotary position embedding, Su et al., 2021; Train short, test long: attention with
linear biases (ALiBi), Press, Smith & Lewis, 2022; Extending context window of large language models via positional interpolation,
Chen et al., 2023; The Llama 3 herd of models, Grattafiori et al., 2024.
"""

__all__ = ["ALiBi", "LinearScaling", "Llama3Scaling", "RelativePositions", "Rotary", "Scaling"]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError


class RelativePositions(Component, nn.Module, ABC):
    """What attention is told of distance: it may turn what it compares, or add to what comes out."""

    def turn(self, x: Float[Tensor, "b t n d"], place: int) -> Float[Tensor, "b t n d"]:
        """Queries or keys of n heads that stand at positions place, place + 1, ..."""
        return x

    def bias(self, new: int, seen: int, like: Float[Tensor, "..."]) -> Float[Tensor, "h t s"] | None:
        """What is added where the last `new` of `seen` positions are compared with all of them; None: nothing."""
        return None


class Scaling(Component, ABC):
    """Slower turns, so that a text longer than those of the training turns no further than they did."""

    @abstractmethod
    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        """Radians a position, of each pair of features."""


class LinearScaling(Scaling):
    """All turns slower by one factor: positions are interpolated (Chen et al. 2023).

    Arguments:
        factor: how many times longer a text may be.
    """

    def __init__(self, factor: float):
        self.factor = factor

    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        return w / self.factor


class Llama3Scaling(Scaling):
    """Slow turns slower, fast ones as they were, a straight line between (Grattafiori et al. 2024; the rule is that of their code).

    Arguments:
        factor: of the slow turns.
        slow, fast: turns over the first `length` positions below which all, and above which none of the factor is felt.
        length: positions that the model was first trained on.
    """

    def __init__(self, factor: float = 8.0, slow: float = 1.0, fast: float = 4.0, length: int = 8192):
        self.factor, self.slow, self.fast, self.length = factor, slow, fast, length

    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        share = ((self.length * w / (2 * math.pi) - self.slow) / (self.fast - self.slow)).clamp(0, 1)
        return share * w + (1 - share) * w / self.factor


class Rotary(RelativePositions):
    """Turn feature l with feature l + d/2 by an angle of position x base^(-2 l / d) (Su et al. 2021; the halves as in GPT-NeoX).

    Arguments:
        width: d of one head, even.
        length: positions at most.
        base: the slowest pair turns once in about 2 pi base positions.
        scaling: of the turns, for longer texts; None: as they are.
    """

    cos: Float[Tensor, "t 1 d"]
    sin: Float[Tensor, "t 1 d"]

    def __init__(self, width: int, length: int, base: float = 10_000.0, scaling: Scaling | None = None):
        super().__init__()
        if width % 2:
            raise ConfigError(f"Rotary: width {width} of a head is odd; features turn in pairs")
        self.width, self.length, self.base, self.scaling = width, length, base, scaling
        w = base ** -(torch.arange(0, width, 2).double() / width)
        angles = torch.arange(length)[:, None] * (w if scaling is None else scaling(w))
        cos, sin = angles.cos().float(), angles.sin().float()
        self.register_buffer("cos", torch.cat([cos, cos], 1)[:, None], persistent=False)
        self.register_buffer("sin", torch.cat([-sin, sin], 1)[:, None], persistent=False)

    def turn(self, x: Float[Tensor, "b t n d"], place: int) -> Float[Tensor, "b t n d"]:
        cos, sin = (table[place : place + x.shape[1]].to(x.dtype) for table in (self.cos, self.sin))
        return torch.addcmul(x * cos, x.roll(self.width // 2, -1), sin)


class ALiBi(RelativePositions):
    """Subtract m_h (i - j), m_h = 2^(-8 h / heads) (Press et al. 2022; for other numbers of heads than 2^n, slopes between theirs).

    Arguments:
        heads: of the attention.
    """

    slopes: Float[Tensor, " h"]

    def __init__(self, heads: int):
        super().__init__()
        self.heads = heads
        self.register_buffer("slopes", 2.0 ** (-8 * torch.arange(1, heads + 1) / heads), persistent=False)

    def bias(self, new: int, seen: int, like: Float[Tensor, "..."]) -> Float[Tensor, "h t s"]:
        at = torch.arange(seen, device=like.device)
        return -self.slopes.to(like.dtype)[:, None, None] * (at[seen - new :, None] - at).abs()
