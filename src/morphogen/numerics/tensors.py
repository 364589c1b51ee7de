"""Shape idioms that every family needs: one name each."""

__all__ = ["expand_like", "raster", "sum_rows", "unraster"]

from jaxtyping import Float, Shaped
from torch import Tensor


def expand_like(t: Shaped[Tensor, "#b ..."], x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "#b ..."]:
    """View per-row numbers `t [B]` as `[B, 1, ..., 1]`, so that they broadcast against `x [B, ...]`."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def sum_rows(x: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
    """Sum everything but the batch: `[B, ...] -> [B]`."""
    return x.flatten(1).sum(1) if x.ndim > 1 else x


def raster(x: Shaped[Tensor, "b ..."], shape: tuple[int, ...]) -> Shaped[Tensor, "b n ..."]:
    """`[B, *shape, ...]` to the sequence `[B, N, ...]` in the order of generation; three axes are a picture (C, H, W)."""
    return (x.movedim(1, 3) if len(shape) == 3 else x).flatten(1, len(shape))


def unraster(s: Shaped[Tensor, "b n ..."], shape: tuple[int, ...]) -> Shaped[Tensor, "b ..."]:
    """The inverse of `raster`: `[B, N, ...]` to `[B, *shape, ...]`."""
    if len(shape) != 3:
        return s.unflatten(1, shape)
    c, h, w = shape
    return s.unflatten(1, (h, w, c)).movedim(3, 1)
