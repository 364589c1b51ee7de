"""Dropping the condition in training, so that a model also knows p(x): what classifier-free guidance needs."""

__all__ = ["ConditionDropout"]

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class ConditionDropout(Conditioner):
    """With probability p a row sees a learned null vector instead of its condition (Ho & Salimans 2022).

    When nothing is dropped (rng None), `context.null` is what the network would see without the condition. It is made of the
    null vector alone: the condition cannot leak into it.

    Arguments:
        conditioner: any that fills `context.vector`.
        p: share of rows that lose their condition.
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

    def draw(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        return self.conditioner.draw(rng)
