"""The source of a translation as context: a text, encoded as tokens, or a picture, as planes.

References: Attention is all you need, Vaswani et al., 2017 (texts); Image-to-image translation with
conditional adversarial networks, Isola, Zhu, Zhou & Efros, 2017 (pictures).
"""

__all__ = ["SourcePicture", "SourceText"]

from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
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


class SourcePicture(Conditioner):
    """Pictures [B, C, H, W] in [-1, 1] as `context.spatial` (Isola et al. 2017).

    Arguments:
        shape: (channels, height, width) of the pictures.
    """

    name = "source"

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.shape, self.widths = tuple(shape), {"spatial": shape[0]}

    def forward(self, condition: Float[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        """Errors: ConfigError for pictures of another shape, or with values outside [-1, 1]."""
        if tuple(condition.shape[1:]) != self.shape or condition.abs().max() > 1:
            raise ConfigError(
                f"a source picture has the shape {list(self.shape)} and values in [-1, 1], not "
                f"{list(condition.shape[1:])} in [{condition.min():g}, {condition.max():g}]: use "
                f"mg.data.resized(pictures, {self.shape[1]})"
            )
        return Context(spatial=condition)
