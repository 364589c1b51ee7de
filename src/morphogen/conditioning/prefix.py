"""A known beginning: prompts."""

__all__ = ["Prefix"]

from torch import Tensor

from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Prefix(Conditioner):
    """The first ids of x are given, `context.prefix [B, P]`; the network reads them as its own symbols."""

    def forward(self, condition: Tensor, rng: Rng | None = None) -> Context:
        return Context(prefix=condition)
