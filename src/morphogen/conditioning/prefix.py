"""A known beginning: prompts. No paper: the chain rule gives p(x_>P | x_<=P) of any autoregressive model."""

__all__ = ["Prefix", "ragged"]

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Prefix(Conditioner):
    """The first ids of x are given, `context.prefix [B, P]`, -1 behind a row's last; the network reads them as its own symbols."""

    def forward(self, condition: Int[Tensor, "b p"], rng: Rng | None = None) -> Context:
        return Context(prefix=condition)


def ragged(rows: Sequence[Sequence[int]]) -> Int[Tensor, "b p"]:
    """Prompts of any lengths as one condition, padded on the right with -1.

        >>> ragged([[5, 6, 7], [8]])
        tensor([[ 5,  6,  7],
                [ 8, -1, -1]])

    Raises ConfigError for no row at all, or a negative id.
    """
    if not rows or any(symbol < 0 for row in rows for symbol in row):
        raise ConfigError("prompts: give one row of ids or more, none of them negative")
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[-1] * (longest - len(row))] for row in rows], dtype=torch.int64).view(len(rows), longest)
