"""How sure a figure is: every measurement is a value with a 95 % interval and the number of rows behind it.

mean        value +- 1.96 s / sqrt(n)                                                 averages of many rows (bits/dim)
share       (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)                 proportions (Wilson 1927)
bootstrap   value + quantiles of (resampled value - their mean)                       anything else (Efron 1979)
"""

__all__ = ["Interval", "bootstrap", "mean", "share"]

import math
from collections.abc import Callable
from typing import NotRequired, TypedDict

import torch
from jaxtyping import Bool, Real, Shaped
from torch import Tensor

from morphogen.numerics.randomness import Rng

Z = 1.959963984540054  # the normal's 97.5 % quantile


class Interval(TypedDict):
    """A value, its 95 % interval and n; for a bootstrap also how many resamples, and how far they lie above the value."""

    value: float
    low: float
    high: float
    n: int
    resamples: NotRequired[int]
    bias: NotRequired[float]


def mean(rows: Real[Tensor, " n"]) -> Interval:
    """The mean of independent rows; a single one has an infinite interval."""
    rows = rows.double().cpu()
    value = rows.mean().item()
    half = Z * (rows.var() / len(rows)).sqrt().item() if len(rows) > 1 else math.inf
    return {"value": value, "low": value - half, "high": value + half, "n": len(rows)}


def share(rows: Bool[Tensor, " n"]) -> Interval:
    """The share of rows that hold; its interval is never empty, not even at 0 and 1."""
    n, p = len(rows), rows.double().mean().item()
    centre, half = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    scale = 1 + Z**2 / n
    return {"value": p, "low": max(0.0, (centre - half) / scale), "high": min(1.0, (centre + half) / scale), "n": n}


def bootstrap(
    statistic: Callable[..., float], samples: tuple[Shaped[Tensor, "_ ..."], ...], resamples: int = 100, seed: int = 0,
    least: float = -math.inf,
) -> Interval:  # fmt: skip
    """A statistic of one or more sets of rows, each resampled with replacement.

    Arguments:
        statistic: takes the sets, gives a number.
        samples: the sets, [n, ...] each; the first that is smallest counts as n.
        resamples: how often; 100 give the interval's ends to about a tenth of its width.
        seed: of the resampling.
        least: the smallest value the statistic can take.
    """
    value = statistic(*samples)
    rng = Rng(seed, resamples, ("bootstrap",))
    rows = [rng.fork(i).integers(len(sample), len(sample)).to(sample.device) for i, sample in enumerate(samples)]
    drawn = torch.tensor([statistic(*(s[r[i]] for s, r in zip(samples, rows, strict=True))) for i in range(resamples)], dtype=torch.float64)
    bias = drawn.mean() - value
    low, high = (drawn - bias).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return {
        "value": value, "low": max(least, low), "high": max(least, high), "n": min(map(len, samples)),
        "resamples": resamples, "bias": bias.item(),
    }  # fmt: skip
