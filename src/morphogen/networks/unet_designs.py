r"""Block designs of the U-Net: conditioning on a vector, resampling and group normalisation, as published.

    ddpm            h = conv1(act(norm(x)));  h = conv2(act(norm(h + V v)))             Ho et al. 2020
    improved_ddpm   h = conv1(act(norm(x)));  h = conv2(act(norm(h) (1 + S v) + V v))   Nichol & Dhariwal 2021
    adm             as improved_ddpm                                                    Dhariwal & Nichol 2021
    latent          as ddpm                                                             Rombach et al. 2022
    glide           as adm                                                              Nichol et al. 2022

each plus x. DDPM and improved DDPM downsample by a convolution of stride 2 and upsample by nearest-neighbour
interpolation and a convolution. ADM resamples inside a residual block (after Brock, Donahue & Simonyan 2019),
which is conditioned on the vector as well. DDPM normalises 32 groups; groups of the others have 8 channels
here, so that the statistics of narrow networks cover more than one channel. Latent diffusion has DDPM's
blocks, and a `SpatialTransformer` where the others have attention. GLIDE has ADM's blocks, and
`JointAttention` to positions and text.
"""

__all__ = ["DESIGNS", "Design", "Downsample", "ShiftedBlock", "Upsample"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.networks.attention import GridAttention
from morphogen.networks.axes import conv_class, upsample_nearest
from morphogen.networks.joint_attention import JointAttention
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu
from morphogen.networks.spatial_transformer import SpatialTransformer
from morphogen.networks.token_attention import GridTokenAttention

Design = Literal["adm", "ddpm", "glide", "improved_ddpm", "latent"]


class ShiftedBlock(nn.Module):
    """DDPM's residual block: the vector shifts each channel before the second normalisation.

    Ho, Jain & Abbeel 2020. The identity (or the skip convolution) at initialization.

    Arguments:
        channels_in, channels_out: number of input and output channels.
        vector: width of the conditioning vector.
        dropout: before the last convolution.
        axes: number of axes of x besides its channels, 1 or 2.
    """

    def __init__(self, channels_in: int, channels_out: int, vector: int, dropout: float = 0.0, axes: int = 2):
        super().__init__()
        conv = conv_class(axes)
        self.norm1 = group_norm(channels_in, _size_of_32_groups(channels_in))
        self.norm2 = group_norm(channels_out, _size_of_32_groups(channels_out))
        self.conv1 = conv(channels_in, channels_out, 3, padding=1)
        self.conv2 = conv(channels_out, channels_out, 3, padding=1)
        self.shift = nn.Linear(vector, channels_out)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if channels_in == channels_out else conv(channels_in, channels_out, 1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b e *n"]:
        h = self.conv1(norm_silu(self.norm1, x))
        return self.skip(x) + self.conv2(self.dropout(norm_silu(self.norm2, h, self.shift(vector))))


class Downsample(nn.Module):
    """DDPM's downsampling: a convolution of stride 2.

    Arguments:
        channels: number of channels of x.
        vector, dropout: unused; the signature is that of the blocks.
        axes: number of axes of x besides its channels, 1 or 2.
    """

    def __init__(self, channels: int, vector: int, dropout: float, axes: int = 2):
        super().__init__()
        self.conv = conv_class(axes)(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        return self.conv(x)


class Upsample(nn.Module):
    """DDPM's upsampling: nearest-neighbour interpolation, then a convolution.

    Arguments:
        channels: number of channels of x.
        vector, dropout: unused; the signature is that of the blocks.
        axes: number of axes of x besides its channels, 1 or 2.
    """

    def __init__(self, channels: int, vector: int, dropout: float, axes: int = 2):
        super().__init__()
        self.conv = conv_class(axes)(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c *n"], vector: Float[Tensor, "b d"]) -> Float[Tensor, "b c ..."]:
        return self.conv(upsample_nearest(x))


@dataclass(frozen=True)
class _Parts:
    """Constructors of a design's blocks, each (x, vector) -> x, its group size and its attention."""

    block: Callable[
        [int, int, int, float, int], nn.Module
    ]  # (channels_in, channels_out, vector, dropout, axes)
    down: Callable[[int, int, float, int], nn.Module]  # (channels, vector, dropout, axes)
    up: Callable[[int, int, float, int], nn.Module]
    group: Callable[[int], int]  # channels per group, from the number of channels
    # (channels, heads, tokens, group) -> a module of x, and one of (x, context)
    attention: Callable[[int, int, int, int], tuple[nn.Module | None, nn.Module | None]]


def _size_of_32_groups(channels: int) -> int:
    """Channels per group for 32 groups, or 1 if there are fewer channels."""
    return -(-channels // 32)


def _adm_block(channels_in: int, channels_out: int, vector: int, dropout: float, axes: int) -> nn.Module:
    return ResidualBlock(channels_in, channels_out, vector, None, dropout, axes)


def _adm_down(channels: int, vector: int, dropout: float, axes: int) -> nn.Module:
    return ResidualBlock(channels, channels, vector, "down", dropout, axes)


def _adm_up(channels: int, vector: int, dropout: float, axes: int) -> nn.Module:
    return ResidualBlock(channels, channels, vector, "up", dropout, axes)


def _grid_attention(channels: int, heads: int, tokens: int, group: int) -> tuple[nn.Module, nn.Module | None]:
    cross = GridTokenAttention(channels, heads, tokens, group) if tokens else None
    return GridAttention(channels, heads, group), cross


def _joint_attention(channels: int, heads: int, tokens: int, group: int) -> tuple[None, nn.Module]:
    return None, JointAttention(channels, heads, tokens, group)


def _spatial_transformer(channels: int, heads: int, tokens: int, group: int) -> tuple[None, nn.Module]:
    return None, SpatialTransformer(channels, heads, tokens, group)


DESIGNS: Mapping[Design, _Parts] = {
    "ddpm": _Parts(ShiftedBlock, Downsample, Upsample, _size_of_32_groups, _grid_attention),
    "improved_ddpm": _Parts(_adm_block, Downsample, Upsample, lambda channels: 8, _grid_attention),
    "adm": _Parts(_adm_block, _adm_down, _adm_up, lambda channels: 8, _grid_attention),
    "glide": _Parts(_adm_block, _adm_down, _adm_up, lambda channels: 8, _joint_attention),
    "latent": _Parts(ShiftedBlock, Downsample, Upsample, _size_of_32_groups, _spatial_transformer),
}
