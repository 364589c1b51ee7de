"""What an objective computes: the losses of an optimizer turn, and log-likelihoods with their kind.

A result of another shape often broadcasts, and is then a wrong number instead of an error: `check_result`.
"""

__all__ = ["UNMEASURED", "Likelihood", "Losses", "WrongShape", "check_result"]

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float, Real, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.wrong_calls import explains_construction

UNMEASURED = "{} has no likelihood; evaluate its samples instead (frechet, precision, recall)"


class WrongShape(ConfigError):
    """The result of a part has another shape than the objective requires."""


def check_result(part: object, result: Shaped[Tensor, "..."], shape: Sequence[int]) -> Shaped[Tensor, "..."]:
    """The result of a part, such as a network, whose shape must be exactly this one. Errors: WrongShape."""
    if tuple(result.shape) != tuple(shape):
        name = part if isinstance(part, str) else type(part).__name__
        raise WrongShape(f"{name} returns {list(result.shape)}: the result must have the shape {list(shape)}")
    return result


@explains_construction
@dataclass(frozen=True)
class Losses:
    """Losses of one optimizer turn.

    The loss of a row is the sum of `terms`. The training loop reduces rows to sum(weight * loss) /
    sum(weight), over micro-batches and ranks.
    """

    terms: dict[str, Float[Tensor, " b"]]
    weight: Float[Tensor, " b"] | None = None  # units per row (tokens); None: ones
    metrics: dict[str, Real[Tensor, " b"]] = field(default_factory=dict)  # logged, without gradient
    statistics: dict[str, Tensor] = field(default_factory=dict)  # sums over the batch (EM, codebooks)

    def __post_init__(self) -> None:
        for name, term in self.terms.items():
            if term.ndim != 1:
                shape = list(term.shape)
                raise WrongShape(f"the loss {name!r} has the shape {shape}: give one value per row, [B]")

    @property
    def total(self) -> Float[Tensor, " b"]:
        """The loss of each row: the sum of the terms."""
        return reduce(torch.add, self.terms.values())

    def times(self, weight: Float[Tensor, " b"]) -> "Losses":
        """These losses with the terms of each row multiplied."""
        return replace(self, terms={name: weight * term for name, term in self.terms.items()})

    def and_of(self, **terms: Float[Tensor, " b"]) -> "Losses":
        """These losses with further terms."""
        return replace(self, terms=self.terms | terms)


@explains_construction
@dataclass(frozen=True)
class Likelihood:
    """log p(x) per row, with its kind (exact, bound, estimate) and its measure (mass or density)."""

    nats: Float[Tensor, " b"]
    dims: Real[Tensor, " b"]
    kind: Literal["exact", "lower_bound", "estimate"]
    measure: Literal["mass", "density"]
    stderr: Float[Tensor, " b"] | None = None  # Monte Carlo standard error of each row
    draws: int = 1  # latents per row that a bound averages: k of the importance-weighted bound

    @property
    def bits_per_dim(self) -> Float[Tensor, " b"]:
        """-log2 p(x) / dims."""
        return -self.nats / self.dims / torch.log(torch.tensor(2.0))
