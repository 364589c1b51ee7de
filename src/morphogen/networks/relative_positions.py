r"""Relative position encodings of attention: rotary embeddings (RoPE) with their scalings, and ALiBi.

    Rotary   feature pair l is rotated by i w_l in q_i and by j w_l in k_j: q_i . k_j depends on i - j only
    ALiBi    q_i . k_j - m_h (i - j): a linear penalty on distance, with a slope m_h per head

Neither has parameters.

References: RoFormer: enhanced transformer with rotary position embedding, Su et al., 2021; Train short, test
long: attention with linear biases (ALiBi), Press, Smith & Lewis, 2022; Extending context window of large
language models via positional interpolation, Chen et al., 2023; The Llama 3 herd of models, Grattafiori et
al., 2024.
"""

__all__ = [
    "ALiBi",
    "FrequencyFactors",
    "LinearScaling",
    "Llama3Scaling",
    "RelativePositions",
    "Rotary",
    "Scaling",
]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError


class RelativePositions(Component, nn.Module, ABC):
    """Base class of relative position encodings: they transform queries and keys, or bias the scores."""

    def rotate(self, x: Float[Tensor, "b t n d"], offset: int) -> Float[Tensor, "b t n d"]:
        """Rotate queries or keys of n heads; x[:, 0] is at position `offset`. The default is the identity."""
        return x

    def bias(self, new: int, total: int, like: Float[Tensor, "..."]) -> Float[Tensor, "h t s"] | None:
        """Bias on the scores of the last `new` of `total` positions against all of them; None: no bias."""
        return None


class Scaling(Component, ABC):
    """Base class of frequency scalings of `Rotary`, which extend a model beyond its training length."""

    @abstractmethod
    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        """Scale the frequencies, in radians per position, of each pair of features."""


class LinearScaling(Scaling):
    """Position interpolation: all frequencies are divided by one factor (Chen et al. 2023).

    Arguments:
        factor: by which the context is extended.
    """

    def __init__(self, factor: float):
        self.factor = factor

    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        return w / self.factor


class FrequencyFactors(Scaling):
    """Every frequency is divided by a factor of its own.

    GGUF files of Llama 3.1 hold the factors of `Llama3Scaling` as the tensor rope_freqs (Grattafiori et al.
    2024).

    Arguments:
        factors: of each pair of features, from the fastest to the slowest.

    Raises ConfigError, when called, for another number of frequencies.
    """

    def __init__(self, factors: tuple[float, ...]):
        self.factors = tuple(factors)

    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        if len(self.factors) != len(w):
            raise ConfigError(f"FrequencyFactors: {len(self.factors)} factors for {len(w)} frequencies")
        return w / torch.tensor(self.factors, dtype=w.dtype)


class Llama3Scaling(Scaling):
    """Divides low frequencies by a factor and keeps high ones, with linear interpolation in between.

    The Llama 3 herd of models, Grattafiori et al. 2024; the formula is that of their code.

    Arguments:
        factor: divisor of the low frequencies.
        slow, fast: in rotations per `length` positions: frequencies below `slow` are divided by the factor,
            those above `fast` are unchanged.
        length: original context length of the model.
    """

    def __init__(self, factor: float = 8.0, slow: float = 1.0, fast: float = 4.0, length: int = 8192):
        self.factor, self.slow, self.fast, self.length = factor, slow, fast, length

    def __call__(self, w: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        rotations = self.length * w / (2 * math.pi)
        unscaled = ((rotations - self.slow) / (self.fast - self.slow)).clamp(0, 1)
        return unscaled * w + (1 - unscaled) * w / self.factor


class Rotary(RelativePositions):
    """Rotary position embedding (Su et al. 2021).

    Rotates features l and l + d/2 as a pair, by the angle position x base^(-2 l / d). The pairs are taken
    from the two halves of the features, as in GPT-NeoX.

    Arguments:
        width: d, width of one head, even.
        length: maximal number of positions.
        base: the slowest pair rotates once in about 2 pi base positions.
        scaling: of the frequencies, for longer contexts; None: none.
    """

    cos: Float[Tensor, "t 1 d"]
    sin: Float[Tensor, "t 1 d"]

    def __init__(self, width: int, length: int, base: float = 10_000.0, scaling: Scaling | None = None):
        super().__init__()
        if width % 2:
            raise ConfigError(f"Rotary: the head width must be even, got {width}")
        self.width, self.length, self.base, self.scaling = width, length, base, scaling
        w = base ** -(torch.arange(0, width, 2).double() / width)
        angles = torch.arange(length)[:, None] * (w if scaling is None else scaling(w))
        cos, sin = angles.cos().float(), angles.sin().float()
        self.register_buffer("cos", torch.cat([cos, cos], 1)[:, None], persistent=False)
        self.register_buffer("sin", torch.cat([-sin, sin], 1)[:, None], persistent=False)

    def rotate(self, x: Float[Tensor, "b t n d"], offset: int) -> Float[Tensor, "b t n d"]:
        cos, sin = (table[offset : offset + x.shape[1]].to(x.dtype) for table in (self.cos, self.sin))
        return torch.addcmul(x * cos, x.roll(self.width // 2, -1), sin)


class ALiBi(RelativePositions):
    """Attention with linear biases (Press et al. 2022).

    Subtracts m_h (i - j) from the scores, m_h = 2^(-8 h / heads). If the number of heads is not a power of 2,
    the slopes interpolate between the paper's.

    Arguments:
        heads: number of attention heads.
    """

    slopes: Float[Tensor, " h"]

    def __init__(self, heads: int):
        super().__init__()
        self.heads = heads
        self.register_buffer("slopes", 2.0 ** (-8 * torch.arange(1, heads + 1) / heads), persistent=False)

    def bias(self, new: int, total: int, like: Float[Tensor, "..."]) -> Float[Tensor, "h t s"]:
        position = torch.arange(total, device=like.device)
        distance = (position[total - new :, None] - position).abs()
        return -self.slopes.to(like.dtype)[:, None, None] * distance
