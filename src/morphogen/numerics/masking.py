"""Reductions over the existing elements of sets and sequences of different sizes.

    x [B, N, ...],  mask [B, N]: True at the elements that exist; the others are padding

Without a mask these are the plain reductions, bit for bit.
"""

__all__ = ["existing_values", "mark_missing", "masked_mean", "masked_sum"]

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from morphogen.numerics.tensors import expand_like, sum_except_batch
from morphogen.numerics.trees import Tree


def masked_sum(x: Float[Tensor, "b ..."], mask: Bool[Tensor, "b ..."] | None) -> Float[Tensor, " b"]:
    """Sum of x over the existing elements of each row."""
    return sum_except_batch(x if mask is None else torch.where(expand_like(mask, x), x, 0.0))


def masked_mean(x: Float[Tensor, "b ..."], mask: Bool[Tensor, "b ..."] | None) -> Float[Tensor, " b"]:
    """Mean of x over the existing elements of each row and their features; 0 for a row without elements."""
    if mask is None:
        return x.flatten(1).mean(1)
    return masked_sum(x, mask) / torch.as_tensor(existing_values(x, mask)).clamp_min(1)


def existing_values(
    x: Shaped[Tensor, "b ..."], mask: Bool[Tensor, "b ..."] | None
) -> int | Int[Tensor, " b"]:
    """Number of values of each row of x that exist."""
    if mask is None:
        return x[0].numel()
    return x[0].numel() // mask[0].numel() * mask.flatten(1).sum(1)


def mark_missing(x: Tree, mask: Bool[Tensor, "b n"] | None) -> Tree:
    """x with NaN (real numbers) or -1 (ids) in place of missing elements, as media mark them."""
    if mask is None:
        return x
    return torch.where(expand_like(mask, x), x, torch.nan if x.is_floating_point() else -1)
