"""Exponential moving average of weights, which sample better than the last ones (Polyak & Juditsky 1992).

    w_avg <- d w_avg + (1 - d) w,    d = min(decay, (1 + s) / (10 + s))        s: the player's optimizer turn

The smaller decay of the first turns removes the initial weights from the average quickly.
"""

__all__ = ["Ema"]

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of parameters.

    Arguments:
        parameters: the averaged parameters: those of the first player, which samples.
        decay: d in the equation, in (0, 1).
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self.parameters: list[Tensor] = list(parameters)
        self.decay = decay
        self.average = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, turn: int, without: Collection[Tensor] = ()) -> None:
        """Update the average with the weights after the player's turn number `turn` (from 0).

        Arguments:
            turn: the turn.
            without: parameters whose averages were updated already.
        """
        done = set(map(id, without))
        left = [i for i, parameter in enumerate(self.parameters) if id(parameter) not in done]
        averages, parameters = [self.average[i] for i in left], [self.parameters[i] for i in left]
        torch._foreach_lerp_(averages, parameters, 1 - self.decay_at(turn))

    def decay_at(self, turn: int) -> float:
        """The decay d of a turn."""
        return min(self.decay, (1 + turn) / (10 + turn))

    @torch.no_grad()
    def copy_to_parameters(self) -> None:
        """Overwrite the parameters with their averages."""
        torch._foreach_copy_(self.parameters, self.average)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Context manager in which the parameters are the averages; on exit they are restored bit for bit."""
        backup = [p.detach().clone() for p in self.parameters]
        self.copy_to_parameters()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, backup)

    def state(self) -> dict[str, Tensor]:
        """The averages, for a checkpoint."""
        return {str(i): average for i, average in enumerate(self.average)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Load averages that `state` returned."""
        for i, average in enumerate(self.average):
            average.copy_(state[str(i)])
