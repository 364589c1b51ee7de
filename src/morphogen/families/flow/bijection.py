r"""What a flow is built of: maps that know their inverse and their volume.

    z = f(x; c),   log|det df/dx|,   x = f^-1(z; c)
    (g o f): z = g(f(x)),  log|det| = log|det df/dx| + log|det dg/df|

Every bijection keeps the shape of x, so that any may follow any and noise has the shape of the data.
Flows of composed maps: Tabak & Vanden-Eijnden 2010; Rezende & Mohamed 2015.
"""

__all__ = ["Bijection", "Chain", "Composite"]

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class Bijection(Component, nn.Module, ABC):
    """An invertible map of x [B, ...] to z of the same shape, in the light of a context."""

    @abstractmethod
    def forward(self, x: Float[Tensor, " b *x"], context: Context | None) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        """z and log|det dz/dx|."""

    @abstractmethod
    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        """The x that `forward` takes to z."""

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        """A data-dependent start, from the first batch as it arrives at this bijection."""


class Composite(Bijection):
    """Bijections one after another, first one first: what an architecture derives from."""

    def __init__(self, steps: Iterable[Bijection]):
        super().__init__()
        self.steps = nn.ModuleList(steps)

    @property
    def bijections(self) -> tuple[Bijection, ...]:
        """The steps, first one first."""
        return tuple(cast(Bijection, step) for step in self.steps)

    def forward(self, x: Float[Tensor, " b *x"], context: Context | None) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        total = x.new_zeros(len(x))
        for step in self.bijections:
            x, log_det = step(x, context)
            total = total + log_det
        return x, total

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        for step in reversed(self.bijections):
            z = step.inverse(z, context)
        return z

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        for step in self.bijections:
            step.prepare(x, context)
            x, _ = step(x, context)


class Chain(Composite):
    """A composition spelled out, f_n o ... o f_1.

    Arguments:
        bijections: f_1, ..., f_n.
    """

    def __init__(self, bijections: tuple[Bijection, ...]):
        super().__init__(bijections)
