r"""Annealing by finished steps: a fraction that grows linearly from 0 to 1 and then stays there.

    fraction_t = min(1, t / steps)

It weights a divergence during warm-up (Bowman et al. 2016) and lowers the temperature of a relaxed sample
(Jang, Gu & Poole 2017). A step that was skipped, because its loss was not finite, does not count.
"""

__all__ = ["Annealing"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Annealing(nn.Module):
    """The fraction of a number of training steps that are finished; it is saved with the weights.

    Arguments:
        steps: number of steps until the fraction is 1; 0: it is 1 from the start.

    >>> annealing = Annealing(4)
    >>> annealing.finish(0)
    >>> annealing.fraction.item(), Annealing(0).fraction.item()
    (0.25, 1.0)
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        if steps:
            self.register_buffer("finished", torch.zeros((), dtype=torch.long))

    finished: Int[Tensor, ""]

    @property
    def fraction(self) -> Float[Tensor, ""]:
        """min(1, finished / steps)."""
        return (self.finished / self.steps).clamp(max=1) if self.steps else torch.ones(())

    def finish(self, step: int) -> None:
        """Called after step number `step`, counted from 0."""
        if self.steps:
            self.finished.fill_(step + 1)
