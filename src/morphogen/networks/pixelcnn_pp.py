r"""PixelCNN++: two streams of gated residual layers at several resolutions, with one output vector per pixel.

    u    vertical stream: rows above                 kernels K of 2 x 3
    l    horizontal stream: all earlier pixels       kernels K of 2 x 2

    u' = u + a s(b),   (a, b) = K_2 * e(K_1 * e(u) + N e(skip)) + V c
    l' = l + a s(b),   (a, b) = K_2 * e(K_1 * e(l) + N e([u, skip])) + V c
    e(x) = elu([x, -x]),   N a 1 x 1 convolution

The input is shifted once, down by a row for u and right by a pixel for l; after that, kernels may include
their own position. Each stream is a U-Net: strided convolutions on the down path, transposed convolutions on
the up path, and skip connections between them at each resolution. A pixel is input and predicted as a whole;
the dependence between its colours is part of the output distribution (`LogisticMixture`).

`PixelCNNPPCache` evaluates u once per row and l once per pixel, and lower resolutions only at pixels of their
grid. Weight normalisation and its data-dependent initialization are omitted.

Reference: PixelCNN++: Improving the PixelCNN with discretized logistic mixture likelihood and other
modifications, Salimans, Karpathy, Chen & Kingma, 2017 (sections 2.2-2.5, figure 2); sizes as in the authors'
code.
"""

__all__ = ["PixelCNNPP", "PixelCNNPPCache"]

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.decoding_position import DecodingPosition


class PixelCNNPP(Component, nn.Module):
    """Distribution parameters [B, outputs, H, W] of each pixel given earlier pixels (Salimans et al. 2017).

    Arguments:
        shape: (channels, height, width).
        levels: number of values of one subpixel.
        outputs: distribution parameters per pixel.
        width: number of features of each stream (160 in the authors' code).
        resnets: layers per resolution on the down path (5); the up path has one more at every resolution but
            the lowest.
        scales: number of resolutions, each half of the previous (3).
        dropout: in each layer (0.5).
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if there are no layers or no resolution.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        levels: int,
        outputs: int,
        width: int = 160,
        resnets: int = 5,
        scales: int = 3,
        dropout: float = 0.5,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.levels, self.outputs, self.width = tuple(shape), levels, outputs, width
        self.resnets, self.scales, self.dropout, self.vector = resnets, scales, dropout, vector
        if resnets < 1 or scales < 1:
            raise ConfigError(f"PixelCNNPP({resnets=}, {scales=}): both must be at least 1")
        channels = shape[0] + 1  # the colours, and a channel of ones inside the image
        self.vertical_stem = _CausalConv2d(channels, width, (2, 3), right=1)
        self.horizontal_stem = nn.ModuleList(
            [_CausalConv2d(channels, width, (1, 3), right=1), _CausalConv2d(channels, width, (2, 1))]
        )
        self.vertical = _Stream(width, (2, 3), resnets, scales, False, dropout, vector)
        self.horizontal = _Stream(width, (2, 2), resnets, scales, True, dropout, vector)
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b p h w"]:
        inputs, vector = self.inputs(x), None if context is None else context.vector
        shifted_down = F.pad(inputs, (0, 0, 1, 0))[:, :, :-1]
        vertical = self.vertical_features(shifted_down, vector)
        return self.distribution_parameters(F.pad(inputs, (1, 0))[..., :-1], vertical, vector)

    def inputs(self, x: Int[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Subpixels scaled to [-1, 1], and a channel of ones that marks the image in the padding."""
        values = x.to(self.head.weight.dtype) * (2 / max(1, self.levels - 1)) - 1
        return torch.cat([values, torch.ones_like(values[:, :1])], 1)

    def vertical_features(
        self,
        shifted_down: Float[Tensor, "b c h w"],
        vector: Float[Tensor, "b e"] | None,
        position: DecodingPosition | None = None,
    ) -> "_StreamFeatures":
        """Features of the vertical stream after each layer, from the inputs shifted down by a row."""
        _, features = self.vertical(self.vertical_stem(shifted_down, position), None, vector, position)
        stem = self.horizontal_stem[0](shifted_down, position)
        return _StreamFeatures([stem, *features.layers], features.coarser)

    def distribution_parameters(
        self,
        shifted_right: Float[Tensor, "b c h w"],
        vertical: "_StreamFeatures",
        vector: Float[Tensor, "b e"] | None,
        position: DecodingPosition | None = None,
    ) -> Float[Tensor, "b p h w"]:
        """The output of the horizontal stream, from the inputs shifted right by a pixel."""
        stem, *layers = vertical.layers
        x = stem + self.horizontal_stem[1](shifted_right, position)
        x, _ = self.horizontal(x, _StreamFeatures(layers, vertical.coarser), vector, position)
        return self.head(F.elu(x))

    def make_cache(self, rows: int, context: Context | None) -> "PixelCNNPPCache":
        """An empty cache for `rows` images."""
        return PixelCNNPPCache(self, rows, None if context is None else context.vector)


