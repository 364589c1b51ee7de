r"""The layers of PixelCNN and PixelRNN: masked convolution, causal layers, and 1 x 1 convolutions to logits.

    h = A_7x7 * x + V c,     h = layer(h)  for each layer,     logits = B_1x1 relu(B_1x1 relu(h))

A and B are the mask types (`masked_conv.py`). The layers are components: `Residual` gives PixelCNN, `RowLSTM`
and `DiagonalBiLSTM` (`pixelrnn.py`) give PixelRNN. All three have the residual form of the paper's figure 5,
with 2h features between layers and h inside. x is scaled to [-1, 1] as (2 x / (V - 1)) - 1, so that close
values have close inputs.

`PixelStackCache` evaluates the same layers at one pixel, with a buffer of past inputs per layer. Decoding one
symbol costs the features of one pixel, which are computed once for each of its colours.

Reference: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016a (section 3, table
1, figure 5).
"""

__all__ = ["PixelStack", "PixelStackCache", "Residual"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.decoding_position import DecodingPosition
from morphogen.networks.masked_conv import HorizontalConv, MaskedConv


class PixelStack(Component, nn.Module):
    """PixelCNN or PixelRNN: autoregressive logits of images by causal layers (van den Oord et al. 2016a).

    Arguments:
        shape: (channels, height, width), or (height, width) for a grid of codes.
        vocabulary: V, number of values of one symbol.
        layers: `Residual`, `RowLSTM` or `DiagonalBiLSTM` components of equal width, each with as many colours
            as x has channels.
        first_kernel: odd kernel width of the first, type A convolution (7 in the paper).
        vector: width of `context.vector`, which is projected and added to the first features (0:
            unconditional, as in the paper).

    Raises:
        ConfigError: if there are no layers, or their widths or colours do not match.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        vocabulary: int,
        layers: tuple[Any, ...],
        first_kernel: int = 7,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.vocabulary, self.layers = tuple(shape), vocabulary, tuple(layers)
        self.first_kernel, self.vector = first_kernel, vector
        self.image_shape = (1, *self.shape) if len(self.shape) == 2 else self.shape
        colours, kinds = self.image_shape[0], {(layer.width, layer.colours) for layer in layers}
        if len(kinds) != 1 or (kind := next(iter(kinds)))[1] != colours:
            raise ConfigError(
                f"PixelStack: layers have (width, colours) {sorted(kinds)}: "
                f"give one or more of equal width and of {colours} colours"
            )
        self.width = kind[0]
        self.stem = MaskedConv(colours, self.width, first_kernel, "A", colours)
        self.condition = nn.Linear(vector, self.width, bias=False) if vector else None
        self.stack = nn.ModuleList(self.layers)
        self.hidden = HorizontalConv(self.width, self.width, 1, "B", colours)
        self.head = HorizontalConv(self.width, colours * vocabulary, 1, "B", colours)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        values, vector = (
            self.values(x.reshape(-1, *self.image_shape)),
            None if context is None else context.vector,
        )
        logits = self.logits(self.features(values, vector))
        logits = logits.unflatten(1, (self.image_shape[0], self.vocabulary))
        return logits.movedim(2, -1).reshape(*x.shape, self.vocabulary)

    def values(self, x: Int[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Symbols scaled to [-1, 1]."""
        return x.to(self.stem.weight.dtype) * (2 / max(1, self.vocabulary - 1)) - 1

    def features(
        self,
        values: Float[Tensor, "b c h w"],
        vector: Float[Tensor, "b e"] | None,
        position: DecodingPosition | None = None,
    ) -> Float[Tensor, "b d h w"]:
        """Output of the last layer, for the whole image or for the patch at `position`."""
        h = self.stem(values, position)
        if self.condition is not None and vector is not None:
            h = h + self.condition(vector)[..., None, None]
        for layer in self.stack:
            h = layer(h, position)
        return h

    def logits(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b v h w"]:
        """Logits [B, C V, H, W] of all symbols of each pixel, with the V channels of a colour adjacent."""
        return self.head(F.relu(self.hidden(F.relu(features))))

    def make_cache(self, rows: int, context: Context | None) -> "PixelStackCache":
        """An empty cache for `rows` images."""
        return PixelStackCache(self, rows, None if context is None else context.vector)


class Residual(Component, nn.Module):
    """PixelCNN's bottleneck block: h + B_1x1 relu(B_kxk relu(B_1x1 relu(h))).

    Van den Oord et al. 2016a, figure 5 left. k x k masked kernels have a blind spot above and to the right,
    which the gated PixelCNN removes.

    Arguments:
        width: 2h, number of features between layers, a multiple of 2 colours; the bottleneck has h.
        kernel: odd width k (3 in the paper).
        colours: symbols per pixel.

    Raises:
        ConfigError: if width is not a multiple of 2 colours.
    """

    def __init__(self, width: int, kernel: int = 3, colours: int = 1):
        super().__init__()
        self.width, self.kernel, self.colours = width, kernel, colours
        inner = bottleneck_width(width, colours)
        self.conv1 = HorizontalConv(width, inner, 1, "B", colours)
        self.conv2 = MaskedConv(inner, inner, kernel, "B", colours)
        self.conv3 = HorizontalConv(inner, width, 1, "B", colours)

    def forward(
        self, h: Float[Tensor, "b d h w"], position: DecodingPosition | None = None
    ) -> Float[Tensor, "b d h w"]:
        inner = self.conv2(F.relu(self.conv1(F.relu(h))), position)
        return h + self.conv3(F.relu(inner))


class PixelStackCache:
    """Decoding cache of a `PixelStack`: the past inputs of its layers, for logits of one symbol per step.

    Arguments:
        network: the network.
        rows: number of images in the batch.
        vector: `context.vector` [B, D]; None: unconditional.
    """

    def __init__(self, network: PixelStack, rows: int, vector: Float[Tensor, "b d"] | None):
        self.network, self.vector, self.index = network, vector, 0
        # the current pixel: symbols decoded so far, zero for the others
        self.pixel = network.stem.weight.new_zeros(rows, network.image_shape[0], 1, 1)
        self.buffers: dict[Any, Tensor] = {}

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous symbols (None: at the first step); returns the logits of the next."""
        network, colours = self.network, self.network.image_shape[0]
        pixel, colour = divmod(self.index, colours)
        if previous is not None:
            self.pixel[:, colour - 1, 0, 0] = network.values(previous)
        if colour == 0 and pixel > 0:  # store the complete previous pixel, with its last colour
            self._position(pixel - 1).receptive_field(network.stem, self.pixel, network.stem.pads)
            self.pixel.zero_()
        features = network.features(self.pixel, self.vector, self._position(pixel))
        self.index += 1
        return network.logits(features).unflatten(1, (colours, -1))[:, colour, :, 0, 0]

    def _position(self, pixel: int) -> DecodingPosition:
        size = (self.network.image_shape[1], self.network.image_shape[2])
        return DecodingPosition(size, *divmod(pixel, size[1]), self.buffers)


def bottleneck_width(width: int, colours: int) -> int:
    """Features inside a layer, width / 2. Errors: ConfigError if that is not a multiple of `colours`."""
    if width % (2 * colours):
        raise ConfigError(
            f"width {width} is not a multiple of 2 x {colours} colours: "
            f"take {-(-width // (2 * colours)) * 2 * colours}"
        )
    return width // 2
