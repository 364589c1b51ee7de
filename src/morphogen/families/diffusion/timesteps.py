r"""Timestep spacings for sampling in few steps.

    UniformTimesteps    uniform in t
    UniformLogSNR       uniform in ln r           (Lu et al. 2022, section 3.3)
    KarrasTimesteps     uniform in r^(1/rho)        (Karras et al. 2022, eq. 5)
    LeadingTimesteps    every k-th step of a chain  (Song, Meng & Ermon 2021; Lin et al. 2024, table 2)

with the noise-to-signal ratio r = sigma / alpha. The first three start at t_max and end close to the data, at
t = `end_fraction` t_max.
"""

__all__ = [
    "KarrasTimesteps",
    "LeadingTimesteps",
    "TimestepSpacing",
    "UniformLogSNR",
    "UniformTimesteps",
    "WithoutLast",
]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.families.diffusion.processes import ForwardProcess


class TimestepSpacing(Component, ABC):
    """Base class of timestep spacings.

    Attributes:
        end: the time at which sampling ends; 0: with the predicted x_0.
    """

    end: float = 0

    @abstractmethod
    def timesteps(self, process: ForwardProcess, count: int) -> list[float]:
        """Return `count` descending times; in a discrete chain they are distinct integers."""


class InterpolatedTimesteps(TimestepSpacing):
    """Base class of spacings that interpolate between t_max and a time close to the data.

    Arguments:
        end_fraction: last time as a fraction of t_max; in a discrete chain the last time is at least 1.
    """

    def __init__(self, end_fraction: float = 1e-3):
        self.end_fraction = end_fraction

    def timesteps(self, process: ForwardProcess, count: int) -> list[float]:
        """Return `count` descending times from t_max. In a discrete chain they are distinct integers."""
        discrete = not process.time_dtype.is_floating_point
        end = self.end_fraction * process.t_max
        if discrete:
            end = max(1.0, end)
        fractions = torch.linspace(0, 1, max(2, count), dtype=torch.float64)[1:count]
        times = self.interpolate(process, end, fractions).tolist()
        if discrete:
            return _distinct([process.t_max, *(1 + round(t - 1) for t in times)])
        return [process.t_max, *times]

    @abstractmethod
    def interpolate(
        self, process: ForwardProcess, end: float, fraction: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the times at the given fractions (0 .. 1) of the way from t_max to `end`."""


class UniformTimesteps(InterpolatedTimesteps):
    """Times uniform in t.

    Arguments:
        end_fraction: see `InterpolatedTimesteps`.
    """

    def interpolate(
        self, process: ForwardProcess, end: float, fraction: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return process.t_max + fraction * (end - process.t_max)


class KarrasTimesteps(InterpolatedTimesteps):
    """Times uniform in r^(1/rho): a larger rho puts more of the steps close to the data.

    Karras et al., 2022, equation 5.

    Arguments:
        rho: exponent, at least 1.
        end_fraction: see `InterpolatedTimesteps`.
    """

    def __init__(self, rho: float = 7.0, end_fraction: float = 1e-3):
        super().__init__(end_fraction)
        self.rho = rho

    def interpolate(
        self, process: ForwardProcess, end: float, fraction: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        first, last = (r ** (1 / self.rho) for r in _end_ratios(process, end))
        return process.time_of_ratio((first + fraction * (last - first)) ** self.rho).double()


class UniformLogSNR(InterpolatedTimesteps):
    """Times uniform in the log signal-to-noise ratio, which suits solvers such as `DPMSolver`.

    Arguments:
        end_fraction: see `InterpolatedTimesteps`.
    """

    def interpolate(
        self, process: ForwardProcess, end: float, fraction: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        first, last = (r.log() for r in _end_ratios(process, end))
        return process.time_of_ratio((first + fraction * (last - first)).exp()).double()


class LeadingTimesteps(TimestepSpacing):
    """Every k-th step of a chain from its first, k = T // count: 1 + offset, 1 + offset + k, ...

    The spacing of DDIM (Song, Meng & Ermon 2021) and of Stable Diffusion, where it starts below T, although
    x_T is drawn from N(0, I): "leading" of Common diffusion noise schedules and sample steps are flawed, Lin,
    Liu, Li & Yang, 2024, table 2, whose "trailing" is the own spacing of a chain.

    Arguments:
        offset: number of steps that are skipped next to the data.
        end: 0: sampling returns the predicted x_0; 1: x_1, as in Stable Diffusion, which requires an offset.

    Raises ConfigError for an offset below `end`.
    """

    def __init__(self, offset: int = 1, end: int = 1):
        if not 0 <= end <= 1 or offset < end:
            raise ConfigError(f"LeadingTimesteps({offset=}, {end=}): give 0 <= end <= 1 and offset >= end")
        self.offset, self.end = offset, end

    def timesteps(self, process: ForwardProcess, count: int) -> list[float]:
        steps = int(process.t_max)
        if not 1 <= count <= steps - self.offset:
            raise ConfigError(
                f"{count} steps: a chain of {steps} steps has 1 .. {steps - self.offset} from its step "
                f"{1 + self.offset} on"
            )
        stride = steps // count
        return [float(1 + self.offset + k * stride) for k in reversed(range(count))]


class WithoutLast(TimestepSpacing):
    """The times of a spacing for one more step, without the last: the final step is a longer one.

    The spacing of diffusers' DPM-Solver, of which it has "leading" and "linspace" (von Platen et al. 2022).

    Arguments:
        spacing: the spacing.
    """

    def __init__(self, spacing: TimestepSpacing):
        self.spacing, self.end = spacing, spacing.end

    def timesteps(self, process: ForwardProcess, count: int) -> list[float]:
        return self.spacing.timesteps(process, count + 1)[:-1]


def _end_ratios(process: ForwardProcess, end: float) -> tuple[Tensor, Tensor]:
    """r at t_max and at `end`. Where r is infinite at t_max, its value at t_max - end is used instead."""
    times = torch.tensor([process.t_max, process.t_max - end, end], dtype=torch.float64)
    first, second, last = process.ratio(times)
    return (first if first.isfinite() else second), last


def _distinct(times: list[float]) -> list[float]:
    """Descending, distinct integers >= 1: ties are moved down by as little as possible, and up at the end."""
    distinct = list(times)
    for i in range(1, len(distinct)):
        distinct[i] = min(distinct[i], distinct[i - 1] - 1)
    for i in range(len(distinct) - 1, -1, -1):
        distinct[i] = max(distinct[i], len(distinct) - i)
    return distinct
