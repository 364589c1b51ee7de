r"""The layers of PixelRNN: LSTMs along the rows or along the diagonals of an image.

    [o, f, i, g] = K_is * x + [h of neighbours] W_ss + b,   c' = s(f) c + s(i) tanh(g),   h' = s(o) tanh(c')

    RowLSTM          h from (y-1, x-1), (y-1, x), (y-1, x+1)   c from (y-1, x)   H steps; a triangle above
    DiagonalBiLSTM   h from (y, x-1), (y-1, x)                 c from (y, x-1)   H + W - 1 steps
                     plus its mirror image, shifted down by one row

The receptive field of the diagonal layer is every earlier pixel except the last pixel of the row above: the
features of a row depend on earlier pixels only, so none in that row depends on its last pixel. Only the first
convolution of the network covers it, within its kernel width.

The input-to-state convolution K_is, with mask B, is applied to the whole image at once (1 x k in the row
layer, 1 x 1 in the diagonal layer); only the state-to-state product W_ss is sequential. The diagonal layer
skews the image: row y is shifted right by y, which turns diagonals into columns. The initial states are zero
(learned in the paper).

References: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016a (sections 3.1,
3.2, equation 3, figure 5); Long short-term memory, Hochreiter & Schmidhuber, 1997.
"""

__all__ = ["DiagonalBiLSTM", "RowLSTM"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.networks.decoding_position import DecodingPosition
from morphogen.networks.masked_conv import HorizontalConv
from morphogen.networks.pixel_stack import bottleneck_width

CLOSED = -1e4  # pre-activation of the gates outside the image: closes all gates, so that the state stays zero


class RowLSTM(Component, nn.Module):
    """Row LSTM: each pixel from three states of the row above (van den Oord et al. 2016a, section 3.1).

    Arguments:
        width: 2h, number of features between layers, a multiple of 2 colours; the state has h.
        kernel: odd width of both convolutions along the row (3 in the paper).
        colours: symbols per pixel.

    Raises:
        ConfigError: if width is not a multiple of 2 colours.
    """

    def __init__(self, width: int, kernel: int = 3, colours: int = 1):
        super().__init__()
        self.width, self.kernel, self.colours = width, kernel, colours
        self.state = bottleneck_width(width, colours)
        self.input_to_state = HorizontalConv(width, 4 * self.state, kernel, "B", colours)
        self.state_to_state = nn.Conv1d(self.state, 4 * self.state, kernel, padding=kernel // 2, bias=False)
        self.project = HorizontalConv(self.state, width, 1, "B", colours)

    def forward(
        self, h: Float[Tensor, "b d h w"], position: DecodingPosition | None = None
    ) -> Float[Tensor, "b d h w"]:
        if position is not None:
            return h + self.project(self._pixel(h, position))
        gates = self.input_to_state(h).permute(2, 0, 1, 3).contiguous()  # [H, B, 4 state, W]
        state = cell = gates.new_zeros(len(h), self.state, h.shape[-1])
        states = []
        for row in gates:
            state, cell = _lstm(row + self.state_to_state(state), cell, self.colours)
            states.append(state)
        return h + self.project(torch.stack(states, 2))

    def _pixel(self, patch: Tensor, position: DecodingPosition) -> Tensor:
        """The state [B, state, 1, 1] of the pixel at `position`."""
        assert position.x is not None
        conv, reach, y, x = self.input_to_state, self.kernel // 2, position.y, position.x
        window = position.receptive_field(conv, patch, (0, conv.reach, 0))
        gates = F.conv2d(window, conv.masked_weight, conv.bias)[..., 0, 0]
        states = position.buffer(
            self, patch, 2 * self.state, (1, reach, reach)
        )  # h, then c; row y at index y + 1
        above = states[:, :, y, x : x + self.kernel]
        recurrent = above[:, : self.state].flatten(1) @ self.state_to_state.weight.flatten(1).T
        state, cell = _lstm(gates + recurrent, above[:, self.state :, reach], self.colours)
        states[:, :, y + 1, x + reach] = torch.cat([state, cell], 1)
        return state[..., None, None]


class DiagonalBiLSTM(Component, nn.Module):
    """Diagonal BiLSTM: processes diagonals from both upper corners (van den Oord et al. 2016a, section 3.2).

    Arguments:
        width: 2h, number of features between layers, a multiple of 2 colours; the state of each direction has
            h.
        colours: symbols per pixel.

    Raises:
        ConfigError: if width is not a multiple of 2 colours.
    """

    def __init__(self, width: int, colours: int = 1):
        super().__init__()
        self.width, self.colours = width, colours
        self.state = bottleneck_width(width, colours)
        # one convolution per direction: from the left, from the right
        self.input_to_state = nn.ModuleList(
            HorizontalConv(width, 4 * self.state, 1, "B", colours) for _ in range(2)
        )
        bound = 1 / math.sqrt(2 * self.state)
        recurrent = torch.empty(2, 4 * self.state, 2 * self.state).uniform_(-bound, bound)
        self.state_to_state = nn.Parameter(recurrent)
        self.project = HorizontalConv(self.state, width, 1, "B", colours)

    def forward(
        self, h: Float[Tensor, "b d h w"], position: DecodingPosition | None = None
    ) -> Float[Tensor, "b d h w"]:
        if position is not None:
            return h + self.project(self._pixel(h, position))
        from_left, from_right = self.input_to_state
        gates = torch.stack([from_left(h), from_right(h).flip(-1)])  # [2, B, 4 state, H, W]
        diagonals = _skew(gates).permute(4, 0, 2, 1, 3).contiguous()  # [H + W - 1, 2, 4 state, B, H]
        state = cell = diagonals.new_zeros(2, self.state, *diagonals.shape[3:])
        states = []
        for diagonal in diagonals:
            above = F.pad(state, (1, 0))[..., :-1]
            neighbours = torch.cat([state, above], 1)  # states of the pixel to the left and of the one above
            recurrent = torch.bmm(self.state_to_state, neighbours.flatten(2)).view_as(diagonal)
            state, cell = _lstm(diagonal + recurrent, cell, self.colours)
            states.append(state)
        left, right = _unskew(torch.stack(states, -1).transpose(1, 2), h.shape[-1])
        return h + self.project(left + _shift_down(right.flip(-1)))

    def _pixel(self, patch: Tensor, position: DecodingPosition) -> Tensor:
        """The sum of both states at `position`, [B, state, 1, 1].

        From the left it is the state of this pixel, from the right that of the pixel above. The states from
        the right are computed for a whole row when it is complete.
        """
        assert position.x is not None
        y, x, (left_conv, right_conv) = position.y, position.x, self.input_to_state
        if x == 0 and y > 0:
            self._row_from_right(patch, position)
        gates_from_right = position.buffer((self, "gates"), patch, 4 * self.state, (0, 0, 0))
        gates_from_right[:, :, y, x] = right_conv(patch)[..., 0, 0]
        # h, then c; row y at index y + 1, column x at index x + 1
        states = position.buffer((self, "left"), patch, 2 * self.state, (1, 1, 0))
        left, above = states[:, :, y + 1, x], states[:, : self.state, y, x + 1]
        recurrent = torch.cat([left[:, : self.state], above], 1) @ self.state_to_state[0].T
        gates = left_conv(patch)[..., 0, 0] + recurrent
        state, cell = _lstm(gates, left[:, self.state :], self.colours)
        states[:, :, y + 1, x + 1] = torch.cat([state, cell], 1)
        right = position.buffer((self, "right"), patch, self.state, (1, 0, 0))[:, :, y, x]
        return (state + right)[..., None, None]

    def _row_from_right(self, patch: Tensor, position: DecodingPosition) -> None:
        """Compute the states from the right of the row above, which is complete.

        They are stored as [B, state, 1 + H, W], with row y at index y + 1.
        """
        gates, y = position.buffers[(self, "gates")], position.y - 1
        states = position.buffer((self, "right"), patch, self.state, (1, 0, 0))
        state = cell = states.new_zeros(len(states), self.state)
        for x in reversed(range(position.size[1])):
            recurrent = torch.cat([state, states[:, :, y, x]], 1) @ self.state_to_state[1].T
            state, cell = _lstm(gates[:, :, y, x] + recurrent, cell, self.colours)
            states[:, :, y + 1, x] = state


def _lstm(gates: Tensor, cell: Tensor, colours: int) -> tuple[Tensor, Tensor]:
    """One LSTM step (equation 3); gates [B, 4 state, ...] are grouped by colour, (o, f, i, g) in each."""
    o, f, i, g = gates.unflatten(1, (colours, 4, -1)).unbind(2)
    cell = f.sigmoid() * cell.unflatten(1, (colours, -1)) + i.sigmoid() * g.tanh()
    return (o.sigmoid() * cell.tanh()).flatten(1, 2), cell.flatten(1, 2)


def _skew(x: Tensor) -> Tensor:
    """Shift row y right by y: [..., H, W] to [..., H, H + W - 1]; outside the image the gates are closed."""
    height, width = x.shape[-2:]
    flat = F.pad(x, (0, height), value=CLOSED).flatten(-2)[..., :-height]
    return flat.unflatten(-1, (height, height + width - 1))


def _unskew(x: Tensor, width: int) -> Tensor:
    """The inverse of `_skew`."""
    height = x.shape[-2]
    return F.pad(x.flatten(-2), (0, height)).unflatten(-1, (height, height + width))[..., :width]


def _shift_down(x: Tensor) -> Tensor:
    """Shift down by one row, because a pixel must not depend on pixels to its right."""
    return F.pad(x, (0, 0, 1, 0))[..., :-1, :]
