r"""The stack of the PixelRNN paper: read the past, let layers that look back work on it, say the next symbol's logits.

    h = A_7x7 * x + V c,     h = layer(h)  for each layer,     logits = B_1x1 relu(B_1x1 relu(h))

A and B are the masks (`masked_conv.py`). What a layer is, is a part of its own: `Residual` makes this PixelCNN, `RowLSTM` and
`DiagonalBiLSTM` (`pixelrnn.py`) make it PixelRNN; all three keep to the residual form of the paper's figure 5, 2h features on the way
and h inside. x is read as a number, (2 x / (V - 1)) - 1: near values look alike.

`StackMemory` runs the same layers at one pixel, each with a plane of what it has read: a symbol costs one pixel's features, computed
once for each of its colours.

Reference: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016a (section 3, table 1, figure 5).
"""

__all__ = ["PixelStack", "Residual", "StackMemory"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.masked_conv import LeftConv, MaskedConv
from morphogen.networks.planes import Cursor


class PixelStack(Component, nn.Module):
    """Causal logits of pictures by a stack of layers that look back (van den Oord et al. 2016a).

    Arguments:
        shape: (channels, height, width), or (height, width) for a grid of codes.
        vocabulary: V, values of one symbol.
        layers: `Residual`, `RowLSTM` or `DiagonalBiLSTM` parts, all of one width and of as many colours as x has channels.
        first: odd width of the kernel that reads x (7 in the paper).
        vector: width of `context.vector`, projected and added to what was read (0: unconditional, as in the paper).

    Raises:
        ConfigError: if there is no layer, or the layers do not fit one another or the picture.
    """

    def __init__(self, shape: tuple[int, ...], vocabulary: int, layers: tuple[Any, ...], first: int = 7, vector: int = 0):
        super().__init__()
        self.shape, self.vocabulary, self.layers, self.first, self.vector = tuple(shape), vocabulary, tuple(layers), first, vector
        self.picture = (1, *self.shape) if len(self.shape) == 2 else self.shape
        colours, kinds = self.picture[0], {(layer.width, layer.colours) for layer in layers}
        if len(kinds) != 1 or (found := next(iter(kinds)))[1] != colours:
            raise ConfigError(f"layers of (width, colours) {sorted(kinds)}: take one or more of one width, of {colours} colours")
        self.width = found[0]
        self.read = MaskedConv(colours, self.width, first, "A", colours)
        self.condition = nn.Linear(vector, self.width, bias=False) if vector else None
        self.stack = nn.ModuleList(self.layers)
        self.hidden = LeftConv(self.width, self.width, 1, "B", colours)
        self.head = LeftConv(self.width, colours * vocabulary, 1, "B", colours)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        features = self.features(self.values(x.reshape(-1, *self.picture)), None if context is None else context.vector)
        logits = self.logits(features).unflatten(1, (self.picture[0], self.vocabulary))
        return logits.movedim(2, -1).reshape(*x.shape, self.vocabulary)

    def values(self, x: Int[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Symbols as numbers in [-1, 1]."""
        return x.to(self.read.weight.dtype) * (2 / max(1, self.vocabulary - 1)) - 1

    def features(
        self, values: Float[Tensor, "b c h w"], vector: Float[Tensor, "b e"] | None, at: Cursor | None = None
    ) -> Float[Tensor, "b d h w"]:
        """What the last layer leaves, of the whole picture or of the patch at the cursor."""
        h = self.read(values, at)
        if self.condition is not None and vector is not None:
            h = h + self.condition(vector)[..., None, None]
        for layer in self.stack:
            h = layer(h, at)
        return h

    def logits(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b v h w"]:
        """Of all symbols of each pixel, one colour's together."""
        return self.head(F.relu(self.hidden(F.relu(features))))

    def cache(self, rows: int, context: Context | None) -> "StackMemory":
        """An empty memory for `rows` pictures."""
        return StackMemory(self, rows, None if context is None else context.vector)


class Residual(Component, nn.Module):
    """PixelCNN's layer: h + B_1x1 relu(B_kxk relu(B_1x1 relu(h))), half as wide inside (van den Oord et al. 2016a, figure 5 left).

    k x k masked kernels leave a blind spot to the right of what is above; the gated PixelCNN was built to be rid of it.

    Arguments:
        width: 2h, features of the stream, twice a multiple of the colours.
        kernel: odd width k (3 in the paper).
        colours: symbols of one pixel.

    Raises:
        ConfigError: if colours cannot share the width.
    """

    def __init__(self, width: int, kernel: int = 3, colours: int = 1):
        super().__init__()
        self.width, self.kernel, self.colours = width, kernel, colours
        inner = halved(width, colours)
        self.enter = LeftConv(width, inner, 1, "B", colours)
        self.look = MaskedConv(inner, inner, kernel, "B", colours)
        self.leave = LeftConv(inner, width, 1, "B", colours)

    def forward(self, h: Float[Tensor, "b d h w"], at: Cursor | None = None) -> Float[Tensor, "b d h w"]:
        return h + self.leave(F.relu(self.look(F.relu(self.enter(F.relu(h))), at)))


class StackMemory:
    """The planes of `rows` pictures so far, and from them the next symbol's logits.

    Arguments:
        network: whose they are.
        rows: pictures drawn side by side.
        vector: `context.vector` [B, D] of these rows (None: there is none).
    """

    def __init__(self, network: PixelStack, rows: int, vector: Float[Tensor, "b d"] | None):
        self.network, self.vector, self.position = network, vector, 0
        self.pixel = network.read.weight.new_zeros(rows, network.picture[0], 1, 1)  # its symbols so far, the others zero
        self.planes: dict[Any, Tensor] = {}

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        network, colours = self.network, self.network.picture[0]
        pixel, colour = divmod(self.position, colours)
        if previous is not None:
            self.pixel[:, colour - 1, 0, 0] = network.values(previous)
        if colour == 0 and pixel > 0:  # the pixel before is complete: later ones read its last colour too
            self._cursor(pixel - 1).window(network.read, self.pixel, network.read.pads)
            self.pixel.zero_()
        features = network.features(self.pixel, self.vector, self._cursor(pixel))
        self.position += 1
        return network.logits(features).unflatten(1, (colours, -1))[:, colour, :, 0, 0]

    def _cursor(self, pixel: int) -> Cursor:
        size = (self.network.picture[1], self.network.picture[2])
        return Cursor(size, *divmod(pixel, size[1]), self.planes)


def halved(width: int, colours: int) -> int:
    """Features inside a layer. Errors: ConfigError where the colours cannot share them."""
    if width % (2 * colours):
        raise ConfigError(f"width {width} is no multiple of {2 * colours}; take {-(-width // (2 * colours)) * 2 * colours}")
    return width // 2
