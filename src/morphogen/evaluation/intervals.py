r"""95 % confidence intervals; every metric is a value with its interval and the number of rows behind it.

mean             value +- t s / sqrt(n)                                      means of rows (Student 1908)
fraction         Wilson's with the n of that variance                        means of rows in 0 .. 1
proportion       (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)   proportions (Wilson 1927)
counts           |value - v| <= t s sqrt(v / value)                          means of counts (Wilson 1927)
ratio            Wilson's with the n of the variance of sum r / sum a         parts of totals (Cochran 1977)
bootstrap        value +- t s of resampled values                            any smooth statistic (Efron 1979)
between_groups   variance of a statistic between disjoint random groups      any statistic of sets

Groups without a common row are independent, and their variance is that of the statistic at their size. That
of resamples is biased: duplicated rows shrink the balls of nearest neighbours to points, and triple the
variance of a quadratic statistic whose first-order term vanishes. Hartigan 1969, "Using subsample values as
typical values"; Politis & Romano 1994 for the scaling to n rows.

An interval is that of the statistic's expected value at this n, and includes no bias of the estimator itself.
"""

__all__ = [
    "Groups",
    "Interval",
    "Z",
    "around",
    "between_groups",
    "bootstrap",
    "counts",
    "enclosing",
    "fraction",
    "mean",
    "modified_wilson",
    "proportion",
    "ratio",
    "student",
    "wilson",
]

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import torch
from jaxtyping import Bool, Float, Int, Real, Shaped
from scipy.special import gammaincinv, stdtrit
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.arguments import reads_arguments
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import as_tensor

Z = 1.959963984540054  # 97.5 % quantile of the standard normal
FEW, ONE_SIDED = 3.5, 0.05  # rows below which an end of Wilson's interval is Poisson's, at this level


class Interval(TypedDict):
    """A value, its 95 % interval and n; where resampled, also how often, and the estimated bias."""

    value: float
    low: float
    high: float
    n: int
    resamples: NotRequired[int]
    bias: NotRequired[float]


class Groups(NamedTuple):
    """Mean and variance of a statistic between disjoint groups, and the variance's degrees of freedom."""

    mean: Float[Tensor, " s"]
    variance: Float[Tensor, " s"]
    degrees: int


def mean(rows: Real[Tensor, " n"]) -> Interval:
    """Mean of independent rows with Student's interval; infinite for a single row."""
    rows = rows.double().cpu()
    variance = (rows.var() / len(rows)).item() if len(rows) > 1 else math.inf
    return around(rows.mean().item(), variance, len(rows), len(rows) - 1)


def fraction(rows: Real[Tensor, " n"]) -> Interval:
    """Mean of independent rows between 0 and 1, with Wilson's interval at p(1-p) / variance rows.

    Near 0 or 1 a mean is skewed, as a proportion is: Student's interval is too short at one end and leaves
    0 .. 1 at the other. Rows that are all equal count as rows that are 0 or 1.
    """
    rows, n = rows.double().cpu(), len(rows)
    p = rows.mean().clamp(0, 1).item()
    variance = (rows.var() / n).item() if n > 1 else 0.0
    effective = max(n, p * (1 - p) / variance) if variance > 0 else n
    return wilson(p, n, effective, student(n - 1) if n > 1 else Z)


def proportion(rows: Bool[Tensor, " n"]) -> Interval:
    """Proportion of true rows with its Wilson score interval, which has positive width even at 0 and 1."""
    return wilson(rows.double().mean().item(), len(rows))


def ratio(parts: Int[Tensor, " n"], totals: Int[Tensor, " n"]) -> Interval | None:
    """Sum of parts by sum of totals, 0 <= part <= total in each row; n counts the rows with a total.

    With s^2 = sum (part - p total)^2 / (sum total)^2 the variance of p, from rows that are independent, the
    things that one row counts need not be. None if there is nothing to count.
    """
    rows = totals > 0
    r, a, n = parts[rows].double(), totals[rows].double(), int(rows.sum())
    if not n:
        return None
    p = (r.sum() / a.sum()).item()
    variance = ((r - p * a).square().sum() / a.sum().square()).item() * n / max(1, n - 1)
    return wilson(p, n, p * (1 - p) / variance if variance > 0 else n, student(n - 1) if n > 1 else Z)


def wilson(p: float, n: int, effective: float | None = None, z: float = Z) -> Interval:
    """Wilson score interval of a proportion p of n rows.

    Arguments:
        p: the proportion.
        n: number of rows.
        effective: p(1-p) / variance, the number of independent rows with this variance; None: n.
        z: quantile of the standardized error.
    """
    m = n if effective is None else effective
    centre, half = p + z**2 / (2 * m), z * math.sqrt(p * (1 - p) / m + z**2 / (4 * m**2))
    scale = 1 + z**2 / m
    low, high = enclosing(p, (centre - half) / scale, (centre + half) / scale)
    return {"value": p, "low": max(0.0, low), "high": min(1.0, high), "n": n}


