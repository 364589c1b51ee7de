r"""GELU as GPT-2 has it, written with a sigmoid: to a CPU that costs a third of a tanh, and in a small model it is 5 % of a step.

    gelu(x) = x (1 + tanh u) / 2 = x sigmoid(2 u),   u = sqrt(2 / pi) (x + 0.044715 x^3)

    gelu'(x) = s (1 + x (1 - s) d(2u)/dx),           s = sigmoid(2 u)

Reference: Gaussian error linear units (GELUs), Hendrycks & Gimpel, 2016.
"""

__all__ = ["GELU"]

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_SCALE, _CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715


class GELU(nn.Module):
    """The tanh form, equal to torch's but for rounding; torch's own where that is fast (a GPU), or works in fp32 inside (bf16)."""

    def forward(self, x: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
        if x.device.type != "cpu" or x.dtype is not torch.float32:
            return F.gelu(x, approximate="tanh")
        return _Logistic.apply(x)[0]


class _Logistic(torch.autograd.Function):
    """x -> (x s, s); the second is for the gradient only."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s = _sigmoid(x)
        return x * s, s

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # zeros for s would cost as much as the rest
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: None) -> Tensor:
        x, s = ctx.saved_tensors
        slope = torch.addcmul(x.new_tensor(_SCALE), x, x, value=3 * _SCALE * _CUBIC).mul_(x)
        if torch.is_grad_enabled():  # a gradient of the gradient is wanted: s must be seen to depend on x
            s = _sigmoid(x)
            return g * s * (1 + slope * (1 - s))
        return slope.addcmul_(slope, s, value=-1).add_(1).mul_(s).mul_(g)  # in place: new memory is dearer than arithmetic


def _sigmoid(x: Tensor) -> Tensor:
    """sigmoid(2 u)."""
    return torch.addcmul(x.new_tensor(_SCALE), x, x, value=_SCALE * _CUBIC).mul_(x).sigmoid_()
