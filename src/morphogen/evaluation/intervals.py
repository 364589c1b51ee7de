"""95 % confidence intervals; every metric is a value with its interval and the number of rows behind it.

mean          value +- 1.96 s / sqrt(n)                                     means over rows (bits/dim)
proportion    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)     proportions (Wilson 1927)
bootstrap     value + quantiles of (resampled value - their mean)           any statistic (Efron 1979)
"""

__all__ = ["Interval", "bootstrap", "mean", "proportion"]

import math
from collections.abc import Callable
from typing import NotRequired, TypedDict

import torch
from jaxtyping import Bool, Real, Shaped
from torch import Tensor

from morphogen.numerics.randomness import Rng

Z = 1.959963984540054  # 97.5 % quantile of the standard normal


class Interval(TypedDict):
    """A value, its 95 % interval and n; a bootstrap adds the number of resamples and the estimated bias."""

    value: float
    low: float
    high: float
    n: int
    resamples: NotRequired[int]
    bias: NotRequired[float]


def mean(rows: Real[Tensor, " n"]) -> Interval:
    """Mean of independent rows with its normal interval; infinite for a single row."""
    rows = rows.double().cpu()
    value = rows.mean().item()
    half = Z * (rows.var() / len(rows)).sqrt().item() if len(rows) > 1 else math.inf
    return {"value": value, "low": value - half, "high": value + half, "n": len(rows)}


def proportion(rows: Bool[Tensor, " n"]) -> Interval:
    """Proportion of true rows with its Wilson score interval, which has positive width even at 0 and 1."""
    n, p = len(rows), rows.double().mean().item()
    centre, half = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    scale = 1 + Z**2 / n
    return {
        "value": p,
        "low": max(0.0, (centre - half) / scale),
        "high": min(1.0, (centre + half) / scale),
        "n": n,
    }


def bootstrap(
    statistic: Callable[..., float],
    samples: tuple[Shaped[Tensor, "_ ..."], ...],
    resamples: int = 100,
    seed: int = 0,
    minimum: float = -math.inf,
) -> Interval:
    """Bootstrap interval of a statistic of one or more sets of rows, each resampled with replacement.

    Arguments:
        statistic: maps the sets to a number.
        samples: the sets, [n, ...] each; n of the interval is the size of the smallest.
        resamples: number of resamples; 100 determine the ends to about a tenth of the width.
        seed: of the resampling.
        minimum: smallest value that the statistic can take; the ends are clipped to it.
    """
    value = statistic(*samples)
    rng = Rng(seed, resamples, ("bootstrap",))
    rows = [
        rng.fork(i).integers(len(sample), len(sample)).to(sample.device) for i, sample in enumerate(samples)
    ]
    resampled = torch.tensor(
        [statistic(*(s[r[i]] for s, r in zip(samples, rows, strict=True))) for i in range(resamples)],
        dtype=torch.float64,
    )
    bias = resampled.mean() - value
    low, high = (resampled - bias).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return {
        "value": value,
        "low": max(minimum, low),
        "high": max(minimum, high),
        "n": min(map(len, samples)),
        "resamples": resamples,
        "bias": bias.item(),
    }
