"""Tensor reshaping shared by all families."""

__all__ = ["expand_like", "mean_except_batch", "raster", "sum_except_batch", "unraster"]

from jaxtyping import Float, Shaped
from torch import Tensor


def expand_like(t: Shaped[Tensor, "#b ..."], x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "#b ..."]:
    """Reshape `t [B]`, one value per row, to `[B, 1, ..., 1]`, so that it broadcasts against `x [B, ...]`."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def sum_except_batch(x: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
    """Sum over all dimensions except the batch: `[B, ...] -> [B]`."""
    return x.flatten(1).sum(1) if x.ndim > 1 else x


def mean_except_batch(x: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
    """Mean over all dimensions except the batch: `[B, ...] -> [B]`."""
    return x.flatten(1).mean(1) if x.ndim > 1 else x


def raster(x: Shaped[Tensor, "b ..."], shape: tuple[int, ...]) -> Shaped[Tensor, "b n ..."]:
    """Flatten `[B, *shape, ...]` to `[B, N, ...]` in raster order; (C, H, W) is flattened as (H, W, C)."""
    return (x.movedim(1, 3) if len(shape) == 3 else x).flatten(1, len(shape))


def unraster(s: Shaped[Tensor, "b n ..."], shape: tuple[int, ...]) -> Shaped[Tensor, "b ..."]:
    """The inverse of `raster`: `[B, N, ...]` to `[B, *shape, ...]`."""
    if len(shape) != 3:
        return s.unflatten(1, shape)
    c, h, w = shape
    return s.unflatten(1, (h, w, c)).movedim(3, 1)
