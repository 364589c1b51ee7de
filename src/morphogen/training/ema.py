"""Averaged weights, which sample better than the last ones (Polyak & Juditsky 1992); at first the average forgets quickly.

w_avg <- d w_avg + (1 - d) w,    d = min(decay, (1 + s) / (10 + s))
"""

__all__ = ["Ema"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """The exponential moving average of some parameters.

    Arguments:
        parameters: what is averaged: those of the first player, which samples.
        decay: d in the equation, in (0, 1).
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self.parameters: list[Tensor] = list(parameters)
        self.decay = decay
        self.average = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, turn: int) -> None:
        """Take in the weights after the player's turn number `turn` (from 0)."""
        decay = min(self.decay, (1 + turn) / (10 + turn))
        torch._foreach_lerp_(self.average, self.parameters, 1 - decay)

    @torch.no_grad()
    def adopt(self) -> None:
        """Make the averages the weights, for good."""
        torch._foreach_copy_(self.parameters, self.average)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averages are the weights inside; the very same weights as before, bit for bit, after."""
        held = [p.detach().clone() for p in self.parameters]
        self.adopt()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, held)

    def state(self) -> dict[str, Tensor]:
        """The averages, for a checkpoint."""
        return {str(i): average for i, average in enumerate(self.average)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from averages that `state` gave."""
        for i, average in enumerate(self.average):
            average.copy_(state[str(i)])
