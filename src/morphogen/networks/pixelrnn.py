r"""PixelRNN's layers: an LSTM whose sequence is a picture's rows, or its diagonals.

    [o, f, i, g] = K_is * x + [h of neighbours] W_ss + b,     c' = s(f) c + s(i) tanh(g),     h' = s(o) tanh(c')

    RowLSTM          neighbours above: (y-1, x-1), (y-1, x), (y-1, x+1)       c of (y-1, x)     H steps, sees a triangle above
    DiagonalBiLSTM   neighbours left and above: (y, x-1), (y-1, x)            c of (y, x-1)     H + W - 1 steps, sees all above left
                     and mirrored, its map moved down by a row                                  and right: all that lies back but one

K_is, masked as B, is applied to the whole picture at once (1 x k in the row layer, 1 x 1 in the diagonal one), so that only the products
with W_ss wait for one another. The diagonal layer skews the picture: row y is moved y places to the right, and diagonals are columns.
States begin as zeros (the paper learns them). The one is the last pixel of the row above: no feature of its own row has read it, so that
only the first kernel of the network hands it on, as far as it reaches.

Reference: Pixel recurrent neural networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016a (sections 3.1, 3.2, equation 3, figure 5);
Long short-term memory, Hochreiter & Schmidhuber, 1997.
"""

