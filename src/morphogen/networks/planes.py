r"""Planes: what the layers of a picture's network have read so far, so that a pixel costs a pixel and not a picture.

A causal layer at place (y, x) reads what it was given at places before it, and here. If each layer keeps what it was given in a
plane, padded as its kernel needs, the network can be run at one place alone, or along one row: the same code, the same weights,
on a patch [B, C, 1, 1] or [B, C, 1, W] instead of the whole picture [B, C, H, W]. A `Cursor` says which patch it is.

    whole picture     conv(pad(x))                            cursor None
    one patch         conv(window(plane, y, x))               plane[y, x] = patch first

What lies ahead of the cursor in a plane is old or zero; only zeros of a mask meet it.

No paper: the idea is that of `KeyValues` in `attention.py`, on a grid.
"""

__all__ = ["Cursor"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class Cursor:
    """Where the layers of a network stand in their pictures, and their planes.

    Arguments:
        size: (height, width) of the pictures.
        y: the row.
        x: the column; None: the row as a whole.
        planes: what each layer has read, [B, C, above + H, left + W + right], shared by the cursors of one memory; made when asked for.
    """

    def __init__(self, size: tuple[int, int], y: int, x: int | None, planes: dict[Any, Tensor]):
        self.size, self.y, self.x, self.planes = size, y, x, planes

    @property
    def even(self) -> bool:
        """Whether a network of half the resolution has something to do here."""
        return self.y % 2 == 0 and (self.x is None or self.x % 2 == 0)

    def halved(self) -> "Cursor":
        """The same place at half the resolution."""
        height, width = self.size
        return Cursor((-(-height // 2), -(-width // 2)), self.y // 2, None if self.x is None else self.x // 2, self.planes)

    def plane(self, owner: Any, like: Float[Tensor, "b ..."], channels: int, pads: tuple[int, int, int]) -> Float[Tensor, "b c h w"]:
        """The owner's plane, `pads` (above, left, right) wider than the picture; zeros at first."""
        if owner not in self.planes:
            (above, left, right), (height, width) = pads, self.size
            self.planes[owner] = like.new_zeros(len(like), channels, above + height, left + width + right)
        return self.planes[owner]

    def window(self, owner: Any, patch: Float[Tensor, "b c 1 w"], pads: tuple[int, int, int]) -> Float[Tensor, "b c k v"]:
        """Keep the patch, and what a kernel meets that reaches `pads` (above, left, right) beyond it."""
        above, left, right = pads
        plane = self.planes[owner] if owner in self.planes else self.plane(owner, patch, patch.shape[1], pads)
        x, width = (0, self.size[1]) if self.x is None else (self.x, 1)
        plane[:, :, above + self.y, left + x : left + x + width] = patch[:, :, 0]
        return plane[:, :, self.y : self.y + above + 1, x : x + left + width + right]

    def keep(self, owner: Any, patch: Float[Tensor, "b c 1 w"]) -> None:
        """Keep the patch, which is read again at other places."""
        self.window(owner, patch, (0, 0, 0))

    def kept(self, owner: Any) -> Float[Tensor, "b c 1 w"]:
        """What was kept of this place."""
        x = slice(None) if self.x is None else slice(self.x, self.x + 1)
        return torch.narrow(self.planes[owner], 2, self.y, 1)[..., x]
