r"""Gradient penalties of the critic, evaluated in fp32, one value per row.

    GradientPenalty   lambda (||grad D(x_hat)|| - 1)^2     x_hat = x + alpha (G(z) - x), alpha ~ U(0, 1)
    R1                gamma / 2 ||grad D(x)||^2            at data x

The first makes a critic approximately 1-Lipschitz, as the dual form of the Wasserstein distance requires:

    W(p, q) = sup over |D(x) - D(y)| <= |x - y| of  E_p D - E_q D              (Kantorovich & Rubinstein 1958)

The second makes the game of `NonSaturating` converge locally. Both need a gradient of a gradient, which is
computed in fp32 within a forward pass in bf16: the squares of small gradients would be lost.
"""

__all__ = ["R1", "GradientPenalty", "Penalty"]

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_except_batch
from morphogen.ownership import coupled_parts


class Penalty(Component, ABC):
    """A function of the squared norm of the critic's gradient, for one row in `every`, times `every`.

    The same expectation for a fraction of the time. StyleGAN2 evaluates whole batches, in every 16th step
    (Karras et al. 2020, section 3.1, "lazy regularization"), which a step's loss must not depend on here.

    Attributes:
        by_row: the penalty is of each row's own score: no part of the critic may couple the rows. Otherwise
            only batch normalization is refused.
        every: rows per evaluated row.
    """

    by_row: ClassVar[bool] = True
    every: int

    def __call__(
        self, critic: nn.Module, real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."],
        context: Context | None, rng: Rng,
    ) -> Float[Tensor, " b"]:  # fmt: skip
        """The penalty of each row, differentiable in the critic's parameters."""
        rows, penalty = (rng.rows % self.every == 0).nonzero()[:, 0], real.new_zeros(len(real))
        if not len(rows):
            return penalty
        at = self.points(real[rows], fake[rows], rng[rows])
        squares = _squared_gradient(critic, at, None if context is None else context[rows])
        return penalty.to(squares.dtype).index_copy(0, rows, self.every * self.of(squares))

    @abstractmethod
    def points(
        self, real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."], rng: Rng
    ) -> Float[Tensor, "b ..."]:
        """Where the gradient is evaluated."""

    @abstractmethod
    def of(self, squares: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The penalty of squared norms."""

    def check(self, critic: nn.Module) -> None:
        """Check that the score of a row is a function of that row, and `every`. Errors: ConfigError."""
        if self.every < 1:
            raise ConfigError(f"{type(self).__name__}: every={self.every}: give a number of rows, 1 or more")
        parts = [p for p in coupled_parts(critic) if self.by_row or not getattr(p, "coupled_rows", False)]
        if parts:
            names = ", ".join(sorted({type(part).__name__ for part in parts}))
            raise ConfigError(
                f"{type(self).__name__} differentiates the score of a row, but {names} in the critic makes "
                "it depend on the other rows: use a critic with another normalization, or no penalty"
            )


class GradientPenalty(Penalty):
    r"""Gradient penalty: lambda (||grad D(x_hat)|| - 1)^2,  x_hat = x + alpha (G(z) - x),  alpha ~ U(0, 1).

    "Improved training of Wasserstein GANs" (Gulrajani et al. 2017, Algorithm 1). The gradient of the optimal
    critic has norm 1 on the lines between coupled real and generated samples.

    Arguments:
        weight: lambda, 10 in the paper.
        every: one row in so many has the penalty, times this number.

    Errors: ConfigError for a number of rows below 1.
    """

    def __init__(self, weight: float = 10.0, every: int = 1):
        self.weight, self.every = weight, every

    def points(
        self, real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."], rng: Rng
    ) -> Float[Tensor, "b ..."]:
        return real + expand_like(rng.uniform(), real) * (fake - real)

    def of(self, squares: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        norm = (squares + 1e-12).sqrt()  # the derivative of the square root is infinite at 0
        return self.weight * (norm - 1).square()


class R1(Penalty):
    r"""R1: gamma / 2 ||grad D(x)||^2 at data x.

    "Which training methods for GANs do actually converge?" (Mescheder, Geiger & Nowozin 2018, eq. 9). Near
    the equilibrium the critic is flat at the data, and this penalty damps the oscillation around it. With a
    part that couples rows, such as the minibatch standard deviation, the gradient is that of the sum of the
    scores, as in StyleGAN2.

    Arguments:
        weight: gamma, 10 in the paper; it scales with the number of subpixels.
        every: one row in so many has the penalty, times this number.

    Errors: ConfigError for a number of rows below 1.
    """

    by_row = False

    def __init__(self, weight: float = 10.0, every: int = 1):
        self.weight, self.every = weight, every

    def points(
        self, real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."], rng: Rng
    ) -> Float[Tensor, "b ..."]:
        return real

    def of(self, squares: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return 0.5 * self.weight * squares


def _squared_gradient(
    critic: nn.Module, x: Float[Tensor, "b ..."], context: Context | None
) -> Float[Tensor, " b"]:
    """||grad_x sum D(x)||^2 of each row, in fp32 or wider."""
    wide = x if x.dtype == torch.float64 else x.float()
    at = wide.detach().requires_grad_(True)
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        scores = critic(at, context)  # [B], or of patches, which are averaged
        (gradient,) = torch.autograd.grad(scores.sum() / scores[0].numel(), at, create_graph=True)
        return sum_except_batch(gradient.square())
