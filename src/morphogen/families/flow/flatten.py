"""A bijection of vectors as one of pictures."""

__all__ = ["Flatten"]

from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection


class Flatten(Bijection):
    """flatten^-1 o f o flatten, for f on vectors [B, D] and x of any shape. No paper: a reshape.

    Arguments:
        inner: f.
    """

    def __init__(self, inner: Bijection):
        super().__init__()
        self.inner = inner

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        z, log_det = self.inner(x.flatten(1), context)
        return z.reshape(x.shape), log_det

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        return self.inner.inverse(z.flatten(1), context).reshape(z.shape)

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.inner.prepare(x.flatten(1), context)
