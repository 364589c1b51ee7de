r"""Gated PixelCNN: autoregressive logits of an image in one pass, or symbol by symbol with a cache.

The vertical stack covers the rows above, the horizontal stack the current row; the vertical stack feeds the
horizontal one:

    v' = gate(W_v * v + V_v c)
    h' = h + W_o gate(W_h * h + W_vh (W_v * v) + V_h c)
    gate(a, b) = tanh(a) sigmoid(b)

Sampling without a cache takes N forward passes for N symbols. `GatedPixelCNNCache` computes each feature
once: a row of the vertical stack at the start of the row, one pixel of the horizontal stack per symbol, so
that a whole image costs about one forward pass. On a CPU, native/gated_pixelcnn.cpp does so for whole images.

Reference: Conditional image generation with PixelCNN decoders, van den Oord, Kalchbrenner, Vinyals, Espeholt,
Graves & Kavukcuoglu, 2016b (equation 4, figure 2).
"""

__all__ = ["GatedPixelCNN", "GatedPixelCNNCache"]

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.native.kernels import calls, takes
from morphogen.networks.masked_conv import HorizontalConv, MaskType, VerticalConv
from morphogen.networks.ordinal_embedding import OrdinalEmbedding
from morphogen.networks.positions import PositionBias


class GatedPixelCNN(Component, nn.Module):
    """Autoregressive logits of images, or of grids of codes (van den Oord et al. 2016b).

    Arguments:
        shape: (channels, height, width), or (height, width) for a grid of codes.
        vocabulary: V, number of values of one symbol.
        width: number of features of each stack, a multiple of the channels.
        layers: number of gated layers; the first has mask type A.
        first_kernel: odd kernel width of the first layer (7 in the paper).
        kernel: odd kernel width of the other layers (3; with the paper's 5, fewer layers suffice).
        embedding: size of the input embedding of a symbol, which is initialized with cosines of its value and
            learned.
        dropout: on the gates of the horizontal stack.
        vector: width D of `context.vector` (0: unconditional).
        position_bias: a learned position bias, optionally class-conditional, added to the embedded image;
            None: none.

    Raises:
        ConfigError: if width is not a multiple of the channels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        vocabulary: int,
        width: int = 64,
        layers: int = 7,
        first_kernel: int = 7,
        kernel: int = 3,
        embedding: int = 8,
        dropout: float = 0.0,
        vector: int = 0,
        position_bias: PositionBias | None = None,
    ):
        super().__init__()
        self.shape, self.vocabulary, self.width, self.layers = tuple(shape), vocabulary, width, layers
        self.first_kernel, self.kernel, self.embedding = first_kernel, kernel, embedding
        self.dropout, self.vector, self.position_bias = dropout, vector, position_bias
        self.image_shape = (1, *self.shape) if len(self.shape) == 2 else self.shape
        colours = self.image_shape[0]
        if width % colours:
            raise ConfigError(
                f"width {width} is not a multiple of the {colours} channels: "
                f"take {-(-width // colours) * colours}"
            )
        self.level_embedding = OrdinalEmbedding(vocabulary, embedding)
        first_layer = _GatedLayer(colours * embedding, width, first_kernel, "A", colours, dropout, vector)
        self.stack = nn.ModuleList([first_layer])
        self.stack.extend(
            _GatedLayer(width, width, kernel, "B", colours, dropout, vector) for _ in range(layers - 1)
        )
        self.hidden = HorizontalConv(width, width, 1, "B", colours)
        self.head = HorizontalConv(width, colours * vocabulary, 1, "B", colours)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        if x.shape[1:] != self.shape:
            raise ConfigError(
                f"GatedPixelCNN of the shape {list(self.shape)} receives x of {list(x.shape[1:])}: "
                "give it the shape of the representation"
            )
        vector = None if context is None else context.vector
        embedded = self.level_embedding(x.reshape(-1, *self.image_shape))
        e = embedded.permute(0, 1, 4, 2, 3).flatten(1, 2)  # [B, C E, H, W], grouped by colour
        v = h = e if self.position_bias is None else self.position_bias(e, vector)
        for layer in self.stack:
            v, h = layer(v, h, vector)
        logits = self.head(F.relu(self.hidden(F.relu(h)))).unflatten(
            1, (self.image_shape[0], self.vocabulary)
        )
        return logits.movedim(2, -1).reshape(*x.shape, self.vocabulary)

    def make_cache(self, rows: int, context: Context | None) -> "GatedPixelCNNCache":
        """An empty cache for `rows` images."""
        return GatedPixelCNNCache(self, rows, None if context is None else context.vector)

    def draw(
        self,
        tokens: Int[Tensor, "b n"],
        uniforms: Float[Tensor, "b n"],
        temperature: float,
        context: Context | None,
        end: int | None,
    ) -> bool:
        """Draw the tokens that are -1, in place; see `causal.DrawsTokens`."""
        embedding, (colours, height, width) = self.level_embedding.weight, self.image_shape
        if end is not None or not takes("gated_pixelcnn", embedding, uniforms):
            return False
        layers: list[_GatedLayer] = list(self.stack)  # type: ignore[arg-type]
        vector = None if context is None else context.vector
        position = None if self.position_bias is None else self.position_bias.bias(vector)
        above = [layer.vertical_input(len(tokens), width) for layer in layers]
        hidden, head = (_colour_layers(conv, colours) for conv in (self.hidden, self.head))
        weights = [
            embedding,
            None if position is None else position.permute(0, 2, 3, 1).contiguous(),
            torch.stack([layer.all_biases(vector) for layer in layers], 1),
            [kernel for layer in layers for kernel in layer.vertical.rows()],
            [layer.vertical_to_horizontal.weight[:, :, 0, 0] for layer in layers],
            [weight for layer in layers for weight, _ in _colour_layers(layer.horizontal, colours)],
            [weight for layer in layers for weight, _ in _colour_layers(layer.out, colours)],
            [weight for weight, _ in hidden + head],
            [bias for _, bias in hidden + head],
        ]
        cost = len(tokens) * sum(parameter.numel() for parameter in self.stack.parameters()) * width
        return all(
            torch.ops.morphogen.gated_pixelcnn_draw(
                tokens, uniforms, above, *weights, width, *rows, temperature
            )
            for rows in calls(height, cost)
        )


class _GatedLayer(nn.Module):
    """One gated layer of both stacks.

    The gates of the horizontal stack are grouped by colour, with (tanh, sigmoid) in each group.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        mask_type: MaskType,
        colours: int,
        dropout: float,
        vector: int,
    ):
        super().__init__()
        # no residual connection in type A: it would pass on x_i itself
        self.colours, self.residual = colours, mask_type == "B"
        self.vertical = VerticalConv(channels, 2 * width, kernel, mask_type)
        self.horizontal = HorizontalConv(channels, 2 * width, kernel, mask_type, colours)
        self.vertical_to_horizontal = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.out = HorizontalConv(width, width, 1, "B", colours, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.condition = nn.Linear(vector, 4 * width, bias=False) if vector else None

    def forward(self, v: Tensor, h: Tensor, vector: Tensor | None) -> tuple[Tensor, Tensor]:
        vertical_bias, horizontal_bias = self.condition_biases(vector)
        vertical = self.vertical(v)
        horizontal = self.horizontal(h) + self.vertical_to_horizontal(vertical)
        horizontal = horizontal + horizontal_bias[..., None, None]
        update = self.out(self.dropout(gate(horizontal, self.colours)))
        return gate(vertical + vertical_bias[..., None, None]), h + update if self.residual else update

    def condition_biases(self, vector: Tensor | None) -> tuple[Tensor, Tensor]:
        """V_v c and V_h c, each [B, 2 width]; without a condition, zeros [1, 2 width]."""
        if self.condition is None or vector is None:
            zeros = self.out.weight.new_zeros(1, 2 * self.out.in_channels)
            return zeros, zeros
        vertical, horizontal = self.condition(vector).chunk(2, 1)
        return vertical, horizontal

    def all_biases(self, vector: Tensor | None) -> Tensor:
        """The biases of the vertical convolution, of its gates and of the others, [B or 1, 3, 2 width]."""
        vertical, horizontal = self.condition_biases(vector)
        assert self.vertical.bias is not None and self.horizontal.bias is not None
        biases = self.vertical.bias.expand_as(vertical), vertical, horizontal + self.horizontal.bias
        return torch.stack(biases, 1)

    def vertical_input(self, rows: int, width: int) -> Tensor:
        """Zeros for the last rows of the vertical stack's input, [B, reach + 1, reach + W + reach, C]."""
        reach, weight = self.vertical.reach, self.vertical.weight
        return weight.new_zeros(rows, reach + 1, reach + width + reach, weight.shape[1])


def gate(features: Float[Tensor, "b d ..."], colours: int = 1) -> Float[Tensor, "b d//2 ..."]:
    """Gated activation tanh(a) sigmoid(b), (a, b) the two halves of each colour's features."""
    a, b = features.unflatten(1, (colours, 2, -1)).unbind(2)
    return (a.tanh() * b.sigmoid()).flatten(1, 2)


class GatedPixelCNNCache:
    """Decoding cache of a Gated PixelCNN: stores the features of past symbols, one symbol per step.

    A step costs five small operations per layer. The weights of the horizontal stack are stored as one matrix
    per colour, their inputs are views of a buffer, and the vertical stack is evaluated once per row. Entries
    of a buffer to the right of the current symbol still belong to the row above; they are multiplied by zeros
    of the mask only.

    Arguments:
        network: the network.
        rows: number of images in the batch.
        vector: `context.vector` [B, D]; None: unconditional.
    """

    def __init__(self, network: GatedPixelCNN, rows: int, vector: Float[Tensor, "b d"] | None):
        self.index, self.level_embedding = 0, network.level_embedding.weight.detach()
        self.colours, height, self.width = network.image_shape
        self.position_bias: Tensor | None = None
        zeros, reach, size = self.level_embedding.new_zeros, network.kernel // 2, (height, self.width)
        embedded = _LayerBuffer(
            zeros, rows, self.colours * network.embedding, network.first_kernel // 2, size
        )
        self.buffers = [embedded]
        self.buffers += [_LayerBuffer(zeros, rows, network.width, reach, size) for _ in network.stack]
        with torch.no_grad():
            if network.position_bias is not None:
                self.position_bias = network.position_bias.bias(vector).unflatten(1, (self.colours, -1))
            parts = zip(network.stack, self.buffers[:-1], self.buffers[1:], strict=True)
            self.layers = [_LayerCache(*part, vector) for part in parts]  # type: ignore[arg-type]
            self.hidden = _colour_matrices(network.hidden, self.colours)
            self.head = _colour_matrices(network.head, self.colours)
        self.inputs, self.outputs = self.buffers[0].slots(self.colours), self.buffers[-1].slots(1)
        self.features = zeros(rows, network.width)
        self.features_of_colour = self.features.chunk(self.colours, 1)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous symbols (None: at the first step); returns the logits of the next."""
        y, symbol = divmod(self.index, self.width * self.colours)
        x, colour = divmod(symbol, self.colours)
        if previous is not None:
            self.inputs[symbol - 1].copy_(self._embed(previous))
        if symbol == 0:
            self._begin_row(y)
        for layer in self.layers:
            layer.step(symbol)
        (hidden, hidden_bias), (head, head_bias) = self.hidden[colour], self.head[colour]
        hidden_features = torch.addmm(hidden_bias, self.outputs[x].relu(), hidden).relu_()
        self.features_of_colour[colour].copy_(hidden_features)
        self.index += 1
        return torch.addmm(head_bias, self.features, head)

    def _embed(self, previous: Tensor) -> Tensor:
        """The embedding of the previous symbols [B], with the bias of their position."""
        pixel, colour = divmod(self.index - 1, self.colours)
        y, x = divmod(pixel, self.width)
        embedded = self.level_embedding[previous]
        return embedded if self.position_bias is None else embedded + self.position_bias[:, colour, :, y, x]

    def _begin_row(self, y: int) -> None:
        """Evaluate the vertical stack at row y, once the row above is complete."""
        if y > 0:
            embedded = self.buffers[0]
            embedded.write_row(y - 1, embedded.horizontal[:, embedded.reach :].transpose(1, 2))
        for layer in self.layers:
            layer.begin_row(y)


class _LayerBuffer:
    """Padded inputs of one layer.

    `vertical [B, D, pad + H, pad + W + pad]` holds the image, `horizontal [B, pad + W, D]` the current row.
    """

    def __init__(
        self, zeros: Callable[..., Tensor], rows: int, features: int, reach: int, size: tuple[int, int]
    ):
        height, self.width = size
        self.reach = reach
        self.vertical = zeros(rows, features, reach + height, reach + self.width + reach)
        self.horizontal = zeros(rows, reach + self.width, features)

    def write_row(self, y: int, features: Tensor) -> None:
        """Store row y of the vertical stack, [B, D, W]."""
        self.vertical[:, :, self.reach + y, self.reach : self.reach + self.width] = features

    def slots(self, colours: int) -> list[Tensor]:
        """Views [B, D / colours] of the row, one per symbol."""
        pixels = [self.horizontal[:, self.reach + x] for x in range(self.width)]
        return [part for pixel in pixels for part in pixel.chunk(colours, 1)]

    def windows(self) -> list[Tensor]:
        """Views [B, (reach + 1) D] of the row, one per pixel: the `reach` pixels to its left, and itself."""
        size, flat = self.horizontal.shape[2], self.horizontal.flatten(1)
        return [flat[:, x * size : (x + self.reach + 1) * size] for x in range(self.width)]


class _LayerCache:
    """Cached evaluation of one layer, from its input buffer to the next layer's."""

    def __init__(self, layer: _GatedLayer, source: _LayerBuffer, target: _LayerBuffer, vector: Tensor | None):
        self.layer, self.source, self.target = layer, source, target
        self.vertical_bias, horizontal_bias = layer.condition_biases(vector)
        assert layer.horizontal.bias is not None
        self.horizontal_bias = horizontal_bias + layer.horizontal.bias
        rows, size, c = len(source.horizontal), target.horizontal.shape[2], layer.colours
        self.horizontal, self.out = _colour_matrices(layer.horizontal, c), _colour_matrices(layer.out, c)
        self.windows, self.targets = source.windows(), target.slots(c)
        self.sources = source.slots(c) if layer.residual else None
        self.features = source.horizontal.new_empty(rows, 2 * size // c)
        self.a, self.b = self.features.chunk(2, 1)
        self.gates = source.horizontal.new_zeros(rows, size)
        self.gate_of_colour = self.gates.chunk(c, 1)
        self.biases: tuple[Tensor, ...] = ()

    def begin_row(self, y: int) -> None:
        """Compute row y of the vertical stack and its contribution to each symbol of the horizontal stack."""
        conv = self.layer.vertical
        rows_above = self.source.vertical[:, :, y : y + conv.kernel_size[0]]
        vertical = F.conv2d(rows_above, conv.weight, conv.bias)[:, :, 0]
        self.target.write_row(y, gate(vertical + self.vertical_bias[..., None]))
        weight = self.layer.vertical_to_horizontal.weight[:, :, 0, 0]
        biases = F.linear(vertical.permute(2, 0, 1), weight) + self.horizontal_bias  # [W, B, 2 D]
        self.biases = biases.unflatten(2, (self.layer.colours, -1)).transpose(1, 2).flatten(0, 1).unbind(0)

    def step(self, symbol: int) -> None:
        """Compute the horizontal features of one symbol of the row."""
        x, c = divmod(symbol, self.layer.colours)
        torch.addmm(self.biases[symbol], self.windows[x], self.horizontal[c][0], out=self.features)
        torch.mul(self.a.tanh_(), self.b.sigmoid_(), out=self.gate_of_colour[c])
        if self.sources is None:
            torch.mm(self.gates, self.out[c][0], out=self.targets[symbol])
        else:
            torch.addmm(self.sources[symbol], self.gates, self.out[c][0], out=self.targets[symbol])


def _colour_matrices(conv: HorizontalConv, colours: int) -> list[tuple[Tensor, Tensor]]:
    """One linear map per colour: (matrix [taps in, out / colours], bias [out / colours])."""
    return [(weight.T.contiguous(), bias) for weight, bias in _colour_layers(conv, colours)]


def _colour_layers(conv: HorizontalConv, colours: int) -> list[tuple[Tensor, Tensor]]:
    """One linear layer per colour: (weight [out / colours, taps in], bias [out / colours])."""
    weight = conv.masked_weight[:, :, 0].transpose(1, 2).flatten(1)
    bias = conv.bias if conv.bias is not None else weight.new_zeros(len(weight))
    return list(zip(weight.chunk(colours), bias.chunk(colours), strict=True))
