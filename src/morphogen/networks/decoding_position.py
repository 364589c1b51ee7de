r"""Feature buffers for cached evaluation of causal image networks, one pixel or one row at a time.

A causal layer at (y, x) depends on its inputs at earlier positions and at (y, x). If every layer stores its
inputs in a buffer, padded as its kernel requires, the network can be evaluated at a single pixel, or along a
single row: with the same code and weights, on a patch [B, C, 1, 1] or [B, C, 1, W] instead of the whole image
[B, C, H, W]. A `DecodingPosition` says where the patch is.

    whole image     conv(pad(x))                            position None
    one patch       conv(receptive_field(patch))            after buffer[y, x] = patch

Entries of a buffer after the current position are zero or out of date; they are multiplied by zeros of the
mask only.

No paper: this is the cache of keys and values of `attention.py`, applied to convolutions on a grid.
"""

__all__ = ["DecodingPosition"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class DecodingPosition:
    """The pixel or row at which a network is evaluated, with the input buffers of its layers.

    Arguments:
        size: (height, width) of the image.
        y: row index.
        x: column index; None: the whole row.
        buffers: inputs of each layer, [B, C, above + H, left + W + right]; shared by all positions of one
            decoding cache, and filled on first use.
    """

    def __init__(self, size: tuple[int, int], y: int, x: int | None, buffers: dict[Any, Tensor]):
        self.size, self.y, self.x, self.buffers = size, y, x, buffers

    @property
    def on_coarse_grid(self) -> bool:
        """Whether the position is on the grid of half the resolution: y is even, and x if given."""
        return self.y % 2 == 0 and (self.x is None or self.x % 2 == 0)

    def coarser(self) -> "DecodingPosition":
        """The corresponding position at half the resolution."""
        height, width = self.size
        size = -(-height // 2), -(-width // 2)
        return DecodingPosition(size, self.y // 2, None if self.x is None else self.x // 2, self.buffers)

    def buffer(
        self, owner: Any, like: Float[Tensor, "b ..."], channels: int, pads: tuple[int, int, int]
    ) -> Float[Tensor, "b c h w"]:
        """The buffer of `owner`, padded by `pads` (above, left, right); initially zero."""
        if owner not in self.buffers:
            (above, left, right), (height, width) = pads, self.size
            self.buffers[owner] = like.new_zeros(len(like), channels, above + height, left + width + right)
        return self.buffers[owner]

    def receptive_field(
        self, owner: Any, patch: Float[Tensor, "b c 1 w"], pads: tuple[int, int, int]
    ) -> Float[Tensor, "b c k v"]:
        """Store the patch in the owner's buffer; returns the window that extends it by `pads`."""
        above, left, right = pads
        known = owner in self.buffers
        buffer = self.buffers[owner] if known else self.buffer(owner, patch, patch.shape[1], pads)
        x, width = (0, self.size[1]) if self.x is None else (self.x, 1)
        buffer[:, :, above + self.y, left + x : left + x + width] = patch[:, :, 0]
        return buffer[:, :, self.y : self.y + above + 1, x : x + left + width + right]

    def store(self, owner: Any, patch: Float[Tensor, "b c 1 w"]) -> None:
        """Store the patch, without padding, for `stored`."""
        self.receptive_field(owner, patch, (0, 0, 0))

    def stored(self, owner: Any) -> Float[Tensor, "b c 1 w"]:
        """The patch that was stored at this position."""
        x = slice(None) if self.x is None else slice(self.x, self.x + 1)
        return torch.narrow(self.buffers[owner], 2, self.y, 1)[..., x]
