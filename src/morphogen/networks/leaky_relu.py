r"""Leaky ReLU of which autograd knows that the second derivative is 0.

    y = max(x, slope x),   dL/dx = m(x) dL/dy,  m(x) = 1 or slope,   d m / dx = 0

"Rectifier nonlinearities improve neural network acoustic models" (Maas, Hannun & Ng 2013). A gradient
penalty differentiates dL/dx again. PyTorch's own leaky ReLU then returns zeros for dm/dx, which pass through
every layer of the forward pass: a third of the operations of the penalty, for nothing.

    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> leaky_relu(x, 0.2).tolist()
    [-0.20000000298023224, 2.0]
    >>> (gradient,) = torch.autograd.grad(leaky_relu(x, 0.2).sum(), x, create_graph=True)
    >>> gradient.tolist(), gradient.requires_grad
    ([0.20000000298023224, 1.0], False)
"""

__all__ = ["LeakyReLU", "leaky_relu"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # below 0, in the critics of adversarial networks


def leaky_relu(x: Float[Tensor, "..."], slope: float = SLOPE) -> Float[Tensor, "..."]:
    """max(x, slope x)."""
    return _LeakyReLU.apply(x, slope)


class LeakyReLU(nn.Module):
    """`leaky_relu` as a layer (Maas et al. 2013)."""

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return leaky_relu(x)


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return F.leaky_relu(x, slope)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        # detached: the slope is constant almost everywhere
        return torch.ops.aten.leaky_relu_backward(gradient, x.detach(), ctx.slope, False), None
