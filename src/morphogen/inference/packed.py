r"""Weight formats with fewer bytes, which decode faster, since each step reads every weight once.

    BFloat16   w rounded to 8 bits of mantissa                                1/2 of the bytes
    Int8       w ~ s q,  s = max |w| / 127,  q = round(w / s),  per row       1/4 of the bytes

Only weights are quantized (and biases, with bfloat16). Sums are accumulated in float32 or better, and outputs
have the dtype of the input or of autocast. Few rows are multiplied by our own kernel (`native/linear.cpp`),
which reads the matrix once. Otherwise both formats multiply in bfloat16, which processors support natively;
this rounds the input as well, and causes most of the error of int8. The kernels of a convolution are the rows
of such a matrix. `block_matrix.py` has formats with a scale for each block of 32 numbers.

Reference: LLM.int8(), Dettmers, Lewis, Belkada & Zettlemoyer, 2022 (absmax scaling per channel; here of the
weights only).
"""

__all__ = [
    "BFloat16",
    "BFloat16Matrix",
    "Int8",
    "PackedConv",
    "PackedEmbedding",
    "PackedLayer",
    "PackedLinear",
    "PackedMatrix",
    "WeightFormat",
]

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.inference.reordered import ReorderedKernels
from morphogen.native.kernels import available
from morphogen.networks.decoding_step import FEW

TILE = 32  # torch's int8 kernel reads past the end of a matrix whose size is not a multiple of this
CONVERTED = 5  # positions from which it is slower than converting the matrix once (two cores)


