"""The residual block of the convolutional networks, with conditioning on a vector by FiLM.

    h = x + conv(act(film(norm(conv(act(norm(x)))), vector)))

The block is that of He et al. (2016) with pre-activation, the modulation that of Perez et al. (2018).
Group normalisation (Wu & He 2018) shares no statistics between rows, so a sample does not depend on its
batch.
"""

__all__ = ["FiLM", "ResidualBlock", "group_norm", "norm_silu"]

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.networks.axes import avg_pool, conv_class, upsample_nearest
from morphogen.networks.normalization import GroupNorm
from morphogen.numerics.tensors import expand_like


def group_norm(channels: int, size: int = 8, eps: float = 1e-5) -> GroupNorm:
    """Group normalisation with `size` channels per group, or the largest divisor of `channels` below it."""
    while channels % size:
        size -= 1
    return GroupNorm(channels // size, channels, eps)


def norm_silu(
    norm: GroupNorm, x: Float[Tensor, "b c ..."], added: Float[Tensor, "b c"] | None = None
) -> Float[Tensor, "b c ..."]:
    """silu(norm(x + added)), which comes before every convolution."""
    return norm(x, added, silu=True)


class FiLM(nn.Module):
    """Feature-wise linear modulation, x (1 + scale(v)) + shift(v) per channel (Perez et al. 2018).

    The identity at initialization.

    Arguments:
        vector: width of v [B, vector].
        channels: number of channels of x [B, channels, ...].
    """

    def __init__(self, vector: int, channels: int):
        super().__init__()
        self.project = nn.Linear(vector, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Float[Tensor, "b c ..."], v: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        scale, shift = self.scale_shift(v)
        return x * (1 + expand_like(scale, x)) + expand_like(shift, x)

    def scale_shift(self, v: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """Scale and shift of each channel."""
        scale, shift = self.project(v).chunk(2, 1)
        return scale, shift


class ResidualBlock(nn.Module):
    """Pre-activation residual block on [B, C, H, W] or [B, C, L], with optional conditioning and resampling.

    Arguments:
        channels_in, channels_out: number of input and output channels.
        vector: width of the conditioning vector (0: unconditional).
        resample: "down" halves each side by average pooling, "up" doubles it by nearest-neighbour
            interpolation; applied before the first convolution and on the skip connection.
        dropout: before the last convolution.
        axes: number of axes of x besides its channels: 1 (signals) or 2 (images).
        groups: number of groups of both normalisations; None: groups of 8 channels.
        eps: added to the variances of both normalisations.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        vector: int = 0,
        resample: Literal["down", "up"] | None = None,
        dropout: float = 0.0,
        axes: int = 2,
        groups: int | None = None,
        eps: float = 1e-5,
    ):
        super().__init__()
        self.resample, conv = resample, conv_class(axes)
        self.norm1, self.norm2 = (
            group_norm(channels, channels // groups if groups else 8, eps)
            for channels in (channels_in, channels_out)
        )
        self.conv1 = conv(channels_in, channels_out, 3, padding=1)
        self.conv2 = conv(channels_out, channels_out, 3, padding=1)
        self.film = FiLM(vector, channels_out) if vector else None
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if channels_in == channels_out else conv(channels_in, channels_out, 1)

    def forward(
        self, x: Float[Tensor, "b c ..."], vector: Float[Tensor, "b d"] | None = None
    ) -> Float[Tensor, "b e ..."]:
        h = self.conv1(self._resampled(norm_silu(self.norm1, x)))
        film = self.film.scale_shift(vector) if self.film is not None and vector is not None else None
        h = self.norm2(h, film=film, silu=True)
        return self.skip(self._resampled(x)) + self.conv2(self.dropout(h))

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return avg_pool(x)
        return upsample_nearest(x) if self.resample == "up" else x
