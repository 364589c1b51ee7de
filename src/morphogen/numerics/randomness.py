"""Counter-based random numbers as a pure function: draw = Philox(key(seed, path), counter(block, draw, row)).

The generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") has no state that is
consumed: a number depends only on where it is needed. The noise of a row is therefore the same on any device,
at any batch size and precision. `rows` holds the indices of the rows of a batch (a sample's index, or a
training row's position in the global batch); `fork` names the purpose of the numbers, so that two parts of a
model never share a stream. Numbers have torch's default dtype.

On a CPU, native/philox.cpp draws the numbers if it can be built; it is given here in numpy and torch.
"""

__all__ = ["ElementRng", "Rng", "philox", "philox_in_pairs"]

import hashlib
import math
from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt64
from torch import Tensor

from morphogen.native.kernels import available
from morphogen.wrong_calls import explains_construction

R = TypeVar("R", bound="Rng")
Word: TypeAlias = Int[Tensor, "*#x"]
Pair: TypeAlias = UInt64[np.ndarray, "2 n"]
_ROUNDS = 10
_MASK, _HALF = 0xFFFFFFFF, 32
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
# the same constants as arrays, which numpy need not convert in each operation
_UINT_MASK, _UINT_HALF = np.array(_MASK, np.uint64), np.array(_HALF, np.uint64)
_UINT_MULTIPLIERS = np.array(_MULTIPLIERS, np.uint64)[:, None]
_WEYL_STEPS = np.outer(np.arange(_ROUNDS), _WEYL).astype(np.uint64)


def philox(counter: tuple[Word, Word, Word, Word], key: tuple[int, int]) -> tuple[Word, Word, Word, Word]:
    """Philox4x32-10: map a counter of four 32-bit words and a key of two to four random 32-bit words.

    All words are stored in int64. Matches Random123's published known answers. A 32 x 32 bit product may
    overflow int64; its bits are still correct.
    """
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p, q = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b = ((q >> _HALF) & _MASK) ^ b ^ k0, q & _MASK
        c, d = ((p >> _HALF) & _MASK) ^ d ^ k1, p & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return a, b, c, d


def philox_in_pairs(even: Pair, odd: Pair, key: tuple[int, int]) -> tuple[Pair, Pair]:
    """`philox` in numpy, with words 0 and 2 in one array and words 1 and 3 in another, uint64 [2, N].

    The time of a small draw on a CPU is that of its operations, of which there are less than half as many.
    """
    keys = (np.array(key, np.uint64) + _WEYL_STEPS) & _UINT_MASK
    for k in keys[:, :, None]:
        product = (even * _UINT_MULTIPLIERS)[::-1]
        even, odd = (product >> _UINT_HALF) ^ odd ^ k, product & _UINT_MASK
    return even, odd