class _CausalConv2d(nn.Conv2d):
    """Convolution with a kernel that ends at the current row, and `right` columns after the current one."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: tuple[int, int], right: int = 0, stride: int = 1
    ):
        super().__init__(channels_in, channels_out, kernel, stride)
        self.pads = (kernel[0] - 1, kernel[1] - 1 - right, right)  # above, left, right

    def forward(self, x: Tensor, position: DecodingPosition | None) -> Tensor:  # type: ignore[override]
        above, left, right = self.pads
        if position is None:
            return super().forward(F.pad(x, (left, right, above, 0)))
        return super().forward(position.receptive_field(self, x, self.pads))


@dataclass(frozen=True)
class _StreamFeatures:
    """Features of one stream after each layer at one resolution, and those of the lower resolutions."""

    layers: list[Tensor]
    coarser: "_StreamFeatures | None"

    def column(self, x: int) -> "_StreamFeatures":
        """The features at column x of a row."""
        coarser = None if self.coarser is None else self.coarser.column(x // 2)
        return _StreamFeatures([t[..., x : x + 1] for t in self.layers], coarser)


class _GatedResNet(nn.Module):
    """One gated residual layer, x + a s(b); `skip` is the number of features of its additional inputs."""

    def __init__(self, width: int, kernel: tuple[int, int], skip: int, dropout: float, vector: int):
        super().__init__()
        right = kernel[1] - 2  # a kernel of 3 columns includes one to the right, a kernel of 2 none
        self.conv1 = _CausalConv2d(2 * width, width, kernel, right)
        self.skip = nn.Conv2d(2 * skip, width, 1) if skip else None
        self.conv2 = _CausalConv2d(2 * width, 2 * width, kernel, right)
        self.condition = nn.Linear(vector, 2 * width, bias=False) if vector else None
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)  # initialize the layer close to the identity

    def forward(
        self, x: Tensor, skips: list[Tensor], vector: Tensor | None, position: DecodingPosition | None
    ) -> Tensor:
        h = self.conv1(_concat_elu(x), position)
        if self.skip is not None:
            h = h + self.skip(_concat_elu(torch.cat(skips, 1)))
        h = self.conv2(self.dropout(_concat_elu(h)), position)
        if self.condition is not None and vector is not None:
            h = h + self.condition(vector)[..., None, None]
        a, b = h.chunk(2, 1)
        return x + a * b.sigmoid()


class _Stream(nn.Module):
    """One stream from one resolution down: down path, lower resolutions (recursively), up path.

    A `conditioned` stream receives the features of the other stream at every layer.
    """

    def __init__(
        self,
        width: int,
        kernel: tuple[int, int],
        resnets: int,
        scales: int,
        conditioned: bool,
        dropout: float,
        vector: int,
    ):
        super().__init__()
        self.down = nn.ModuleList(
            _GatedResNet(width, kernel, width * conditioned, dropout, vector) for _ in range(resnets)
        )
        self.up = nn.ModuleList(
            _GatedResNet(width, kernel, width * (1 + conditioned), dropout, vector)
            for _ in range(resnets + (scales > 1))
        )
        self.coarser: _Stream | None = None
        if scales > 1:
            self.downsample = _CausalConv2d(width, width, kernel, right=kernel[1] - 2, stride=2)
            self.coarser = _Stream(width, kernel, resnets, scales - 1, conditioned, dropout, vector)
            self.upsample = _TransposedConv(width, kernel[1])

    def forward(
        self,
        x: Tensor,
        other: _StreamFeatures | None,
        vector: Tensor | None,
        position: DecodingPosition | None,
    ) -> tuple[Tensor, _StreamFeatures]:
        """The output at this resolution and the features after each layer; `other`: of the other stream."""
        skips, features, coarser = [x], [], None
        if other is None:
            inputs: list[list[Tensor]] = [[] for _ in range(len(self.down) + len(self.up))]
        else:
            inputs = [[layer] for layer in other.layers]
        for layer, given in zip(self.down, inputs, strict=False):
            skips.append(layer(skips[-1], given, vector, position))
            features.append(skips[-1])
        if self.coarser is None:
            x = skips.pop()
        else:
            downsampled = self.downsample(skips[-1], position)
            if (
                position is None or position.on_coarse_grid
            ):  # otherwise the lower resolution is already computed
                below = None if other is None else other.coarser
                x, coarser = self.coarser(downsampled, below, vector, position and position.coarser())
            x = self.upsample(x, skips[-1].shape[2:], position)
        for layer, given in zip(self.up, inputs[len(self.down) :], strict=True):
            x = layer(x, [*given, skips.pop()], vector, position)
            features.append(x)
        return x, _StreamFeatures(features, coarser)


class _TransposedConv(nn.ConvTranspose2d):
    """Transposed convolution of stride 2: each pixel becomes 2 x 2; the columns of a kernel of 3 overlap."""

    def __init__(self, width: int, columns: int):
        super().__init__(width, width, (2, columns), stride=2)

    def forward(  # type: ignore[override]
        self, x: Tensor, size: tuple[int, ...], position: DecodingPosition | None
    ) -> Tensor:
        left = (self.kernel_size[1] - 1) // 2
        if position is None:
            return super().forward(x)[:, :, : size[0], left : left + size[1]]
        if position.on_coarse_grid:
            position.coarser().store(self, x)
        kernel, stored = self.weight[:, :, position.y % 2, None], position.coarser().stored(self)
        if position.x is not None:
            return F.conv_transpose2d(stored, kernel[..., position.x % 2, None], self.bias)
        return F.conv_transpose2d(stored, kernel, self.bias, stride=(1, 2))[..., left : left + size[1]]


class PixelCNNPPCache:
    """Decoding cache of a PixelCNN++: stores the past inputs of its layers, one pixel per step.

    Arguments:
        network: the network.
        rows: number of images in the batch.
        vector: `context.vector` [B, D]; None: unconditional.
    """

    def __init__(self, network: PixelCNNPP, rows: int, vector: Float[Tensor, "b d"] | None):
        self.network, self.vector, self.index = network, vector, 0
        channels, height, width = network.shape
        self.size = height, width
        self.buffers: dict[Any, Tensor] = {}
        # the inputs so far, padded by a row above and a column to the left
        self.inputs = network.head.weight.new_zeros(rows, channels + 1, height + 1, width + 1)
        self.vertical = _StreamFeatures([], None)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, "b c"] | None) -> Float[Tensor, "b p"]:
        """Append the previous pixel (None: at the first step); returns the parameters of the next."""
        network, (y, x) = self.network, divmod(self.index, self.size[1])
        if previous is not None:
            row, column = divmod(self.index - 1, self.size[1])
            pixel = network.inputs(previous[..., None, None])[..., 0, 0]
            self.inputs[:, :, row + 1, column + 1] = pixel
        if x == 0:
            row_above, position = self.inputs[:, :, y : y + 1, 1:], self._position(y, None)
            self.vertical = network.vertical_features(row_above, self.vector, position)
        left, vertical = self.inputs[:, :, y + 1 : y + 2, x : x + 1], self.vertical.column(x)
        self.index += 1
        position = self._position(y, x)
        return network.distribution_parameters(left, vertical, self.vector, position)[..., 0, 0]

    def _position(self, y: int, x: int | None) -> DecodingPosition:
        return DecodingPosition(self.size, y, x, self.buffers)


def _concat_elu(x: Tensor) -> Tensor:
    """Concatenated ELU, elu([x, -x])."""
    return F.elu(torch.cat([x, -x], 1))
