"""A known beginning: prompts. No paper: the chain rule gives p(x_>P | x_<=P) of any autoregressive model."""

__all__ = ["Prefix"]

from jaxtyping import Int
from torch import Tensor

from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Prefix(Conditioner):
    """The first ids of x are given, `context.prefix [B, P]`; the network reads them as its own symbols."""

    def forward(self, condition: Int[Tensor, "b p"], rng: Rng | None = None) -> Context:
        return Context(prefix=condition)
