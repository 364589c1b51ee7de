"""Held-out likelihood in bits per dimension, comparable between all families that have a likelihood.

    bits/dim = - sum_i log p(x_i) / (log 2 sum_i dims_i)

The sums run over all rows: rows of tokens decode to different numbers of bytes, and averaging bits/dim per
row would overweight short rows. `kind` is part of the result: a lower bound on the likelihood is an upper
bound on bits/dim, and an estimate is neither. Theis, van den Oord & Bethge 2016, "A note on the evaluation of
generative models", explain why likelihood and sample quality can disagree.
"""

__all__ = ["bits_per_dim", "evenly_spaced_indices", "ratio_of_sums"]

import math
from typing import TypedDict

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.contract import Unsupported
from morphogen.data.dataset import Examples
from morphogen.data.relabelled import with_labels_of
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, mean
from morphogen.model import Model
from morphogen.rank import ALONE, Rank
from morphogen.staged import Staged


class BitsPerDim(TypedDict):
    """Bits per subpixel or byte with its 95 % interval, and the kind and measure of the likelihood.

    `draws` is k of a lower bound that averages k importance weights, and 1 of any other likelihood.
    """

    kind: str
    measure: str
    draws: int
    bits_per_dim: float
    low: float
    high: float
    n: int


@reads_arguments
def bits_per_dim(
    model: Model | Staged, examples: Examples, n: int | None = None, seed: int = 0, rank: Rank = ALONE
) -> BitsPerDim | None:
    """Bits/dim over n evenly spaced examples (None: all). Returns None if the model has no likelihood.

    The interval is that of the ratio over examples, by linearization. If the log-probability of a row is a
    Monte Carlo estimate, its error is part of the variance between rows. With several processes, all of them
    must call this; each evaluates its shard of the rows (`rank`), and all return the same result.

    Labels are those of the model, by the names of the classes. Errors: ConfigError for a data set, or a
    medium without its conditions; DataError for a class that the model does not have.
    """
    rows = evenly_spaced_indices(len(examples), n)
    batch = with_labels_of(examples, model.specs)[rows]
    try:
        likelihood = model.log_prob(batch.medium, batch.condition, seed=seed, indices=rows, rank=rank)
    except Unsupported:
        return None
    bits, dims = -likelihood.nats.double() / math.log(2.0), likelihood.dims.double()
    interval = ratio_of_sums(bits, dims)
    return {
        "kind": likelihood.kind,
        "measure": likelihood.measure,
        "draws": likelihood.draws,
        "bits_per_dim": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        "n": interval["n"],
    }


def ratio_of_sums(numerators: Float[Tensor, " n"], denominators: Float[Tensor, " n"]) -> Interval:
    """sum_i a_i / sum_i b_i over independent rows; the interval linearizes it in the rows."""
    ratio = numerators.sum() / denominators.sum()
    return mean(ratio + (numerators - ratio * denominators) / denominators.mean())


def evenly_spaced_indices(total: int, n: int | None = None) -> Int[Tensor, " n"]:
    """n indices spread evenly over 0 .. total-1; all of them if n is None or at least total."""
    return torch.arange(total) if n is None or n >= total else torch.arange(n) * total // n
