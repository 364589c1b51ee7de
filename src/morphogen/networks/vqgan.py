r"""The convolutional encoder and decoder of VQGAN and of latent diffusion.

    x -- conv -- [blocks, halve] ... blocks -- middle -- norm, silu, conv -- 1x1 conv -- z
    z -- 1x1 conv -- conv -- middle -- [blocks, double] ... blocks -- norm, silu, conv -- x

A block is residual; attention follows the blocks of chosen scales, and is in the middle of every network. The
sides are halved by a convolution of stride 2 that is padded on the right and at the bottom only, and doubled
by nearest-neighbour interpolation and a convolution. The weights of diffusers' AutoencoderKL and VQModel
correspond to these one to one (`interop/diffusers_autoencoder.py`).

References: Taming transformers for high-resolution image synthesis, Esser, Rombach & Ommer, 2021 (table 7);
High-resolution image synthesis with latent diffusion models, Rombach et al., 2022. Both follow the U-Net of
Ho, Jain & Abbeel, 2020, without its skip connections.
"""

__all__ = ["VQGANDecoder", "VQGANEncoder"]

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import GridAttention
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.normalization import GroupNorm, normalization_layout
from morphogen.networks.residual import ResidualBlock, norm_silu

EPS = 1e-6  # added to the variances of every normalisation


class VQGANEncoder(Component, nn.Module):
    """Image to feature map: `forward(x)`, [B, C, H, W] -> [B, latent, H / 2^s, W / 2^s] (Esser et al. 2021).

    Arguments:
        shape: (C, H, W) of the image.
        latent: channels of the output; twice those of z for a Gaussian posterior.
        widths: channels of each scale, finest first; the sides are halved between scales.
        blocks: residual blocks per scale.
        attention: heights H / 2^scale at which attention follows each block.
        groups: number of groups of every normalisation, a divisor of all widths.
        middle_attention: whether attention is between the two blocks of the middle.
        inner: channels before a last 1 x 1 convolution (quant_conv); None: there is none.

    Raises:
        ConfigError: if the image cannot be halved that often, and for widths that `groups` does not divide.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent: int,
        widths: tuple[int, ...] = (128, 256, 512, 512),
        blocks: int = 2,
        attention: tuple[int, ...] = (),
        groups: int = 32,
        middle_attention: bool = True,
        inner: int | None = None,
    ):
        super().__init__()
        self.shape, self.latent, self.widths, self.blocks = tuple(shape), latent, tuple(widths), blocks
        self.attention, self.groups, self.middle_attention = tuple(attention), groups, middle_attention
        self.inner = inner
        heights = _heights(self.shape, self.widths, groups)
        self.stem = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        self.scales = nn.ModuleList()
        for i, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False)):
            halve = _halve(width) if i + 1 < len(widths) else nn.Identity()
            attentions = blocks if heights[i] in self.attention else 0
            self.scales.append(_Scale((before, *(width,) * blocks), groups, attentions, halve))
        self.middle = _Scale((widths[-1],) * 3, groups, int(middle_attention), nn.Identity())
        self.norm = GroupNorm(groups, widths[-1], EPS)
        self.head = nn.Conv2d(widths[-1], latent if inner is None else inner, 3, padding=1)
        self.quant = nn.Identity() if inner is None else nn.Conv2d(inner, latent, 1)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b ..."]:
        h = normalization_layout(self.stem(x))
        for scale in self.scales:
            h = scale(h)
        return self.quant(self.head(norm_silu(self.norm, self.middle(h)))).contiguous()


class VQGANDecoder(Component, nn.Module):
    """Feature map to image, the mirror of `VQGANEncoder` with one more block per scale (Esser et al. 2021).

    Arguments:
        latent: channels of z [B, latent, H / 2^s, W / 2^s].
        shape: (C, H, W) of the output; an observation model of C' channels needs `likelihood.outputs(C')`.
        widths, blocks, attention, groups, middle_attention: see `VQGANEncoder`.
        inner: channels after a first 1 x 1 convolution (post_quant_conv); None: there is none.

    Raises:
        ConfigError: see `VQGANEncoder`.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        widths: tuple[int, ...] = (128, 256, 512, 512),
        blocks: int = 2,
        attention: tuple[int, ...] = (),
        groups: int = 32,
        middle_attention: bool = True,
        inner: int | None = None,
    ):
        super().__init__()
        self.latent, self.shape, self.widths, self.blocks = latent, tuple(shape), tuple(widths), blocks
        self.attention, self.groups, self.middle_attention = tuple(attention), groups, middle_attention
        self.inner = inner
        heights, coarse_to_fine = _heights(self.shape, self.widths, groups), self.widths[::-1]
        self.quant = nn.Identity() if inner is None else nn.Conv2d(latent, inner, 1)
        self.stem = nn.Conv2d(latent if inner is None else inner, widths[-1], 3, padding=1)
        self.middle = _Scale((widths[-1],) * 3, groups, int(middle_attention), nn.Identity())
        self.scales = nn.ModuleList()
        for i, (before, width) in enumerate(zip((widths[-1], *coarse_to_fine), coarse_to_fine, strict=False)):
            double = _double(width) if i + 1 < len(widths) else nn.Identity()
            attentions = blocks + 1 if heights[-1 - i] in self.attention else 0
            self.scales.append(_Scale((before, *(width,) * (blocks + 1)), groups, attentions, double))
        self.norm = GroupNorm(groups, widths[0], EPS)
        self.head = nn.Conv2d(widths[0], shape[0], 3, padding=1)

    def forward(self, z: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        h = self.middle(normalization_layout(self.stem(self.quant(z))))
        for scale in self.scales:
            h = scale(h)
        return self.head(norm_silu(self.norm, h)).contiguous()


class _Scale(nn.Module):
    """Residual blocks with attention after the first ones, then a change of resolution.

    Arguments:
        widths: channels before the first block and after each.
        groups: of the normalisations.
        attentions: number of blocks that attention follows.
        resample: applied at the end.
    """

    def __init__(self, widths: Sequence[int], groups: int, attentions: int, resample: nn.Module):
        super().__init__()
        block = partial(ResidualBlock, groups=groups, eps=EPS)
        self.blocks = nn.ModuleList(map(block, widths[:-1], widths[1:]))
        self.attentions = nn.ModuleList(
            GridAttention(width, group=width // groups, eps=EPS) for width in widths[1 : attentions + 1]
        )
        self.resample = resample

    def forward(self, h: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d ..."]:
        for i, block in enumerate(self.blocks):
            h = block(h)
            if i < len(self.attentions):
                h = self.attentions[i](h)
        return self.resample(h)


def _halve(width: int) -> nn.Module:
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(width, width, 3, stride=2))


def _double(width: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(width, width, 3, padding=1))


def _heights(shape: tuple[int, ...], widths: tuple[int, ...], groups: int) -> list[int]:
    """The height at each scale, finest first. Errors: ConfigError for sizes that do not divide."""
    coarsest_size(shape, widths)
    if odd := [width for width in widths if width % groups]:
        raise ConfigError(f"a width of {odd[0]} is not divisible into {groups} groups: give multiples of it")
    return [shape[1] // 2**scale for scale in range(len(widths))]
