"""The residual block that every convolutional network here is made of, and how a vector speaks to it.

    h = x + conv(act(film(norm(conv(act(norm(x)))), vector)))         (He et al. 2016, pre-activation; Perez et al. 2018)

Normalisation is by group (Wu & He 2018): no statistics are shared between rows, so a sample does not depend on its batch.
"""

__all__ = ["FiLM", "ResidualBlock", "activated", "groups"]

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.axes import averaged, convolution, repeated
from morphogen.numerics.tensors import expand_like


def groups(channels: int, size: int = 8) -> nn.GroupNorm:
    """Group normalisation with groups of `size` channels, or of the largest divisor below it."""
    while channels % size:
        size -= 1
    return nn.GroupNorm(channels // size, channels)


def activated(norm: nn.Module, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """silu(norm(x)), the pair before every convolution: the one place for a kernel that does both in one pass."""
    return F.silu(norm(x))


class FiLM(nn.Module):
    """x (1 + scale(v)) + shift(v), a channel each; the identity at the start (Perez et al. 2018).

    Arguments:
        vector: width of v [B, vector].
        channels: of x [B, channels, ...].
    """

    def __init__(self, vector: int, channels: int):
        super().__init__()
        self.project = nn.Linear(vector, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Float[Tensor, "b c ..."], v: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        scale, shift = self.project(v).chunk(2, 1)
        return x * (1 + expand_like(scale, x)) + expand_like(shift, x)


class ResidualBlock(nn.Module):
    """A pre-activation residual block on [B, C, H, W], or [B, C, L], which hears a vector and may halve or double each side.

    Arguments:
        channels_in, channels_out: of x and of the result.
        vector: width of the conditioning vector (0: none is heard).
        resample: "down" averages 2 x 2, "up" repeats 2 x 2, before the first convolution and on the skip.
        dropout: before the last convolution.
        axes: of x besides its channels: 2, or 1 in a line, where pairs are averaged.
    """

    def __init__(
        self, channels_in: int, channels_out: int, vector: int = 0, resample: Literal["down", "up"] | None = None, dropout: float = 0.0,
        axes: int = 2,
    ):  # fmt: skip
        super().__init__()
        self.resample, conv = resample, convolution(axes)
        self.norm1, self.norm2 = groups(channels_in), groups(channels_out)
        self.conv1 = conv(channels_in, channels_out, 3, padding=1)
        self.conv2 = conv(channels_out, channels_out, 3, padding=1)
        self.film = FiLM(vector, channels_out) if vector else None
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if channels_in == channels_out else conv(channels_in, channels_out, 1)

    def forward(self, x: Float[Tensor, "b c ..."], vector: Float[Tensor, "b d"] | None = None) -> Float[Tensor, "b e ..."]:
        h = self.conv1(self._sized(activated(self.norm1, x)))
        h = self.norm2(h)
        if self.film is not None and vector is not None:
            h = self.film(h, vector)
        return self.skip(self._sized(x)) + self.conv2(self.dropout(F.silu(h)))

    def _sized(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return averaged(x)
        return repeated(x) if self.resample == "up" else x
