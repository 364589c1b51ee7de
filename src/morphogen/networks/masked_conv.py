"""Raster order, and convolutions that never look ahead in it.

A picture (C, H, W) is read row by row, left to right, and within a pixel colour by colour (R, G, B): symbol i of the
sequence is picture[i % C, i // C // W, i // C % W]. A convolution keeps this order if its kernel sees the past only. One
masked k x k kernel has a blind spot to the right, so the past is split in two (van den Oord et al. 2016b, figure 1):

    AboveConv   the rows above                               an n x k kernel, unmasked: the whole row above is known
    LeftConv    the same row, up to and with this pixel       a 1 x n kernel whose last tap is masked between colours
    MaskedConv  both in one, with the blind spot              the upper half of a k x k kernel (van den Oord et al. 2016a)

Kind "A" leaves the symbol itself out (the first layer, which reads x), kind "B" lets its own feature in (all others).

References: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (masks A and B, figure 4);
Conditional image generation with PixelCNN decoders, van den Oord et al., 2016b (the two stacks).
"""

__all__ = ["AboveConv", "Kind", "LeftConv", "MaskedConv"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.planes import Cursor

Kind = Literal["A", "B"]


class AboveConv(nn.Conv2d):
    """The rows above (A), or they and this row of features that saw only rows above (B): `[B, in, H, W] -> [B, out, H, W]`.

    Arguments:
        channels_in, channels_out: of the feature maps.
        kernel: odd width k of the square kernel whose upper half this is: k // 2 rows (A), k // 2 + 1 rows (B).
        kind: A reads x itself, B reads features of an `AboveConv`.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, kind: Kind):
        super().__init__(channels_in, channels_out, (kernel // 2 + (kind == "B"), kernel))
        self.reach = kernel // 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        padded = F.pad(x, (self.reach, self.reach, self.reach, 0))
        return super().forward(padded)[:, :, : x.shape[2]]  # kind A has one row more: that below the picture


class LeftConv(nn.Conv2d):
    """This row up to this symbol: `[B, in, H, W] -> [B, out, H, W]`.

    Channels stand in `colours` equal groups, R before G before B. At the pixel itself a group sees the groups before it (A),
    or also itself (B); of the pixels to the left it sees all groups.

    Arguments:
        channels_in, channels_out: of the feature maps, multiples of `colours`.
        kernel: odd width k of the square kernel: k // 2 pixels to the left, and this one; 1 is a convolution colour to colour.
        kind: A or B.
        colours: symbols of one pixel.
        bias: whether there is one.
    """

    order: Float[Tensor, "d c 1 k"]

    def __init__(self, channels_in: int, channels_out: int, kernel: int, kind: Kind, colours: int = 1, bias: bool = True):
        super().__init__(channels_in, channels_out, (1, kernel // 2 + 1), bias=bias)
        self.reach = kernel // 2
        self.register_buffer("order", _order(channels_in, channels_out, self.reach + 1, kind, colours), persistent=False)

    @property
    def kernel(self) -> Float[Tensor, "d c 1 k"]:
        """The masked weights `[out, in, 1, taps]`."""
        return self.weight * self.order

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return F.conv2d(F.pad(x, (self.reach, 0)) if self.reach else x, self.kernel, self.bias)


class MaskedConv(nn.Conv2d):
    """A k x k kernel that sees rows above and this row up to this symbol: `[B, in, H, W] -> [B, out, H, W]`.

    Only the upper half of the kernel exists; its last row is masked behind the pixel, and at the pixel between colours as in `LeftConv`.

    Arguments:
        channels_in, channels_out: of the feature maps, multiples of `colours`.
        kernel: odd width k.
        kind: A or B.
        colours: symbols of one pixel.
    """

    order: Float[Tensor, "d c r k"]

    def __init__(self, channels_in: int, channels_out: int, kernel: int, kind: Kind, colours: int = 1):
        super().__init__(channels_in, channels_out, (kernel // 2 + 1, kernel))
        self.pads = (kernel // 2, kernel // 2, kernel // 2)  # above, left, right
        order = torch.ones_like(self.weight)
        order[:, :, -1:, : kernel // 2 + 1] = _order(channels_in, channels_out, kernel // 2 + 1, kind, colours)
        order[:, :, -1, kernel // 2 + 1 :] = 0
        self.register_buffer("order", order, persistent=False)

    @property
    def kernel(self) -> Float[Tensor, "d c r k"]:
        """The masked weights."""
        return self.weight * self.order

    def forward(self, x: Float[Tensor, "b c h w"], at: Cursor | None = None) -> Float[Tensor, "b d h w"]:
        above, left, right = self.pads
        framed = F.pad(x, (left, right, above, 0)) if at is None else at.window(self, x, self.pads)
        return F.conv2d(framed, self.kernel, self.bias)


def _order(channels_in: int, channels_out: int, taps: int, kind: Kind, colours: int) -> Tensor:
    """1 where a weight looks back, 0 where it would look ahead: `[out, in, 1, taps]`."""
    source = torch.arange(channels_in) * colours // channels_in
    target = torch.arange(channels_out) * colours // channels_out
    order = torch.ones(channels_out, channels_in, 1, taps)
    here = source < target[:, None] if kind == "A" else source <= target[:, None]
    order[..., -1] = here[..., None].float()
    return order
