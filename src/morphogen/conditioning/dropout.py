"""Condition dropout, which trains p(x | c) and p(x) in one network, as classifier-free guidance requires."""

__all__ = ["ConditionDropout"]

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class ConditionDropout(Conditioner):
    """Replace the condition by a learned null vector with probability p in training (Ho & Salimans 2022).

    Without `rng` nothing is dropped, and `context.null` is the context that the network would receive without
    the condition. It contains the null vector alone, so the condition cannot leak into it.

    Arguments:
        conditioner: any conditioner that sets `context.vector`.
        p: probability that a row loses its condition.
    """

    def __init__(self, conditioner: Conditioner, p: float = 0.1):
        super().__init__()
        self.conditioner, self.p, self.width = conditioner, p, conditioner.width
        self.null = nn.Parameter(torch.zeros(self.width))

    def forward(self, condition: Shaped[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        vector = self.conditioner(condition, rng).vector
        null = Context(vector=self.null.expand_as(vector))
        if rng is None:
            return Context(vector=vector, condition=condition, null=null)
        dropped = rng.fork("dropout").uniform(1) < self.p
        return Context(vector=torch.where(dropped, self.null, vector), condition=condition)

    def sample_condition(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        return self.conditioner.sample_condition(rng)
