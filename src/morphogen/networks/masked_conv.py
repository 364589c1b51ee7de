"""Masked convolutions for autoregressive image models in raster order.

A symbol is one colour of one pixel. An image (C, H, W) is generated row by row, left to right, and within a
pixel colour by colour (R, G, B): symbol i of the sequence is image[i % C, i // C // W, i // C % W]. A
convolution respects this order if its kernel covers earlier symbols only. A single masked k x k kernel has a
blind spot to the right, so the gated PixelCNN uses two stacks (van den Oord et al. 2016b, figure 1):

    VerticalConv     the rows above                     n x k kernel, unmasked, since rows above are complete
    HorizontalConv   the same row up to this pixel      1 x n kernel; its last tap is masked between colours
    MaskedConv       both at once, with a blind spot    upper half of k x k kernel (van den Oord et al. 2016a)

Mask type "A" excludes the symbol itself (first layer, whose input is x); type "B" includes its features
(later layers).

References: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016a (masks A and B,
figure 4); Conditional image generation with PixelCNN decoders, van den Oord et al., 2016b (vertical and
horizontal stack).
"""

__all__ = ["HorizontalConv", "MaskType", "MaskedConv", "VerticalConv"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.decoding_position import DecodingPosition

MaskType = Literal["A", "B"]


class VerticalConv(nn.Conv2d):
    """Convolution of the vertical stack, over the rows above: `[B, in, H, W] -> [B, out, H, W]`.

    Arguments:
        channels_in, channels_out: number of input and output channels.
        kernel: odd width k of the square kernel of which this is the upper half: k // 2 rows (type A), k // 2
            + 1 (type B).
        mask_type: "A" for x as input: rows above only. "B" for features of a `VerticalConv`, which depend on
            rows above only: includes the current row.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, mask_type: MaskType):
        super().__init__(channels_in, channels_out, (kernel // 2 + (mask_type == "B"), kernel))
        self.reach = kernel // 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        padded = F.pad(x, (self.reach, self.reach, self.reach, 0))
        return super().forward(padded)[:, :, : x.shape[2]]  # type A has an extra row, below the image

    def rows(self) -> list[Float[Tensor, "d e"]]:
        """The rows of the kernel, each as a linear layer of a window of the image, [out, taps in]."""
        return list(self.weight.permute(2, 0, 3, 1).flatten(2).unbind())


class HorizontalConv(nn.Conv2d):
    """Convolution of the horizontal stack, over the row up to this symbol: `[B, in, H, W] -> [B, out, H, W]`.

    Channels form `colours` equal groups, R before G before B. At the current pixel, a group receives the
    groups before it (type A), or those and itself (type B); at the pixels to the left, all groups.

    Arguments:
        channels_in, channels_out: number of input and output channels, multiples of `colours`.
        kernel: odd width k of the square kernel: covers k // 2 pixels to the left and this one; 1 is a masked
            1 x 1 convolution.
        mask_type: "A" or "B".
        colours: symbols per pixel.
        bias: whether to add a bias.
    """

    mask: Float[Tensor, "d c 1 k"]

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        mask_type: MaskType,
        colours: int = 1,
        bias: bool = True,
    ):
        super().__init__(channels_in, channels_out, (1, kernel // 2 + 1), bias=bias)
        self.reach = kernel // 2
        mask = _colour_mask(channels_in, channels_out, self.reach + 1, mask_type, colours)
        self.register_buffer("mask", mask, persistent=False)

    @property
    def masked_weight(self) -> Float[Tensor, "d c 1 k"]:
        """The masked weights `[out, in, 1, taps]`."""
        return self.weight * self.mask

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return F.conv2d(F.pad(x, (self.reach, 0)) if self.reach else x, self.masked_weight, self.bias)


class MaskedConv(nn.Conv2d):
    """k x k convolution over the rows above and the row up to this symbol: `[B, in, H, W] -> [B, out, H, W]`.

    Only the upper half of the kernel is stored. Its last row is masked to the right of the pixel, and at the
    pixel between colours as in `HorizontalConv`.

    Arguments:
        channels_in, channels_out: number of input and output channels, multiples of `colours`.
        kernel: odd width k.
        mask_type: "A" or "B".
        colours: symbols per pixel.
    """

    mask: Float[Tensor, "d c r k"]

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, mask_type: MaskType, colours: int = 1
    ):
        super().__init__(channels_in, channels_out, (kernel // 2 + 1, kernel))
        taps = kernel // 2 + 1
        self.pads = (kernel // 2, kernel // 2, kernel // 2)  # above, left, right
        mask = torch.ones_like(self.weight)
        mask[:, :, -1:, :taps] = _colour_mask(channels_in, channels_out, taps, mask_type, colours)
        mask[:, :, -1, taps:] = 0
        self.register_buffer("mask", mask, persistent=False)

    @property
    def masked_weight(self) -> Float[Tensor, "d c r k"]:
        """The masked weights `[out, in, rows, columns]`."""
        return self.weight * self.mask

    def forward(
        self, x: Float[Tensor, "b c h w"], position: DecodingPosition | None = None
    ) -> Float[Tensor, "b d h w"]:
        above, left, right = self.pads
        if position is None:
            padded = F.pad(x, (left, right, above, 0))
        else:
            padded = position.receptive_field(self, x, self.pads)
        return F.conv2d(padded, self.masked_weight, self.bias)


def _colour_mask(channels_in: int, channels_out: int, taps: int, mask_type: MaskType, colours: int) -> Tensor:
    """Mask of the current row, `[out, in, 1, taps]`: 1 for weights of earlier symbols, else 0."""
    source = torch.arange(channels_in) * colours // channels_in
    target = torch.arange(channels_out) * colours // channels_out
    mask = torch.ones(channels_out, channels_in, 1, taps)
    allowed = source < target[:, None] if mask_type == "A" else source <= target[:, None]
    mask[..., -1] = allowed[..., None].float()
    return mask
