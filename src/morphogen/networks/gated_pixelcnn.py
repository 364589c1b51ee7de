r"""Gated PixelCNN: logits of every symbol of a picture from the symbols before it, in one pass; or one at a time, remembering.

Two stacks of convolutions, one over the rows above, one over the row so far, which is told what the first has seen:

    v' = gate(W_v * v + V_v c)          h' = h + W_o gate(W_h * h + W_vh (W_v * v) + V_h c),     gate(a, b) = tanh(a) sigmoid(b)

Drawing a picture with the pass alone costs N passes. `PixelMemory` computes each feature once: the rows of the vertical stack
when a row begins, one pixel of the horizontal stack at a symbol, so that a whole picture costs about one pass.

Reference: Conditional image generation with PixelCNN decoders, van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves &
Kavukcuoglu, 2016b (equation 4, figure 2).
"""

__all__ = ["GatedPixelCNN", "PixelMemory"]

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.levels import Levels
from morphogen.networks.masked_conv import AboveConv, Kind, LeftConv
from morphogen.networks.positions import Places


class GatedPixelCNN(Component, nn.Module):
    """Causal logits of pictures (van den Oord et al. 2016b), and of grids of codes.

    Arguments:
        shape: (channels, height, width), or (height, width) for a grid of codes.
        vocabulary: V, values of one symbol.
        width: features of each stack, a multiple of the channels.
        layers: gated layers, the first of kind A.
        first: odd width of the first kernel (7 in the paper).
        kernel: odd width of the others (3; the paper's 5 needs fewer layers).
        embedding: features of one input symbol; they start as cosines of its value and are learned.
        dropout: on the gates of the horizontal stack.
        vector: width D of `context.vector` (0: unconditional).
        places: added to the embedded picture, so that small kernels know where they are and what is asked there (None: nothing).

    Raises:
        ConfigError: if width is no multiple of the channels.
    """

    def __init__(
        self, shape: tuple[int, ...], vocabulary: int, width: int = 64, layers: int = 7, first: int = 7, kernel: int = 3,
        embedding: int = 8, dropout: float = 0.0, vector: int = 0, places: Places | None = None,
    ):  # fmt: skip
        super().__init__()
        self.shape, self.vocabulary, self.width, self.layers = tuple(shape), vocabulary, width, layers
        self.first, self.kernel, self.embedding, self.dropout, self.vector = first, kernel, embedding, dropout, vector
        self.places = places
        self.picture = (1, *self.shape) if len(self.shape) == 2 else self.shape
        colours = self.picture[0]
        if width % colours:
            raise ConfigError(f"width {width} is no multiple of the {colours} channels; take {-(-width // colours) * colours}")
        self.symbols = Levels(vocabulary, embedding)
        self.stack = nn.ModuleList([_Layer(colours * embedding, width, first, "A", colours, dropout, vector)])
        self.stack.extend(_Layer(width, width, kernel, "B", colours, dropout, vector) for _ in range(layers - 1))
        self.hidden = LeftConv(width, width, 1, "B", colours)
        self.head = LeftConv(width, colours * vocabulary, 1, "B", colours)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        vector = None if context is None else context.vector
        e = self.symbols(x.reshape(-1, *self.picture)).permute(0, 1, 4, 2, 3).flatten(1, 2)  # [B, C E, H, W], one colour's together
        v = h = e if self.places is None else self.places(e, vector)
        for layer in self.stack:
            v, h = layer(v, h, vector)
        logits = self.head(F.relu(self.hidden(F.relu(h))))
        return logits.unflatten(1, (self.picture[0], self.vocabulary)).movedim(2, -1).reshape(*x.shape, self.vocabulary)

    def cache(self, rows: int, context: Context | None) -> "PixelMemory":
        """An empty memory for `rows` pictures."""
        return PixelMemory(self, rows, None if context is None else context.vector)


