"""Prompts: the first tokens of x as the condition.

No paper: the chain rule gives p(x_>P | x_<=P) for any autoregressive model.
"""

__all__ = ["Prefix", "pad_prompts"]

from collections.abc import Sequence

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Prefix(Conditioner):
    """The first ids of x as `context.prefix [B, P]`, padded on the right with -1.

    The network embeds them as its own tokens.
    """

    name, widths = "prompt", {}
    trained_on = ()  # every row of a training is a prompt and what follows it

    def check(self, condition: Shaped[Tensor, "..."]) -> None:
        if condition.is_floating_point() or condition.ndim != 2:
            kind = f"{str(condition.dtype).removeprefix('torch.')} {list(condition.shape)}"
            raise ConfigError(
                f"prompts are {kind}: give a text, or its token ids [N, P], representation.ids(text)"
            )

    def forward(self, condition: Int[Tensor, "b p"], rng: Rng | None = None) -> Context:
        return Context(prefix=condition)


def pad_prompts(rows: Sequence[Sequence[int]]) -> Int[Tensor, "b p"]:
    """A batch of prompts of different lengths, padded on the right with -1.

        >>> pad_prompts([[5, 6, 7], [8]])
        tensor([[ 5,  6,  7],
                [ 8, -1, -1]])

    Raises ConfigError for an empty batch or a negative id.
    """
    if not rows or any(token < 0 for row in rows for token in row):
        raise ConfigError("prompts: give at least one row of ids, all at least 0")
    longest = max(map(len, rows))
    padded = [[*row, *[-1] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.int64).view(len(rows), longest)
