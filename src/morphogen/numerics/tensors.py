"""Shape idioms that every family needs: one name each."""

__all__ = ["expand_like", "sum_rows"]

from jaxtyping import Float
from torch import Tensor


def expand_like(t: Tensor, x: Tensor) -> Tensor:
    """View per-row numbers `t [B]` as `[B, 1, ..., 1]`, so that they broadcast against `x [B, ...]`."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def sum_rows(x: Tensor) -> Float[Tensor, " b"]:
    """Sum everything but the batch: `[B, ...] -> [B]`."""
    return x.flatten(1).sum(1) if x.ndim > 1 else x