class _Layer(nn.Module):
    """One gated layer of both stacks; gates of the horizontal one stand colour by colour, (tanh, sigmoid) in each."""

    def __init__(self, channels: int, width: int, kernel: int, kind: Kind, colours: int, dropout: float, vector: int):
        super().__init__()
        self.colours, self.residual = colours, kind == "B"  # h of kind A would hand x_i itself on
        self.above = AboveConv(channels, 2 * width, kernel, kind)
        self.left = LeftConv(channels, 2 * width, kernel, kind, colours)
        self.link = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.out = LeftConv(width, width, 1, "B", colours, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.condition = nn.Linear(vector, 4 * width, bias=False) if vector else None

    def forward(self, v: Tensor, h: Tensor, vector: Tensor | None) -> tuple[Tensor, Tensor]:
        to_above, to_left = self.biases(vector)
        above = self.above(v)
        left = self.left(h) + self.link(above) + to_left[..., None, None]
        update = self.out(self.dropout(gate(left, self.colours)))
        return gate(above + to_above[..., None, None]), h + update if self.residual else update

    def biases(self, vector: Tensor | None) -> tuple[Tensor, Tensor]:
        """V_v c and V_h c, each [B, 2 width], or [1, 2 width] zeros."""
        if self.condition is None or vector is None:
            zeros = self.out.weight.new_zeros(1, 2 * self.out.in_channels)
            return zeros, zeros
        to_above, to_left = self.condition(vector).chunk(2, 1)
        return to_above, to_left


def gate(features: Float[Tensor, "b d ..."], colours: int = 1) -> Float[Tensor, "b d//2 ..."]:
    """tanh(a) sigmoid(b) of the two halves (a, b) of each colour's features."""
    a, b = features.unflatten(1, (colours, 2, -1)).unbind(2)
    return (a.tanh() * b.sigmoid()).flatten(1, 2)


class PixelMemory:
    """What a Gated PixelCNN has computed so far of `rows` pictures, and from it the next symbol's logits.

    A symbol costs five small operations a layer: the horizontal weights are laid out once as matrices, one a colour; the window
    they meet is a view of a buffer; what the vertical stack has to say of a row is computed when the row begins. What lies ahead
    in a buffer still holds the row above: only zeros of the mask meet it.

    Arguments:
        network: what it remembers for.
        rows: pictures drawn side by side.
        vector: `context.vector` [B, D] of these rows (None: there is none).
    """

    def __init__(self, network: GatedPixelCNN, rows: int, vector: Float[Tensor, "b d"] | None):
        self.position, self.symbols = 0, network.symbols.weight.detach()
        self.colours, height, self.width = network.picture
        self.places: Tensor | None = None
        zeros, reach = self.symbols.new_zeros, network.kernel // 2
        self.planes = [_Plane(zeros, rows, self.colours * network.embedding, network.first // 2, height, self.width)]
        self.planes += [_Plane(zeros, rows, network.width, reach, height, self.width) for _ in network.stack]
        with torch.no_grad():
            if network.places is not None:
                self.places = network.places.picture(vector).unflatten(1, (self.colours, -1))
            between = zip(network.stack, self.planes[:-1], self.planes[1:], strict=True)
            self.layers = [_LayerMemory(*parts, vector) for parts in between]  # type: ignore[arg-type]
            self.hidden, self.head = _matrices(network.hidden, self.colours), _matrices(network.head, self.colours)
        self.inputs, self.outputs = self.planes[0].slots(self.colours), self.planes[-1].slots(1)
        self.waist = zeros(rows, network.width)
        self.waists = self.waist.chunk(self.colours, 1)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        y, place = divmod(self.position, self.width * self.colours)
        x, colour = divmod(place, self.colours)
        if previous is not None:
            self.inputs[place - 1].copy_(self._embedded(previous))
        if place == 0:
            self._begin_row(y)
        for layer in self.layers:
            layer.step(place)
        (hidden, hidden_bias), (head, head_bias) = self.hidden[colour], self.head[colour]
        self.waists[colour].copy_(torch.addmm(hidden_bias, self.outputs[x].relu(), hidden).relu_())
        self.position += 1
        return torch.addmm(head_bias, self.waist, head)

    def _embedded(self, previous: Tensor) -> Tensor:
        """The symbols [B] of the position just drawn, at their place."""
        pixel, colour = divmod(self.position - 1, self.colours)
        y, x = divmod(pixel, self.width)
        return self.symbols[previous] if self.places is None else self.symbols[previous] + self.places[:, colour, :, y, x]

    def _begin_row(self, y: int) -> None:
        """The row above is complete: the vertical stack computes what it sees of it."""
        if y > 0:
            self.planes[0].write_above(y - 1, self.planes[0].row[:, self.planes[0].reach :].transpose(1, 2))
        for layer in self.layers:
            layer.begin_row(y)


class _Plane:
    """What one layer reads, padded by its reach: `above [B, D, pad + H, pad + W + pad]`, `row [B, pad + W, D]`."""

    def __init__(self, zeros: Callable[..., Tensor], rows: int, size: int, reach: int, height: int, width: int):
        self.reach, self.width = reach, width
        self.above = zeros(rows, size, reach + height, reach + width + reach)
        self.row = zeros(rows, reach + width, size)

    def write_above(self, y: int, features: Tensor) -> None:
        """Keep row y of the vertical stack, [B, D, W]."""
        self.above[:, :, self.reach + y, self.reach : self.reach + self.width] = features

    def slots(self, colours: int) -> list[Tensor]:
        """Views [B, D / colours] of the row, one a symbol."""
        return [part for x in range(self.width) for part in self.row[:, self.reach + x].chunk(colours, 1)]

    def windows(self) -> list[Tensor]:
        """Views [B, (reach + 1) D] of the row, one a pixel: what is left of it, and itself."""
        size = self.row.shape[2]
        return [self.row.flatten(1)[:, x * size : (x + self.reach + 1) * size] for x in range(self.width)]


class _LayerMemory:
    """One layer between two planes."""

    def __init__(self, layer: _Layer, source: _Plane, target: _Plane, vector: Tensor | None):
        self.layer, self.source, self.target = layer, source, target
        self.to_above, to_left = layer.biases(vector)
        assert layer.left.bias is not None
        self.to_left = to_left + layer.left.bias
        rows, size, c = len(source.row), target.row.shape[2], layer.colours
        self.left, self.out = _matrices(layer.left, c), _matrices(layer.out, c)
        self.windows, self.targets = source.windows(), target.slots(c)
        self.sources = source.slots(c) if layer.residual else None
        self.features = source.row.new_empty(rows, 2 * size // c)
        self.a, self.b = self.features.chunk(2, 1)
        self.gates = source.row.new_zeros(rows, size)
        self.gate = self.gates.chunk(c, 1)
        self.biases: tuple[Tensor, ...] = ()

    def begin_row(self, y: int) -> None:
        """Row y of the vertical stack, and what it adds to each symbol of the horizontal one."""
        conv = self.layer.above
        above = F.conv2d(self.source.above[:, :, y : y + conv.kernel_size[0]], conv.weight, conv.bias)[:, :, 0]
        self.target.write_above(y, gate(above + self.to_above[..., None]))
        linked = F.linear(above.permute(2, 0, 1), self.layer.link.weight[:, :, 0, 0]) + self.to_left  # [W, B, 2 D]
        self.biases = linked.unflatten(2, (self.layer.colours, -1)).transpose(1, 2).flatten(0, 1).unbind(0)

    def step(self, place: int) -> None:
        """The horizontal features of one symbol of the row."""
        x, c = divmod(place, self.layer.colours)
        torch.addmm(self.biases[place], self.windows[x], self.left[c][0], out=self.features)
        torch.mul(self.a.tanh_(), self.b.sigmoid_(), out=self.gate[c])
        if self.sources is None:
            torch.mm(self.gates, self.out[c][0], out=self.targets[place])
        else:
            torch.addmm(self.sources[place], self.gates, self.out[c][0], out=self.targets[place])


def _matrices(conv: LeftConv, colours: int) -> list[tuple[Tensor, Tensor]]:
    """The convolution as products, one a colour: window [B, taps in] times [taps in, out / colours], plus [out / colours]."""
    matrix = conv.kernel[:, :, 0].permute(2, 1, 0).flatten(0, 1)
    bias = conv.bias if conv.bias is not None else matrix.new_zeros(matrix.shape[1])
    return [(m.contiguous(), b) for m, b in zip(matrix.chunk(colours, 1), bias.chunk(colours), strict=True)]
