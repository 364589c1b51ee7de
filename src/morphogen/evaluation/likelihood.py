"""Held-out likelihood in bits per dimension: the one figure that compares families which have it.

    bits/dim = - sum_i log p(x_i) / (log 2 sum_i dims_i)

over all rows together: rows of tokens spell more or fewer bytes, and the mean of their own bits/dim would favour the short ones.
`kind` travels with the figure: a lower bound on the likelihood is an upper bound on bits/dim, and an estimate is neither. (Why
likelihood and samples may disagree: Theis, van den Oord & Bethge 2016, "A note on the evaluation of generative models".)
"""

__all__ = ["bits_per_dim", "spread"]

import math
from typing import TypedDict

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.compose import Staged
from morphogen.contract import Unsupported
from morphogen.data.dataset import Examples
from morphogen.evaluation.intervals import mean
from morphogen.model import Model
from morphogen.rank import ALONE, Rank


class BitsPerDim(TypedDict):
    """Bits per subpixel or byte, with a 95 % interval over examples, and what kind of likelihood it comes from."""

    kind: str
    measure: str
    bits_per_dim: float
    low: float
    high: float
    n: int


def bits_per_dim(model: Model | Staged, examples: Examples, n: int | None = None, seed: int = 0, rank: Rank = ALONE) -> BitsPerDim | None:
    """The mean over n examples spread evenly over the part (all: None); None: the model has no likelihood.

    The interval is of that ratio over examples, linear in their deviations from it; where a row is a Monte Carlo average its error is
    part of the rows' spread. Of several processes, all of which call this, each takes its share of the rows (`rank`), and all get the
    figure.
    """
    rows = spread(len(examples), n)
    batch = examples[rows]
    try:
        found = model.log_prob(batch.medium, batch.condition, seed=seed, indices=rows, rank=rank)
    except Unsupported:
        return None
    bits, dims = -found.nats.double() / math.log(2.0), found.dims.double()
    ratio = bits.sum() / dims.sum()
    figure = mean(ratio + (bits - ratio * dims) / dims.mean())
    return {
        "kind": found.kind, "measure": found.measure, "bits_per_dim": figure["value"],
        "low": figure["low"], "high": figure["high"], "n": figure["n"],
    }  # fmt: skip


def spread(total: int, n: int | None = None) -> Int[Tensor, " n"]:
    """n indices spread evenly over 0 .. total-1; all of them if n is None or too many."""
    return torch.arange(total) if n is None or n >= total else torch.arange(n) * total // n
