r"""Where the times of few steps lie. What matters is r = sigma / alpha, the noise beside what is left of the data.

    Even       the clock falls evenly
    EvenSNR    ln r_i falls evenly (Lu et al. 2022, section 3.3)
    Karras     r_i^(1/p) falls evenly (Karras et al. 2022, eq. 5)

All begin where the process ends, and end next to the data, `least` of the clock away.
"""

__all__ = ["Even", "EvenSNR", "Karras", "TimeGrid"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.families.diffusion.processes import ForwardProcess


class TimeGrid(Component, ABC):
    """A law of spacing.

    Arguments:
        least: share of the clock at which the grid ends; of a chain at least one step.
    """

    def __init__(self, least: float = 1e-3):
        self.least = least

    def times(self, process: ForwardProcess, count: int) -> list[float]:
        """So many times, from the process's last down; a chain has no more of them than steps."""
        whole = not process.clock.is_floating_point
        end = max(1.0, self.least * process.last) if whole else self.least * process.last
        found = self.between(process, end, torch.linspace(0, 1, max(2, count), dtype=torch.float64)[1:count]).tolist()
        return _apart([process.last, *(round(t) for t in found)]) if whole else [process.last, *found]

    @abstractmethod
    def between(self, process: ForwardProcess, end: float, share: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The times after these shares of the way from the last down to `end`."""


class Even(TimeGrid):
    """The clock falls evenly."""

    def between(self, process: ForwardProcess, end: float, share: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return process.last + share * (end - process.last)


class Karras(TimeGrid):
    """r^(1/p) falls evenly: the larger p, the more of the steps are spent near the data.

    Arguments:
        p: rho of Karras et al. 2022.
        least: as of every `TimeGrid`.
    """

    def __init__(self, p: float = 7.0, least: float = 1e-3):
        super().__init__(least)
        self.p = p

    def between(self, process: ForwardProcess, end: float, share: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        first, last = (r ** (1 / self.p) for r in _ends(process, end))
        return process.at((first + share * (last - first)) ** self.p).double()


class EvenSNR(TimeGrid):
    """ln r falls evenly, as suits solvers in the logarithm of the signal-to-noise ratio."""

    def between(self, process: ForwardProcess, end: float, share: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        first, last = (r.log() for r in _ends(process, end))
        return process.at((first + share * (last - first)).exp()).double()


def _ends(process: ForwardProcess, end: float) -> tuple[Tensor, Tensor]:
    """r at the last of the clock, or next to it where it is infinite, and at `end`."""
    top, below, last = process.ratio(torch.tensor([process.last, process.last - end, end], dtype=torch.float64))
    return (top if top.isfinite() else below), last


def _apart(times: list[float]) -> list[float]:
    """Whole times that descend to 1 at the least: those that fall together move down, and at the end up, by as little as can be."""
    found = list(times)
    for i in range(1, len(found)):
        found[i] = min(found[i], found[i - 1] - 1)
    for i in range(len(found) - 1, -1, -1):
        found[i] = max(found[i], len(found) - i)
    return found
