"""A bijection of vectors as one of pictures."""

__all__ = ["Flatten"]

from jaxtyping import Float
from torch import Tensor

from morphogen.families.flow.rearranged import Rearranged


class Flatten(Rearranged):
    """flatten^-1 o f o flatten, for f on vectors [B, D] and x of any shape. No paper: a reshape.

    Arguments:
        inner: f.
    """

    def arranged(self, x: Float[Tensor, " b *x"]) -> Float[Tensor, "b d"]:
        return x.flatten(1)

    def restored(self, y: Float[Tensor, "b d"], x: Float[Tensor, " b *x"]) -> Float[Tensor, " b *x"]:
        return y.reshape(x.shape)
