r"""Bijections of rearranged entries.

    z = P^-1 f(P x),   log|det dz/dx| = log|det df|(P x)

P is a reshape, a squeeze, a permutation, or the choice of the entries that f changes; the others are copied.
As a permutation of the noise, P^-1 changes neither the distribution nor the density.
"""

__all__ = ["Rearranged"]

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection, Estimate
from morphogen.numerics.randomness import Rng


class Rearranged(Bijection):
    """P^-1 o f o P: the base class of bijections that pass rearranged entries to another one.

    No paper: a change of coordinates.

    Arguments:
        inner: f.
    """

    def __init__(self, inner: Bijection):
        super().__init__()
        self.inner = inner

    @abstractmethod
    def arranged(self, x: Float[Tensor, " b *x"]) -> Float[Tensor, " b *y"]:
        """P x."""

    @abstractmethod
    def restored(self, y: Float[Tensor, " b *y"], x: Float[Tensor, " b *x"]) -> Float[Tensor, " b *x"]:
        """P^-1 y, with those entries of x that P leaves out."""

    def inner_context(self, context: Context | None) -> Context | None:
        """The context of P x."""
        return context

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        y, log_det = self.inner(self.arranged(x), self.inner_context(context))
        return self.restored(y, x), log_det

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        y, log_det, variance = self.inner.estimate(self.arranged(x), self.inner_context(context), rng)
        return Estimate(self.restored(y, x), log_det, variance)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        return self.restored(self.inner.inverse(self.arranged(z), self.inner_context(context)), z)

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.inner.prepare(self.arranged(x), self.inner_context(context))
