r"""What published U-Nets differ in: how a block hears its vector, how the picture changes size, how channels are grouped.

    ddpm   h = conv1(act(norm(x)));   h = conv2(act(norm(h + V v)))                         Ho, Jain & Abbeel 2020, appendix B
    adm    h = conv1(act(norm(x)));   h = conv2(act(norm(h) (1 + S v) + V v))               Dhariwal & Nichol 2021, section 3

each plus x. DDPM halves by a convolution of stride 2, doubles by repeating and a convolution, and normalises 32 groups. ADM
changes size inside a residual block (after Brock, Donahue & Simonyan 2019), which then hears the vector too; its groups are of 8
channels here, so that narrow networks have the statistics of more than one.
"""

__all__ = ["DESIGNS", "Design", "Doubling", "Halving", "ShiftedBlock"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.axes import convolution
from morphogen.networks.residual import ResidualBlock, activated, groups
from morphogen.numerics.tensors import expand_like

Design = Literal["adm", "ddpm"]


class ShiftedBlock(nn.Module):
    """DDPM's residual block: the vector shifts each channel before the second normalisation; the identity (or skip) at the start.

    Arguments:
        channels_in, channels_out: of x and of the result.
        vector: width of the vector.
        dropout: before the last convolution.
        axes: of x besides its channels, 1 or 2.
    """

    def __init__(self, channels_in: int, channels_out: int, vector: int, dropout: float = 0.0, axes: int = 2):
        super().__init__()
        conv = convolution(axes)
        self.norm1, self.norm2 = groups(channels_in, _of_32(channels_in)), groups(channels_out, _of_32(channels_out))
        self.conv1 = conv(channels_in, channels_out, 3, padding=1)
        self.conv2 = conv(channels_out, channels_out, 3, padding=1)
        self.shift = nn.Linear(vector, channels_out)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if channels_in == channels_out else conv(channels_in, channels_out, 1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b e *n"]:
        h = self.conv1(activated(self.norm1, x))
        h = h + expand_like(self.shift(vector), h)
        return self.skip(x) + self.conv2(self.dropout(activated(self.norm2, h)))


class Halving(nn.Module):
    """DDPM's way down: a convolution of stride 2.

    Arguments:
        channels: of x.
        vector, dropout: as of the blocks, and left alone.
        axes: of x besides its channels, 1 or 2.
    """

    def __init__(self, channels: int, vector: int, dropout: float, axes: int = 2):
        super().__init__()
        self.conv = convolution(axes)(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        return self.conv(x)


class Doubling(nn.Module):
    """DDPM's way up: every value repeated along each side, then a convolution.

    Arguments:
        channels: of x.
        vector, dropout: as of the blocks, and left alone.
        axes: of x besides its channels, 1 or 2.
    """

    def __init__(self, channels: int, vector: int, dropout: float, axes: int = 2):
        super().__init__()
        self.conv = convolution(axes)(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


@dataclass(frozen=True)
class _Parts:
    """The parts of a design, each an `nn.Module` (x, vector) -> x."""

    block: Callable[[int, int, int, float, int], nn.Module]  # of channels_in, channels_out, vector, dropout, axes
    down: Callable[[int, int, float, int], nn.Module]  # of channels, vector, dropout, axes
    up: Callable[[int, int, float, int], nn.Module]
    group: Callable[[int], int]  # channels of one group of a normalisation of so many


def _of_32(channels: int) -> int:
    """Channels of a group where there are 32 of them, or one for each channel."""
    return -(-channels // 32)


DESIGNS: Mapping[Design, _Parts] = {
    "ddpm": _Parts(ShiftedBlock, Halving, Doubling, _of_32),
    "adm": _Parts(
        lambda channels_in, channels_out, vector, dropout, axes: ResidualBlock(channels_in, channels_out, vector, None, dropout, axes),
        lambda channels, vector, dropout, axes: ResidualBlock(channels, channels, vector, "down", dropout, axes),
        lambda channels, vector, dropout, axes: ResidualBlock(channels, channels, vector, "up", dropout, axes),
        lambda channels: 8,
    ),
}
