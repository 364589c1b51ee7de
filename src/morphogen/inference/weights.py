r"""Matrices held in fewer bytes: a step of a language model reads every weight once, so bytes are time.

    BFloat16   w rounded to 8 bits of mantissa                                            half the bytes
    Int8       w_oi ~ s_o q_oi,  s_o = max_i |w_oi| / 127,  q_oi = round(w_oi / s_o)        a quarter; one scale an output channel

Only what is held is rounded (by bfloat16, what is added to the products too): sums are taken in float32 or better, and what comes out is
what went in, or what autocast asks for. Products are taken in bfloat16 by both, as the processor multiplies it natively: that rounds the
input too, and is the larger part of the error of int8. A convolution's kernels are rows of such a matrix.

Reference: LLM.int8(), Dettmers, Lewis, Belkada & Zettlemoyer, 2022 (absmax scaling by channel; here of the weights alone).
"""

__all__ = ["BFloat16", "HeldConvolution", "HeldEmbedding", "HeldLayer", "HeldLinear", "Int8", "Weights"]

from abc import ABC, abstractmethod
from typing import Any

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
    def hold(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "Held":
        """The matrix, so held, and what is added to its products."""


class BFloat16(Weights):
    """Half the bytes of float32."""

    def hold(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "Held":
        return _Rounded(matrix, bias)


class Int8(Weights):
    """A quarter of the bytes, and four for each output channel (Dettmers et al. 2022)."""

    def hold(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "Held":
        return _Scaled(matrix, bias)


class Held(nn.Module, ABC):
    """A matrix W [O, I] that is multiplied and looked up, and never trained; b [O], or None, is added to its products."""

    bias: Tensor | None

    @abstractmethod
    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """x W^T + b, in the precision of x, or in that of autocast."""

    @abstractmethod
    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        """Rows of W, float32."""

    @abstractmethod
    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        """W = diag(s) M, M in bfloat16; s None: ones, and then b is in bfloat16 too."""

    def dense(self) -> Float[Tensor, "o i"]:
        """W, float32."""
        matrix, scale = self.factors()
        return matrix.float() if scale is None else matrix * scale[:, None]


class HeldLayer(nn.Module, ABC):
    """A layer that never learns again; whoever goes step by step reads its `weight` and `bias` as those of the layer it stands for.

    Arguments:
        layer: whose weights it holds.
        weights: how: what makes one output is a row.
    """

    def __init__(self, layer: nn.Linear | nn.Conv1d | nn.Conv2d, weights: Weights):
        super().__init__()
        bias = None if layer.bias is None else layer.bias.detach().clone()
        self.matrix, self.shape = weights.hold(layer.weight.detach().flatten(1), bias), layer.weight.shape

    @property
    def weight(self) -> Float[Tensor, "o ..."]:
        """What it holds, float32."""
        return self.matrix.dense().view(self.shape)

    @property
    def bias(self) -> Float[Tensor, " o"] | None:
        """What is added, float32."""
        return None if self.matrix.bias is None else self.matrix.bias.float()


class HeldLinear(HeldLayer):
    """What stands in the place of `nn.Linear`.

    Arguments:
        linear: whose weights it holds.
        weights: how.
    """

    def __init__(self, linear: nn.Linear, weights: Weights):
        super().__init__(linear, weights)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return self.matrix(x)


class HeldConvolution(HeldLayer):
    """What stands in the place of `nn.Conv1d` or `nn.Conv2d`.

    Arguments:
        convolution: whose kernels it holds.
        weights: how: a kernel is a row.
    """

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d, weights: Weights):
        super().__init__(convolution, weights)
        self.kernel_size, self.convolve = convolution.kernel_size, F.conv2d if isinstance(convolution, nn.Conv2d) else F.conv1d
        self.how: Any = convolution.stride, convolution.padding, convolution.dilation, convolution.groups

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *m"]:
        (rows, scale), bias = self.matrix.factors(), self.matrix.bias
        kernels = rows.view(self.shape)
        if scale is None:
            return _as_asked(self.convolve(x.bfloat16(), kernels, bias, *self.how), x)
        each = (slice(None), *(None,) * (x.ndim - 2))  # channel
        y = self.convolve(x.bfloat16(), kernels, None, *self.how) * scale[each]
        return _as_asked(y if bias is None else y + bias[each], x)


class HeldEmbedding(nn.Module):
    """What stands in the place of an embedding whose rows also score.

    Arguments:
        embedding: whose rows it holds.
        weights: how.
    """

    def __init__(self, embedding: nn.Embedding, weights: Weights):
        super().__init__()
        self.matrix = weights.hold(embedding.weight.detach())
        self.register_buffer("weight", embedding.weight.detach().new_empty(0), persistent=False)  # the place of what comes out
        self.vocabulary: int = embedding.vocabulary  # type: ignore[assignment]

    def forward(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... d"]:
        return self.matrix.rows(ids)

    def scores(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... v"]:
        """h . w_v of every symbol that can be predicted."""
        return self.matrix(h)[..., : self.vocabulary]


def _as_asked(y: Tensor, x: Tensor) -> Tensor:
    """y in the precision of x, or in that of autocast."""
    kind = x.device.type
    return y.to(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype)


class _Rounded(Held):
    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        super().__init__()
        self.register_buffer("rounded", matrix.bfloat16())
        self.register_buffer("bias", None if bias is None else bias.bfloat16())

    rounded: Tensor

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return _as_asked(F.linear(x.bfloat16(), self.rounded, self.bias), x)

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.rounded[ids].float()

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.rounded, None


class _Scaled(Held):
    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        super().__init__()
        scale = matrix.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        levels = (matrix / scale[:, None]).round().to(torch.int8)
        self.register_buffer("scale", scale)
        self.register_buffer("levels", F.pad(levels, (0, 0, 0, -len(levels) % TILE)))
        self.register_buffer("bias", bias)
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
        y = y[:, : len(self.scale)].float() * self.scale
        return _as_asked(y if self.bias is None else y + self.bias, x).unflatten(0, x.shape[:-1])

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.levels[ids].float() * self.scale[ids][..., None]

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.levels[: len(self.scale)].bfloat16(), self.scale
