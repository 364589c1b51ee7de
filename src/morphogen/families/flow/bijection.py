r"""Bijections: invertible maps with a known inverse and log-determinant, the building blocks of flows.

    z = f(x; c),   log|det df/dx|,   x = f^-1(z; c)
    (g o f): z = g(f(x)),  log|det| = log|det df/dx| + log|det dg/df|

Every bijection preserves the shape of x, so bijections compose in any order and the noise has the shape of
the data.

References: Density estimation by dual ascent of the log-likelihood, Tabak & Vanden-Eijnden, 2010; Variational
inference with normalizing flows, Rezende & Mohamed, 2015.
"""

__all__ = ["Bijection", "Chain", "Composite", "Estimate", "Inverse"]

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.numerics.randomness import Rng


class Estimate(NamedTuple):
    """z, an unbiased estimate of log|det dz/dx|, and its variance (None: it is 0, or not known)."""

    z: Float[Tensor, " b *x"]
    log_det: Float[Tensor, " b"]
    variance: Float[Tensor, " b"] | None = None


class Bijection(Component, nn.Module, ABC):
    """An invertible map from x [B, ...] to z of the same shape, conditioned on a context.

    Attributes:
        approximate: whether z and log|det dz/dx| are numerical solutions, such as those of an ODE.
    """

    approximate: ClassVar[bool] = False

    @cached_property
    def kind(self) -> Literal["exact", "estimate"]:
        """The kind of a likelihood by this bijection: an estimate if it, or a part of it, is approximate."""
        parts = (getattr(part, "approximate", False) for part in self.modules())
        return "estimate" if any(parts) else "exact"

    @abstractmethod
    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        """Return z and log|det dz/dx|."""

    @abstractmethod
    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        """The inverse of `forward`: x such that f(x) = z."""

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        """z and log|det dz/dx| as in training: by random probes where the exact value is too expensive."""
        return Estimate(*self(x, context))

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        """Data-dependent initialization, from the first batch as transformed by the preceding bijections."""


class Composite(Bijection):
    """A sequence of bijections, applied in order: the base class of flow architectures."""

    def __init__(self, steps: Iterable[Bijection]):
        super().__init__()
        self.steps = nn.ModuleList(steps)

    @property
    def bijections(self) -> tuple[Bijection, ...]:
        """The bijections, in the order in which `forward` applies them."""
        return tuple(cast(Bijection, step) for step in self.steps)

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        total = x.new_zeros(len(x))
        for step in self.bijections:
            x, log_det = step(x, context)
            total = total + log_det
        return x, total

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        total, variances = x.new_zeros(len(x)), []
        for i, step in enumerate(self.bijections):
            x, log_det, variance = step.estimate(x, context, rng.fork(i))
            total = total + log_det
            variances += [] if variance is None else [variance]
        return Estimate(x, total, torch.stack(variances).sum(0) if variances else None)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        for step in reversed(self.bijections):
            z = step.inverse(z, context)
        return z

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        for step in self.bijections:
            step.prepare(x, context)
            x, _ = step(x, context)


class Chain(Composite):
    """The composition f_n o ... o f_1 of given bijections.

    Arguments:
        bijections: f_1, ..., f_n.
    """

    def __init__(self, bijections: tuple[Bijection, ...]):
        super().__init__(bijections)


class Inverse(Bijection):
    """f^-1: maps x by the inverse of a bijection, and z by its forward map.

    Its log-determinant is minus that of f at f^-1(x). Data-dependent initialization of f is left out, since
    it would be that of the other direction.

    Arguments:
        bijection: f.
    """

    def __init__(self, bijection: Bijection):
        super().__init__()
        self.bijection = bijection

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        z = self.bijection.inverse(x, context)
        return z, -self.bijection(z, context)[1]

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        z = self.bijection.inverse(x, context)
        _, log_det, variance = self.bijection.estimate(z, context, rng)
        return Estimate(z, -log_det, variance)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        return self.bijection(z, context)[0]
