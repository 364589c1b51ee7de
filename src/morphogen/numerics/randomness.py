"""Counter-based random numbers as a pure function: draw = Philox(key(seed, path), counter(block, draw, row)).

The generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") has no state that is
consumed: a number depends only on where it is needed. The noise of a row is therefore the same on any device,
at any batch size and precision. `rows` holds the indices of the rows of a batch (a sample's index, or a
training row's position in the global batch); `fork` names the purpose of the numbers, so that two parts of a
model never share a stream. Numbers have torch's default dtype.
"""

__all__ = ["ElementRng", "Rng", "philox"]

import hashlib
import math
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

Word = TypeVar("Word", Int[Tensor, "*#x"], Int[np.ndarray, "*#x"])
_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(
    counter: tuple[Word, Word, Word, Word], key: tuple[int, int], rounds: int = 10
) -> tuple[Word, Word, Word, Word]:
    """Philox4x32: map a counter of four 32-bit words and a key of two to four random 32-bit words.

    All words are stored in int64, of torch or numpy. Matches Random123's published known answers. A 32 x 32
    bit product may overflow int64; its bits are still correct.
    """
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(rounds):
        p, q = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = ((q >> 32) & _MASK) ^ b ^ k0, q & _MASK, ((p >> 32) & _MASK) ^ d ^ k1, p & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return a, b, c, d


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
        digest = hashlib.blake2b(repr((seed, path)).encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")

    def fork(self, *name: str | int) -> "Rng":
        """An independent stream for the same rows."""
        return type(self)(self.seed, self.rows, self.path + name)

    def __getitem__(self, rows: slice | Shaped[Tensor, " n"]) -> "Rng":
        """The same stream, restricted to some of the rows."""
        part = type(self)(self.seed, self.rows[rows], self.path)
        part.draws = self.draws
        return part

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> "Rng":
        """The same stream, drawn on `device`."""
        moved = type(self)(self.seed, self.rows.to(device), self.path)
        moved.draws = self.draws
        return moved

    def by_element(self) -> "ElementRng":
        """A stream whose numbers for the first elements of a row do not depend on how many follow."""
        keyed = ElementRng(self.seed, self.rows, self.path)
        keyed.draws = self.draws
        return keyed

    def bits(self, count: int) -> Int[Tensor, "b n"]:
        """`count` random 32-bit words per row, int64 `[B, count]`; every call is a new draw."""
        blocks = torch.arange(-(-count // 4), device=self.rows.device)[None, :]
        rows, draw = self.rows[:, None], torch.full_like(blocks, self.draws)
        self.draws += 1
        counter = (blocks, draw, rows & _MASK, (rows >> 32) & _MASK)
        if rows.device.type == "cpu":  # a hundred small operations, which take a third of the time in numpy
            a, b, c, d = (word.numpy() for word in counter)
            words = torch.from_numpy(np.stack(philox((a, b, c, d), self._key), -1))
        else:
            words = torch.stack(philox(counter, self._key), -1)
        return words.flatten(1)[:, :count]

    def uniform(self, *shape: int) -> Float[Tensor, "b ..."]:
        """U(0, 1), excluding 0 and 1: `[B, *shape]`."""
        u = ((self.bits(math.prod(shape)).double() + 0.5) * 2.0**-32).to(torch.get_default_dtype())
        return u.reshape(len(self), *shape).clamp_max_(1 - torch.finfo(u.dtype).eps / 2)

    def normal(self, *shape: int) -> Float[Tensor, "b ..."]:
        """N(0, 1) by the Box-Muller transform (1958), computed in fp64: `[B, *shape]`."""
        count = math.prod(shape)
        half = -(-count // 2)
        u = (self.bits(2 * half).double() + 0.5) * 2.0**-32
        radius, angle = (-2 * u[:, :half].log()).sqrt(), 2 * math.pi * u[:, half:]
        z = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :count]
        return z.reshape(len(self), *shape).to(torch.get_default_dtype())

    def integers(self, high: int, *shape: int) -> Int[Tensor, "b ..."]:
        """Uniform integers in 0 .. high-1 (bias below high / 2^32): int64 `[B, *shape]`."""
        return ((self.bits(math.prod(shape)) * high) >> 32).reshape(len(self), *shape)

    def categorical(self, logits: Float[Tensor, "b v"]) -> Int[Tensor, " b"]:
        """One category per row by inverse transform sampling: `[B, V] -> [B]`."""
        return invert_cdf(logits, self.uniform())


class ElementRng(Rng):
    """A stream of numbers for rows of different sizes, [B, N, ...]: number i is the same for every N.

    A padded row therefore receives the noise of the same row without padding. This already holds for the
    other distributions; `Rng.normal` pairs the first half of its numbers with the second.
    """

    def normal(self, *shape: int) -> Float[Tensor, "b ..."]:
        u = ((self.bits(2 * math.prod(shape)).double() + 0.5) * 2.0**-32).unflatten(1, (-1, 2))
        z = (-2 * u[..., 0].log()).sqrt() * (2 * math.pi * u[..., 1]).cos()
        return z.reshape(len(self), *shape).to(torch.get_default_dtype())


def invert_cdf(logits: Float[Tensor, "b v"], u: Float[Tensor, " b"]) -> Int[Tensor, " b"]:
    """Inverse of the cumulative distribution at `u`: logits `[B, V]`, u `[B]` in (0, 1) -> int64 `[B]`."""
    cdf = logits.double().softmax(-1).cumsum(-1)
    cdf = cdf / cdf[:, -1:]
    return (cdf < u.double()[:, None]).sum(-1).clamp_max(logits.shape[-1] - 1)
