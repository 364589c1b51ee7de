"""Source text as context, for translation, summarisation and question answering.

Reference: Attention is all you need, Vaswani et al., 2017.
"""

__all__ = ["SourceText"]

from jaxtyping import Int
from torch import Tensor

from morphogen.contract import Conditioner, Context
from morphogen.networks.encoder import Encoder
from morphogen.numerics.randomness import Rng


class SourceText(Conditioner):
    """Encode source ids [B, S], padded on the right with -1, as `context.tokens [B, S, D]` and their mask.

    Arguments:
        encoder: transformer encoder of the source.
    """

    name = "source"

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder, self.widths = encoder, {"tokens": encoder.width}

    def forward(self, condition: Int[Tensor, "b s"], rng: Rng | None = None) -> Context:
        mask = condition >= 0
        return Context(tokens=self.encoder(condition, mask), mask=mask)