class WeightFormat(Component, ABC):
    """Storage format of weight matrices."""

    @abstractmethod
    def pack(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "PackedMatrix":
        """Convert a matrix and the bias of its products."""


class BFloat16(WeightFormat):
    """bfloat16: half the bytes of float32."""

    def pack(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "PackedMatrix":
        return BFloat16Matrix(matrix, bias)


class Int8(WeightFormat):
    """int8 with one scale per output channel: a quarter of the bytes of float32 (Dettmers et al. 2022)."""

    def pack(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> "PackedMatrix":
        return _Int8Matrix(matrix, bias)


class PackedMatrix(nn.Module, ABC):
    """A constant matrix W [O, I] in a packed format, with an optional bias b [O]."""

    bias: Tensor | None
    most = FEW  # rows up to which our kernel multiplies

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """x W^T + b, in the dtype of x, or of autocast where it is enabled."""
        flat = x.reshape(-1, x.shape[-1])
        plain = x.device.type == "cpu" and not (x.requires_grad and torch.is_grad_enabled())
        if plain and len(flat) <= self.most and available("linear"):
            y = torch.ops.morphogen.linear(flat, self.tensors, self.bias)
        else:
            y = self.product(flat)
        return _output_dtype(y, x).view(*x.shape[:-1], y.shape[-1])

    @property
    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """W as our kernels read it, see `native/matrix.h`."""

    @abstractmethod
    def product(self, x: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        """x W^T + b by torch's operators, in any dtype."""

    @abstractmethod
    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        """Rows of W, in float32."""

    @abstractmethod
    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        """M in bfloat16 and s, with W = diag(s) M; s is None for ones, and b is then in bfloat16 too."""

    def dense(self) -> Float[Tensor, "o i"]:
        """W, in float32."""
        matrix, scale = self.factors()
        return matrix.float() if scale is None else matrix * scale[:, None]


class PackedLayer(nn.Module, ABC):
    """A layer with packed weights; networks that decode step by step read its `weight` and `bias` as usual.

    Arguments:
        layer: the original layer.
        weights: format of the matrix, which has one row per output.
    """

    def __init__(self, layer: nn.Linear | nn.Conv1d | nn.Conv2d, weights: WeightFormat):
        super().__init__()
        bias = None if layer.bias is None else layer.bias.detach().clone()
        self.matrix, self.shape = weights.pack(layer.weight.detach().flatten(1), bias), layer.weight.shape

    @property
    def weight(self) -> Float[Tensor, "o ..."]:
        """The weight in float32."""
        return self.matrix.dense().view(self.shape)

    @property
    def bias(self) -> Float[Tensor, " o"] | None:
        """The bias in float32."""
        return None if self.matrix.bias is None else self.matrix.bias.float()


class PackedLinear(PackedLayer):
    """Replacement for `nn.Linear`.

    Arguments:
        linear: the original layer.
        weights: format of its matrix.
    """

    def __init__(self, linear: nn.Linear, weights: WeightFormat):
        super().__init__(linear, weights)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return self.matrix(x)


class PackedConv(PackedLayer):
    """Replacement for `nn.Conv1d` or `nn.Conv2d`.

    Arguments:
        convolution: the original layer.
        weights: format of its kernels; a kernel is one row of the matrix.
    """

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d, weights: WeightFormat):
        super().__init__(convolution, weights)
        self.kernel_size = convolution.kernel_size
        self.convolve = F.conv2d if isinstance(convolution, nn.Conv2d) else F.conv1d
        self.geometry: Any = convolution.stride, convolution.padding, convolution.dilation, convolution.groups
        self.reordered = ReorderedKernels(*self.geometry)

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *m"]:
        (rows, scale), bias = self.matrix.factors(), self.matrix.bias
        kernels = rows.view(self.shape)
        if scale is None and self.reordered.suits(x):
            return _output_dtype(self.reordered.convolve(x.bfloat16(), kernels, bias), x)
        if scale is None:
            return _output_dtype(self.convolve(x.bfloat16(), kernels, bias, *self.geometry), x)
        channels = (slice(None), *(None,) * (x.ndim - 2))
        y = self.convolve(x.bfloat16(), kernels, None, *self.geometry) * scale[channels]
        return _output_dtype(y if bias is None else y + bias[channels], x)


class PackedEmbedding(nn.Module):
    """Replacement for an embedding whose rows also compute logits.

    Arguments:
        embedding: the original embedding.
        weights: format of its matrix.
    """

    def __init__(self, embedding: nn.Embedding, weights: WeightFormat):
        super().__init__()
        self.matrix = weights.pack(embedding.weight.detach())
        # networks allocate tensors like `weight`, so an empty one keeps its dtype and device
        self.register_buffer("weight", embedding.weight.detach().new_empty(0), persistent=False)
        self.vocabulary: int = embedding.vocabulary  # type: ignore[assignment]

    def forward(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... d"]:
        return self.matrix.rows(ids)

    def scores(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... v"]:
        """Logits h . w_v of the vocabulary."""
        return self.matrix(h)[..., : self.vocabulary]


class BFloat16Matrix(PackedMatrix):
    """A matrix in bfloat16, and its bias.

    Arguments:
        matrix: W [O, I].
        bias: of the products, [O].
    """

    most = 256  # torch would round the products of a prompt to bfloat16

    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        super().__init__()
        self.register_buffer("rounded", matrix.bfloat16())
        self.register_buffer("bias", None if bias is None else bias.bfloat16())

    rounded: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        return [self.rounded]

    def product(self, x: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        return F.linear(x.bfloat16(), self.rounded, self.bias)

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.rounded[ids].float()

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.rounded, None


def _output_dtype(y: Tensor, x: Tensor) -> Tensor:
    """y in the dtype of x, or of autocast where it is enabled."""
    kind = x.device.type
    return y.to(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype)


class _Int8Matrix(PackedMatrix):
    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        super().__init__()
        scale = matrix.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        levels = (matrix / scale[:, None]).round().to(torch.int8)
        self.register_buffer("scale", scale)
        self.register_buffer("levels", F.pad(levels, (0, 0, 0, -len(levels) % TILE)))
        self.register_buffer("bias", bias)
        self.register_buffer(
            "ones", torch.ones(len(self.levels), dtype=torch.bfloat16, device=matrix.device), persistent=False
        )

    scale: Tensor
    levels: Tensor  # padded with zero rows to a multiple of TILE
    ones: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        return [self.levels, self.scale.contiguous()]

    def product(self, x: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        flat = x.bfloat16()
        if len(flat) < CONVERTED and flat.shape[1] % TILE == 0 and flat.device.type == "cpu":
            # the kernel would round the scales to bfloat16, so they are applied below
            y = torch._weight_int8pack_mm(flat, self.levels, self.ones)
        else:
            y = F.linear(flat, self.levels.bfloat16())  # -127 .. 127 are exact in bfloat16
        y = y[:, : len(self.scale)].float() * self.scale
        return y if self.bias is None else y + self.bias

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.levels[ids].float() * self.scale[ids][..., None]

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.levels[: len(self.scale)].bfloat16(), self.scale
