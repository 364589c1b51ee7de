r"""Matrices in blocks of 32 numbers, with a scale each, which our kernels multiply as they are.

    Int4     w ~ d q + m,  m = min w,  d = (max w - min w) / 15,  q = 0 .. 15      5/32 of float32's bytes
    Exact    the smallest of these that has exactly the values of the matrix:
             4 bits          w = d q + m   (Q4_1 and Q4_0 of GGUF)                 5/32
             8 bits          w = d q       (Q8_0 of GGUF)                          17/64
             bfloat16, float32                                                     1/2, 1

d and m are in float16. As the scale of a block follows from its largest and smallest number, matrices from a
GGUF file are found in the blocks that they were stored in; every block is compared, so that nothing is lost.

Reference: ggml's block formats (Gerganov et al. 2023).
"""

__all__ = ["BlockMatrix", "Exact", "Int4"]

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.inference.packed import BFloat16Matrix, PackedMatrix, WeightFormat

BLOCK = 32  # numbers with one scale
Parts = tuple[Tensor, Tensor, Tensor | None]  # levels [O, blocks, 32] in uint8 or int8, d and m [O, blocks]


class Int4(WeightFormat):
    """4 bits with a scale and an offset for each block of 32 numbers; 5 bits per number in all."""

    def pack(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> PackedMatrix:
        return BlockMatrix(_four_bits(_blocks(matrix), "range"), matrix.shape[1], bias)


class Exact(WeightFormat):
    """The smallest format without any loss, for each matrix; that of a GGUF file for a model from there."""

    def pack(self, matrix: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None) -> PackedMatrix:
        for parts in _candidates(_blocks(matrix)):
            packed = BlockMatrix(parts, matrix.shape[1], bias)
            if torch.equal(packed.dense(), matrix):
                return packed
        if torch.equal(matrix.bfloat16().float(), matrix):
            return BFloat16Matrix(matrix, bias)
        return _Float32Matrix(matrix, bias)


class BlockMatrix(PackedMatrix):
    """A matrix d q + m in blocks of 32 numbers.

    Arguments:
        parts: levels q [O, blocks, 32], int8, or uint8 up to 15; d and m [O, blocks], where m may be None.
        columns: I; the last block may have more numbers.
        bias: of the products, [O].
    """

    most = 1 << 62  # without our kernel, each product expands the matrix

    def __init__(self, parts: Parts, columns: int, bias: Tensor | None = None):
        super().__init__()
        levels, scale, minimum = parts
        self.columns = columns
        self.register_buffer("levels", (levels if minimum is None else _nibbles(levels)).flatten(1))
        self.register_buffer("scale", scale)
        self.register_buffer("minimum", minimum)
        self.register_buffer("bias", bias)

    levels: Tensor
    scale: Tensor
    minimum: Tensor | None

    @property
    def tensors(self) -> list[Tensor]:
        return [self.levels, self.scale, *([] if self.minimum is None else [self.minimum])]

    def product(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return F.linear(x.float(), self.dense(), self.bias)

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        minimum = None if self.minimum is None else self.minimum[ids]
        return self._numbers(self.levels[ids], self.scale[ids], minimum)

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.dense().bfloat16(), self.scale.new_ones(len(self.scale), dtype=torch.float32)

    def dense(self) -> Float[Tensor, "o i"]:
        return self._numbers(self.levels, self.scale, self.minimum)

    def _numbers(self, levels: Tensor, scale: Tensor, minimum: Tensor | None) -> Tensor:
        """The numbers of some rows, rounded once to float32."""
        if minimum is None:
            numbers = levels.unflatten(-1, (-1, BLOCK)) * scale.float()[..., None]
        else:
            halves = levels.unflatten(-1, (-1, BLOCK // 2))
            q = torch.cat([halves & 15, halves >> 4], -1)
            numbers = q * scale.float()[..., None] + minimum.float()[..., None]
        return numbers.flatten(-2)[..., : self.columns]


class _Float32Matrix(PackedMatrix):
    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        super().__init__()
        self.register_buffer("matrix", matrix.clone())
        self.register_buffer("bias", bias)

    matrix: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        return [self.matrix]

    def product(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return F.linear(x.float(), self.matrix, self.bias)

    def rows(self, ids: Int[Tensor, "..."]) -> Float[Tensor, "... i"]:
        return self.matrix[ids]

    def factors(self) -> tuple[Float[Tensor, "o i"], Float[Tensor, " o"] | None]:
        return self.matrix.bfloat16(), self.matrix.new_ones(len(self.matrix))

    def dense(self) -> Float[Tensor, "o i"]:
        return self.matrix


def _blocks(matrix: Tensor) -> Tensor:
    """[O, blocks, 32]; the last column is repeated to fill the last block."""
    missing = -matrix.shape[1] % BLOCK
    full = torch.cat([matrix, matrix[:, -1:].expand(-1, missing)], 1) if missing else matrix
    return full.unflatten(1, (-1, BLOCK))


def _candidates(blocks: Tensor) -> Iterator[Parts]:
    """The blocks that a GGUF file may have had."""
    yield _four_bits(blocks, "range")
    yield _four_bits(blocks, "extreme")
    scale = (blocks.abs().amax(-1) / 127).half()
    yield _levels(blocks, scale, -127, 127).to(torch.int8), scale, None


def _four_bits(blocks: Tensor, scaled_by: str) -> Parts:
    """d and m from the range of the numbers (Q4_1), or from the one of largest size, m = -8 d (Q4_0)."""
    if scaled_by == "range":
        smallest, largest = blocks.aminmax(dim=-1)
        minimum, scale = smallest.half(), ((largest - smallest) / 15).half()
    else:
        extreme = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))[..., 0]
        minimum, scale = extreme.half(), (extreme / -8).half()
    return _levels(blocks - minimum.float()[..., None], scale, 0, 15).to(torch.uint8), scale, minimum


def _levels(numbers: Tensor, scale: Tensor, least: int, most: int) -> Tensor:
    """Numbers / scale, rounded and limited; 0 where the scale is 0."""
    divisor = scale.float()[..., None]
    return torch.where(divisor == 0, 0.0, numbers / divisor).round().clamp(least, most)


def _nibbles(levels: Tensor) -> Tensor:
    """Blocks of 32 numbers up to 15 as 16 bytes, the first half of the numbers in the lower bits."""
    first, second = levels.chunk(2, -1)
    return first | (second << 4)