__all__ = ["DiagonalBiLSTM", "RowLSTM"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.networks.masked_conv import LeftConv
from morphogen.networks.pixel_stack import halved
from morphogen.networks.planes import Cursor

SHUT = -1e4  # gates outside the picture: nothing is written, nothing is told, the state stays zero


class RowLSTM(Component, nn.Module):
    """Row by row from the top, each pixel from the three states above it (van den Oord et al. 2016a, section 3.1).

    Arguments:
        width: 2h, features of the stream, twice a multiple of the colours; the state has h.
        kernel: odd width of both convolutions along the row (3 in the paper).
        colours: symbols of one pixel.

    Raises:
        ConfigError: if colours cannot share the width.
    """

    def __init__(self, width: int, kernel: int = 3, colours: int = 1):
        super().__init__()
        self.width, self.kernel, self.colours = width, kernel, colours
        self.state = halved(width, colours)
        self.read = LeftConv(width, 4 * self.state, kernel, "B", colours)
        self.recur = nn.Conv1d(self.state, 4 * self.state, kernel, padding=kernel // 2, bias=False)
        self.leave = LeftConv(self.state, width, 1, "B", colours)

    def forward(self, h: Float[Tensor, "b d h w"], at: Cursor | None = None) -> Float[Tensor, "b d h w"]:
        if at is not None:
            return h + self.leave(self._pixel(h, at))
        gates = self.read(h).permute(2, 0, 1, 3).contiguous()  # [H, B, 4 state, W]
        state = cell = gates.new_zeros(len(h), self.state, h.shape[-1])
        states = []
        for row in gates:
            state, cell = _lstm(row + self.recur(state), cell, self.colours)
            states.append(state)
        return h + self.leave(torch.stack(states, 2))

    def _pixel(self, patch: Tensor, at: Cursor) -> Tensor:
        """The state [B, state, 1, 1] of the pixel at the cursor."""
        assert at.x is not None
        reach, read = self.kernel // 2, at.window(self.read, patch, (0, self.read.reach, 0))
        gates = F.conv2d(read, self.read.kernel, self.read.bias)[..., 0, 0]
        states = at.plane(self, patch, 2 * self.state, (1, reach, reach))  # h, then c; row y stands at y + 1
        above = states[:, :, at.y, at.x : at.x + self.kernel]
        told = above[:, : self.state].flatten(1) @ self.recur.weight.flatten(1).T
        state, cell = _lstm(gates + told, above[:, self.state :, reach], self.colours)
        states[:, :, at.y + 1, at.x + reach] = torch.cat([state, cell], 1)
        return state[..., None, None]


class DiagonalBiLSTM(Component, nn.Module):
    """Diagonal by diagonal, from both upper corners (van den Oord et al. 2016a, section 3.2).

    Arguments:
        width: 2h, features of the stream, twice a multiple of the colours; each direction's state has h.
        colours: symbols of one pixel.

    Raises:
        ConfigError: if colours cannot share the width.
    """

    def __init__(self, width: int, colours: int = 1):
        super().__init__()
        self.width, self.colours = width, colours
        self.state = halved(width, colours)
        self.read = nn.ModuleList(LeftConv(width, 4 * self.state, 1, "B", colours) for _ in range(2))  # from the left, from the right
        bound = 1 / math.sqrt(2 * self.state)
        self.recur = nn.Parameter(torch.empty(2, 4 * self.state, 2 * self.state).uniform_(-bound, bound))
        self.leave = LeftConv(self.state, width, 1, "B", colours)

    def forward(self, h: Float[Tensor, "b d h w"], at: Cursor | None = None) -> Float[Tensor, "b d h w"]:
        if at is not None:
            return h + self.leave(self._pixel(h, at))
        gates = torch.stack([self.read[0](h), self.read[1](h).flip(-1)])  # [2, B, 4 state, H, W]
        diagonals = _skew(gates).permute(4, 0, 2, 1, 3).contiguous()  # [H + W - 1, 2, 4 state, B, H]
        state = cell = diagonals.new_zeros(2, self.state, *diagonals.shape[3:])
        states = []
        for diagonal in diagonals:
            before = torch.cat([state, F.pad(state, (1, 0))[..., :-1]], 1)  # of the pixel to the left, of that above
            told = torch.bmm(self.recur, before.flatten(2)).view_as(diagonal)
            state, cell = _lstm(diagonal + told, cell, self.colours)
            states.append(state)
        left, right = _unskew(torch.stack(states, -1).transpose(1, 2), h.shape[-1])
        return h + self.leave(left + _down(right.flip(-1)))

    def _pixel(self, patch: Tensor, at: Cursor) -> Tensor:
        """The states [B, state, 1, 1] at the cursor: from the left here, from the right that of the row above, done when it was full."""
        assert at.x is not None
        if at.x == 0 and at.y > 0:
            self._row_from_the_right(patch, at)
        from_right = at.plane((self, "gates"), patch, 4 * self.state, (0, 0, 0))
        from_right[:, :, at.y, at.x] = self.read[1](patch)[..., 0, 0]
        states = at.plane((self, "left"), patch, 2 * self.state, (1, 1, 0))  # h, then c; row y is y + 1, column x is x + 1
        before, above = states[:, :, at.y + 1, at.x], states[:, : self.state, at.y, at.x + 1]
        told = torch.cat([before[:, : self.state], above], 1) @ self.recur[0].T
        state, cell = _lstm(self.read[0](patch)[..., 0, 0] + told, before[:, self.state :], self.colours)
        states[:, :, at.y + 1, at.x + 1] = torch.cat([state, cell], 1)
        right = at.plane((self, "right"), patch, self.state, (1, 0, 0))[:, :, at.y, at.x]
        return (state + right)[..., None, None]

    def _row_from_the_right(self, patch: Tensor, at: Cursor) -> None:
        """The states from the right of the row above, which is complete: [B, state, 1 + H, W], row y at y + 1."""
        gates, y = at.planes[(self, "gates")], at.y - 1
        states = at.plane((self, "right"), patch, self.state, (1, 0, 0))
        state = cell = states.new_zeros(len(states), self.state)
        for x in reversed(range(at.size[1])):
            told = torch.cat([state, states[:, :, y, x]], 1) @ self.recur[1].T
            state, cell = _lstm(gates[:, :, y, x] + told, cell, self.colours)
            states[:, :, y + 1, x] = state


def _lstm(gates: Tensor, cell: Tensor, colours: int) -> tuple[Tensor, Tensor]:
    """Equation 3; gates [B, 4 state, ...] stand colour by colour, (o, f, i, g) in each."""
    o, f, i, g = gates.unflatten(1, (colours, 4, -1)).unbind(2)
    cell = f.sigmoid() * cell.unflatten(1, (colours, -1)) + i.sigmoid() * g.tanh()
    return (o.sigmoid() * cell.tanh()).flatten(1, 2), cell.flatten(1, 2)


def _skew(x: Tensor) -> Tensor:
    """[..., H, W] to [..., H, H + W - 1]: row y begins at y, and what lies outside the picture is shut."""
    height, width = x.shape[-2:]
    flat = F.pad(x, (0, height), value=SHUT).flatten(-2)[..., :-height]
    return flat.unflatten(-1, (height, height + width - 1))


def _unskew(x: Tensor, width: int) -> Tensor:
    """The inverse of `_skew`."""
    height = x.shape[-2]
    return F.pad(x.flatten(-2), (0, height)).unflatten(-1, (height, height + width))[..., :width]


def _down(x: Tensor) -> Tensor:
    """Moved down by a row: a pixel must not see what lies to its right."""
    return F.pad(x, (0, 0, 1, 0))[..., :-1, :]
