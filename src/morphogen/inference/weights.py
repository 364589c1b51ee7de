r"""Matrices held in fewer bytes: a step of a language model reads every weight once, so bytes are time.

    BFloat16   w rounded to 8 bits of mantissa                                            half the bytes
    Int8       w_oi ~ s_o q_oi,  s_o = max_i |w_oi| / 127,  q_oi = round(w_oi / s_o)        a quarter; one scale an output channel

Only what is held is rounded: sums are taken in float32 or better, and what comes out is what went in. Products are taken in bfloat16 by
both, as the processor multiplies it natively: that rounds the input too, and is the larger part of the error of int8.

Reference: LLM.int8(), Dettmers, Lewis, Belkada & Zettlemoyer, 2022 (absmax scaling by channel; here of the weights alone).
"""

__all__ = ["BFloat16", "HeldEmbedding", "HeldLinear", "Int8", "Weights"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component

TILE = 32  # of torch's int8 product, which reads past the end of what is no multiple of it
FEW = 4  # positions at once up to which int8 is multiplied as it lies; beyond, one conversion serves them all (measured on two cores)


class Weights(Component, ABC):
    """A way to hold matrices."""

    @abstractmethod
    def hold(self, matrix: Float[Tensor, "o i"]) -> "Held":
        """The matrix, so held."""


class BFloat16(Weights):
    """Half the bytes of float32."""

    def hold(self, matrix: Float[Tensor, "o i"]) -> "Held":
        return _Rounded(matrix)


class Int8(Weights):
    """A quarter of the bytes, and four for each output channel (Dettmers et al. 2022)."""

    def hold(self, matrix: Float[Tensor, "o i"]) -> "Held":
        return _Scaled(matrix)


class Held(nn.Module, ABC):
    """A matrix W [O, I] that is multiplied and looked up, and never trained."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """x W^T, in the precision of x."""

    @abstractmethod
    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        """Rows of W, float32."""


class HeldLinear(nn.Module):
    """What stands in the place of `nn.Linear`.

    Arguments:
        linear: whose weights it holds.
        weights: how.
    """

    def __init__(self, linear: nn.Linear, weights: Weights):
        super().__init__()
        self.matrix = weights.hold(linear.weight.detach())
        self.register_buffer("weight", _like(linear), persistent=False)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone(), requires_grad=False)

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        y = self.matrix(x)
        return y if self.bias is None else y + self.bias


class HeldEmbedding(nn.Module):
    """What stands in the place of an embedding whose rows also score.

    Arguments:
        embedding: whose rows it holds.
        weights: how.
    """

    def __init__(self, embedding: nn.Embedding, weights: Weights):
        super().__init__()
        self.matrix = weights.hold(embedding.weight.detach())
        self.register_buffer("weight", _like(embedding), persistent=False)
        self.vocabulary: int = embedding.vocabulary  # type: ignore[assignment]

    def forward(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... d"]:
        return self.matrix.rows(ids)

    def scores(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... v"]:
        """h . w_v of every symbol that can be predicted."""
        return self.matrix(h)[..., : self.vocabulary]


def _like(part: nn.Linear | nn.Embedding) -> Tensor:
    """No weights, but the place and the precision of what comes out: what others ask of `weight`."""
    return part.weight.detach().new_empty(0)


class _Rounded(Held):
    def __init__(self, matrix: Tensor):
        super().__init__()
        self.register_buffer("rounded", matrix.bfloat16())

    rounded: Tensor

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return F.linear(x.bfloat16(), self.rounded).to(x.dtype)

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.rounded[ids].float()


class _Scaled(Held):
    def __init__(self, matrix: Tensor):
        super().__init__()
        scale = matrix.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        levels = (matrix / scale[:, None]).round().to(torch.int8)
        self.register_buffer("scale", scale)
        self.register_buffer("levels", F.pad(levels, (0, 0, 0, -len(levels) % TILE)))
        self.register_buffer("ones", torch.ones(len(self.levels), dtype=torch.bfloat16, device=matrix.device), persistent=False)

    scale: Tensor
    levels: Tensor  # with rows of zeros up to a multiple of TILE
    ones: Tensor

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        flat = x.flatten(0, -2).bfloat16()
        if len(flat) <= FEW and flat.shape[1] % TILE == 0 and flat.device.type == "cpu":
            y = torch._weight_int8pack_mm(flat, self.levels, self.ones)  # the scales themselves are not rounded to bfloat16
        else:
            y = F.linear(flat, self.levels.bfloat16())  # -127 .. 127 are whole in bfloat16
        return (y[:, : len(self.scale)].float() * self.scale).to(x.dtype).unflatten(0, x.shape[:-1])

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.levels[ids].float() * self.scale[ids][..., None]