@explains_construction
class Rng:
    """A stream of keyed random numbers for the rows of one batch.

    Arguments:
        seed: any integer.
        rows: number of rows (0 .. rows-1), or their indices, int64 `[B]`; numbers are drawn on its device.
        path: purpose of the numbers; extended by `fork`.
    """

    def __init__(self, seed: int, rows: int | Int[Tensor, " b"], path: tuple = ()):
        self.seed, self.path, self.draws = seed, path, 0
        self.rows = torch.arange(rows) if isinstance(rows, int) else rows

    def fork(self, *name: str | int) -> "Rng":
        """An independent stream for the same rows."""
        return self._stream(type(self), self.rows, self.path + name, 0)

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Rng":
        """The same stream, restricted to some of the rows."""
        return self._stream(type(self), self.rows[rows], self.path, self.draws)

    def __len__(self) -> int:
        return self.rows.shape[0]

    def to(self, device: torch.device | str) -> "Rng":
        """The same stream, drawn on `device`."""
        return self._stream(type(self), self.rows.to(device), self.path, self.draws)

    def by_element(self) -> "ElementRng":
        """A stream whose numbers for the first elements of a row do not depend on how many follow."""
        return self._stream(ElementRng, self.rows, self.path, self.draws)

    def bits(self, count: int) -> Int[Tensor, "b n"]:
        """`count` random 32-bit words per row, int64 `[B, count]`; every call is a new draw."""
        if self._is_native():
            return self._native(torch.ops.morphogen.philox, count)
        blocks, draw = -(-count // 4), self.draws
        self.draws += 1
        words = _words_on_cpu if self.rows.device.type == "cpu" else _words
        return words(self.rows, blocks, draw, self._key).flatten(1)[:, :count]

    def uniform(self, *shape: int) -> Float[Tensor, "b ..."]:
        """U(0, 1), excluding 0 and 1: `[B, *shape]`."""
        if self._is_native(torch.float32):
            return self._native(torch.ops.morphogen.philox_uniform, *shape)
        u = _unit_interval(self.bits(math.prod(shape))).to(torch.get_default_dtype())
        return u.reshape(len(self), *shape).clamp_max_(1 - torch.finfo(u.dtype).eps / 2)

    def normal(self, *shape: int) -> Float[Tensor, "b ..."]:
        """N(0, 1) by the Box-Muller transform (1958), computed in fp64: `[B, *shape]`."""
        if self._is_native(torch.float32):
            return self._native(torch.ops.morphogen.philox_normal, *shape)
        count = math.prod(shape)
        half = -(-count // 2)
        u = _unit_interval(self.bits(2 * half))
        radius, angle = _radius(u[:, :half]), 2 * math.pi * u[:, half:]
        z = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :count]
        return z.reshape(len(self), *shape).to(torch.get_default_dtype())

    def integers(self, high: int, *shape: int) -> Int[Tensor, "b ..."]:
        """Uniform integers in 0 .. high-1 (bias below high / 2^32): int64 `[B, *shape]`."""
        return ((self.bits(math.prod(shape)) * high) >> 32).reshape(len(self), *shape)

    def categorical(self, logits: Float[Tensor, "b v"]) -> Int[Tensor, " b"]:
        """One category per row by inverse transform sampling: `[B, V] -> [B]`."""
        return invert_cdf(logits, self.uniform())

    def _stream(self, kind: type[R], rows: Int[Tensor, " b"], path: tuple, draws: int) -> R:
        """A stream of the same seed. Its arguments are known to be right, so that nothing is checked."""
        stream = object.__new__(kind)
        stream.seed, stream.rows, stream.path, stream.draws = self.seed, rows, path, draws
        return stream

    def _is_native(self, dtype: torch.dtype | None = None) -> bool:
        """Whether the kernel draws numbers of this dtype, which are torch's default one, or integers."""
        is_on_cpu = self.rows.device.type == "cpu" and self.rows.dtype == torch.int64
        return is_on_cpu and dtype in (None, torch.get_default_dtype()) and available("philox")

    def _native(self, operator: Callable[..., Tensor], *shape: int) -> Tensor:
        """The next draw of the kernel: `[B, *shape]`."""
        drawn = operator(self.rows, math.prod(shape), self.draws, *self._key)
        self.draws += 1
        return drawn if len(shape) == 1 else drawn.view(len(self.rows), *shape)

    @cached_property
    def _key(self) -> tuple[int, int]:
        digest = hashlib.blake2b(repr((self.seed, self.path)).encode(), digest_size=8).digest()
        return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


class ElementRng(Rng):
    """A stream of numbers for rows of different sizes, [B, N, ...]: number i is the same for every N.

    A padded row therefore receives the noise of the same row without padding. This already holds for the
    other distributions; `Rng.normal` pairs the first half of its numbers with the second.
    """

    def normal(self, *shape: int) -> Float[Tensor, "b ..."]:
        u = _unit_interval(self.bits(2 * math.prod(shape))).unflatten(1, (-1, 2))
        z = _radius(u[..., 0]) * (2 * math.pi * u[..., 1]).cos()
        return z.reshape(len(self), *shape).to(torch.get_default_dtype())


def invert_cdf(logits: Float[Tensor, "b v"], u: Float[Tensor, " b"]) -> Int[Tensor, " b"]:
    """Inverse of the cumulative distribution at `u`: logits `[B, V]`, u `[B]` in (0, 1) -> int64 `[B]`."""
    cdf = logits.double().softmax(-1).cumsum(-1)
    cdf = cdf / cdf[:, -1:]
    return (cdf < u.double()[:, None]).sum(-1).clamp_max(logits.shape[-1] - 1)


def _words(rows: Int[Tensor, " b"], blocks: int, draw: int, key: tuple[int, int]) -> Int[Tensor, "b n 4"]:
    """`blocks` times four random words of each row: `philox` of the counters (block, draw, row)."""
    block, index = torch.arange(blocks, device=rows.device)[None, :], rows[:, None]
    counter = (block, torch.full_like(block, draw), index & _MASK, (index >> _HALF) & _MASK)
    return torch.stack(philox(counter, key), -1)


def _words_on_cpu(
    rows: Int[Tensor, " b"], blocks: int, draw: int, key: tuple[int, int]
) -> Int[Tensor, "b n 4"]:
    """The same words."""
    even, odd = np.empty((2, 2, len(rows), blocks), np.uint64)
    index = rows.numpy().astype(np.uint64)[:, None]
    even[0], even[1] = np.arange(blocks), index & _UINT_MASK
    odd[0], odd[1] = draw, index >> _UINT_HALF
    even, odd = philox_in_pairs(even.reshape(2, -1), odd.reshape(2, -1), key)
    words = np.empty((len(rows) * blocks, 4), np.int64)
    words[:, 0::2], words[:, 1::2] = even.T, odd.T
    return torch.from_numpy(words).view(len(rows), blocks, 4)


def _unit_interval(words: Int[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """32-bit words as numbers in (0, 1), in fp64."""
    return words.double().add_(0.5).mul_(2.0**-32)


def _radius(u: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
    """The radius sqrt(-2 log u) of the Box-Muller transform."""
    return u.log().mul_(-2).sqrt_()
