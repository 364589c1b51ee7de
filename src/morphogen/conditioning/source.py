"""A source text as context: what a translation, a summary or an answer is of (Vaswani et al. 2017, "Attention is all you need")."""

__all__ = ["SourceText"]

from jaxtyping import Int
from torch import Tensor

from morphogen.contract import Conditioner, Context
from morphogen.networks.encoder import Encoder
from morphogen.numerics.randomness import Rng


class SourceText(Conditioner):
    """ids [B, S], -1 behind the end of each, to `context.tokens [B, S, D]` and their mask.

    Arguments:
        encoder: that reads them.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder
        self.width = encoder.width

    def forward(self, condition: Int[Tensor, "b s"], rng: Rng | None = None) -> Context:
        mask = condition >= 0
        return Context(tokens=self.encoder(condition, mask), mask=mask, condition=condition)