def modified_wilson(p: float, n: int, effective: float, z: float = Z) -> Interval:
    """Wilson's interval, whose end is Poisson's where at most 3 rows differ from all others.

    Wilson's own excludes an expectation of 0.1 such rows as soon as one occurs, in a tenth of all cases.
    "Interval estimation for a binomial proportion", Brown, Cai & DasGupta, 2001, section 4.1.1. For the
    arguments see `wilson`.
    """
    found = wilson(p, n, effective, z)
    few, others = effective * p, effective * (1 - p)
    low = float(gammaincinv(few, ONE_SIDED)) / effective if 0 < few <= FEW else 1.0
    high = 1 - float(gammaincinv(others, ONE_SIDED)) / effective if 0 < others <= FEW else 0.0
    return {**found, "low": min(found["low"], low), "high": max(found["high"], high)}


def counts(value: float, variance: float, n: int, degrees: int) -> Interval:
    """Score interval of a mean of counts: those expectations from which it is at most t deviations.

    The variance of counts is proportional to their expectation, as Wilson's is to p(1-p): the interval of a
    small mean is not as short as its own variance.

        (value - v)^2 = t^2 variance v / value
    """
    if not value or not degrees:
        return around(value, variance, n, degrees, minimum=0.0)
    width = student(degrees) ** 2 * variance / value
    half = math.sqrt(width * (value + width / 4))
    low, high = enclosing(value, value + width / 2 - half, value + width / 2 + half)
    return {"value": value, "low": max(0.0, low), "high": high, "n": n}


def around(value: float, variance: float, n: int, degrees: int, minimum: float = -math.inf) -> Interval:
    """Student's interval around a value, given its estimated variance and the degrees of freedom of that.

    The ends are clipped to `minimum`, the smallest value that the statistic can take.
    """
    half = student(degrees) * math.sqrt(variance) if degrees else math.inf
    low, high = enclosing(value, max(minimum, value - half), value + half)
    return {"value": value, "low": low, "high": high, "n": n}


def enclosing(value: float, low: float, high: float) -> tuple[float, float]:
    """The ends of an interval, which a rounding may have moved beyond its value."""
    return min(low, value), max(high, value)


def student(degrees: int) -> float:
    """97.5 % quantile of Student's t distribution."""
    return float(stdtrit(degrees, 0.975))


def between_groups(
    statistic: Callable[..., Sequence[float]],
    samples: tuple[Shaped[Tensor, "_ ..."], ...],
    groups: int,
    partitions: int,
    seed: int = 0,
) -> Groups:
    """Mean and variance of a statistic between disjoint groups, over several random partitions into groups.

    Arguments:
        statistic: maps sets of rows to one or more numbers.
        samples: the sets, [n, ...] each; a group has 1 / `groups` of the rows of each.
        groups: groups per partition, 2 or more.
        partitions: number of random partitions.
        seed: of the partitions.
    """
    rng = Rng(seed, partitions, ("groups", groups))
    orders = [rng.fork(i).bits(len(sample)).argsort(dim=1, stable=True) for i, sample in enumerate(samples)]
    values = torch.tensor(
        [
            [
                statistic(
                    *(s[order[p, g::groups].to(s.device)] for s, order in zip(samples, orders, strict=True))
                )
                for g in range(groups)
            ]
            for p in range(partitions)
        ],
        dtype=torch.float64,
    )
    return Groups(values.mean((0, 1)), values.var(1).mean(0), partitions * (groups - 1))


@reads_arguments
def bootstrap(
    statistic: Callable[..., float],
    samples: Any,
    resamples: int = 100,
    seed: int = 0,
    minimum: float = -math.inf,
) -> Interval:
    """Bootstrap interval of a statistic of one or more sets of rows, each resampled with replacement.

    Arguments:
        statistic: maps the sets to a number.
        samples: the sets, [n, ...] each, tensors or arrays as the statistic takes them, or a single one; n of
            the interval is the size of the smallest.
        resamples: number of resamples; 100 determine the width to about 7 %.
        seed: of the resampling.
        minimum: smallest value that the statistic can take; the ends are clipped to it.

    Errors: ConfigError for what is no set of rows.
    """
    samples = tuple(map(_set_of_rows, samples if type(samples) is tuple else (samples,)))
    value = _value(statistic, samples)
    rng = Rng(seed, resamples, ("bootstrap",))
    rows = [_like(rng.fork(i).integers(len(one), len(one)), one) for i, one in enumerate(samples)]
    resampled = torch.tensor(
        [float(statistic(*(s[r[i]] for s, r in zip(samples, rows, strict=True)))) for i in range(resamples)],
        dtype=torch.float64,
    )
    n = min(map(len, samples))
    # the variance of n rows around their own mean is too small by (n - 1) / n
    variance = resampled.var().item() * n / max(1, n - 1)
    interval = around(value, variance, n, n - 1, minimum)
    return {**interval, "resamples": resamples, "bias": resampled.mean().item() - value}


def _value(statistic: Callable[..., float], samples: tuple[Any, ...]) -> float:
    """The statistic of the sets. Errors: ConfigError if it fails."""
    try:
        return float(statistic(*samples))
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError) as error:
        kinds = ", ".join(f"{type(one).__name__} {list(one.shape)}" for one in samples)
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"the statistic fails on the sets ({kinds}): {line}; it must be a number"
        ) from error


def _set_of_rows(given: Any) -> Any:
    """An array, or a tensor of any other numbers. Errors: ConfigError for anything else, and for no rows."""
    rows = as_tensor(given, "samples")
    return given if hasattr(given, "__array_interface__") else rows


def _like(rows: Tensor, sample: Any) -> Any:
    """Row numbers as an index of the sample."""
    return rows.numpy() if hasattr(sample, "__array_interface__") else rows.to(sample.device)
