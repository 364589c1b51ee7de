"""Penalties that make a critic approximately 1-Lipschitz, as the Wasserstein distance's dual form requires.

W(p, q) = sup over |D(x) - D(y)| <= |x - y| of  E_p D - E_q D                  (Kantorovich & Rubinstein 1958)
"""

__all__ = ["GradientPenalty", "Penalty"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_except_batch


class Penalty(Component, ABC):
    """A regularisation term of the critic's loss, one value per row."""

    @abstractmethod
    def __call__(
        self,
        critic: nn.Module,
        real: Float[Tensor, " b *x"],
        fake: Float[Tensor, " b *x"],
        context: Context | None,
        rng: Rng,
    ) -> Float[Tensor, " b"]:
        """The penalty of each row, differentiable in the critic's parameters."""


class GradientPenalty(Penalty):
    r"""Gradient penalty: lambda (||grad D(x_hat)|| - 1)^2,  x_hat = x + alpha (G(z) - x),  alpha ~ U(0, 1).

    "Improved training of Wasserstein GANs" (Gulrajani et al. 2017, Algorithm 1). The gradient of the optimal
    critic has norm 1 on the lines between coupled real and generated samples. The critic must treat rows
    independently (no batch normalisation).

    Arguments:
        weight: lambda, 10 in the paper.
    """

    def __init__(self, weight: float = 10.0):
        self.weight = weight

    def __call__(
        self,
        critic: nn.Module,
        real: Float[Tensor, " b *x"],
        fake: Float[Tensor, " b *x"],
        context: Context | None,
        rng: Rng,
    ) -> Float[Tensor, " b"]:
        alpha = expand_like(rng.uniform(), real)
        x_hat = (real + alpha * (fake - real)).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x_hat, context).sum(), x_hat, create_graph=True)
        norm = (
            sum_except_batch(gradient.square()) + 1e-12
        ).sqrt()  # the derivative of the square root is infinite at 0
        return self.weight * (norm - 1).square()
