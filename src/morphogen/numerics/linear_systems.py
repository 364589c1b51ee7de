"""Systems of linear equations whose matrix is known by its products with vectors only."""

__all__ = ["conjugate_gradients"]

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], b: Float[Tensor, "b m"], iterations: int
) -> Float[Tensor, "b m"]:
    """Solve M_i x_i = b_i in each row, from x = 0, for symmetric positive definite M_i.

    Methods of conjugate gradients for solving linear systems, Hestenes & Stiefel, 1952. A row stops at its
    solution, and where its matrix is not positive along the next direction, as that of a learned covariance
    may not be: every row is solved as if it were alone.

    Arguments:
        product: v [B, m] -> M_i v_i [B, m], row by row.
        b: right-hand sides.
        iterations: of which m are exact, up to rounding.
    """
    x, residual = torch.zeros_like(b), b
    direction, square = b, _dot(b, b)
    enough = torch.finfo(b.dtype).eps ** 2 * square
    active = square > 0
    for _ in range(iterations):
        image = product(direction)
        curvature = _dot(direction, image)
        active = active & (curvature > 0) & (square > enough)
        step = torch.where(active, square / curvature, 0.0)
        x, residual = x + step * direction, residual - step * image
        before, square = square, _dot(residual, residual)
        direction = residual + torch.where(active, square / before, 0.0) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each row, [B, 1]."""
    return (a * b).sum(1, keepdim=True)
