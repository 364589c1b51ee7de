r"""Generator and critic of StyleGAN2.

    mapping      w = f(z / rms(z)), f fully connected
    synthesis    h_0 = a learned constant;  h <- act(modulated_conv(h, w) + strength * noise + b)
                 picture <- double(picture) + to_pixels(h, w)               at every resolution
    critic       h <- (conv(conv(h)) + skip(h)) / sqrt(2), halved; deviation of the minibatch; linear layers

References: Analyzing and improving the image quality of StyleGAN, Karras et al., 2020 (config F); a
style-based generator architecture for generative adversarial networks, Karras et al., 2019 (mapping, noise,
style mixing, truncation). Labels enter as in "Training generative adversarial networks with limited data",
Karras et al., 2020: an embedding beside z, and a projection in the critic (Miyato & Koyama 2018).

z has several parts, all standard normal, so that a picture is a function of z: the latent, the latent of a
second style and where it begins, and the noise of the pixels. See `StyleGAN2Generator.latents`.
"""

__all__ = ["StyleGAN2Critic", "StyleGAN2Generator"]

import math
from collections.abc import Mapping
from functools import reduce
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.axes import channels_last
from morphogen.networks.blur import Blur
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.equalized import LEAKY_GAIN, EqualizedConv2d, EqualizedLinear
from morphogen.networks.leaky_relu import leaky_relu
from morphogen.networks.minibatch_std import MinibatchStd
from morphogen.networks.modulated_conv import ModulatedConv2d
from morphogen.numerics.randomness import Rng

MAPPING_LR = 0.01  # factor on the learning rate of the mapping network
EPS = 1e-8


def unit_rms(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """x / sqrt(mean x^2): every row has a second moment of 1; zeros remain zeros."""
    return x * (x.square().mean(1, keepdim=True) + EPS).rsqrt()


def double(picture: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c u v"]:
    """A picture of twice the sides, by bilinear interpolation."""
    return F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)


class MappingNetwork(nn.Module):
    """Map z to a style w, `forward(z, vector)`: [B, D] -> [B, D] (Karras et al. 2019, section 2).

    Arguments:
        latent: D, the dimension of z and w.
        depth: number of layers.
        vector: width of the condition (0: unconditional), whose embedding is concatenated to z.
    """

    def __init__(self, latent: int, depth: int, vector: int = 0):
        super().__init__()
        self.embed = EqualizedLinear(vector, latent) if vector else None
        inputs = (latent * (2 if vector else 1), *(latent,) * (depth - 1))
        self.layers = nn.ModuleList(
            EqualizedLinear(width, latent, lr=MAPPING_LR, gain=LEAKY_GAIN) for width in inputs
        )

    def forward(
        self, z: Float[Tensor, "b d"], vector: Float[Tensor, "b v"] | None = None
    ) -> Float[Tensor, "b d"]:
        h = unit_rms(z)
        if self.embed is not None:
            given = z.new_zeros(len(z), self.embed.weight.shape[1]) if vector is None else vector
            h = torch.cat([h, unit_rms(self.embed(given))], 1)
        for layer in self.layers:
            h = leaky_relu(layer(h))
        return h


class SynthesisLayer(nn.Module):
    """act(modulated_conv(h, w) + strength * noise + b); the strength is learned and 0 at first.

    Arguments:
        channels_in, channels_out: numbers of channels.
        style: dimension of w.
        up: whether the sides are doubled.
    """

    def __init__(self, channels_in: int, channels_out: int, style: int, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv2d(channels_in, channels_out, style, up=up, gain=LEAKY_GAIN)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(
        self, h: Float[Tensor, "b c h w"], w: Float[Tensor, "b d"], noise: Float[Tensor, "b n"] | None
    ) -> Float[Tensor, "b e u v"]:
        h = self.conv(h, w)
        offset = self.bias[:, None, None]
        if noise is not None:
            offset = offset + self.strength * noise.reshape(len(h), 1, *h.shape[2:])
        return leaky_relu(h + LEAKY_GAIN * offset)


class SynthesisBlock(nn.Module):
    """The layers of one resolution: their features, and what they add to the picture.

    Arguments:
        channels_in, channels_out: numbers of channels.
        channels: of the picture.
        style: dimension of w.
        first: whether it is the coarsest, which has one layer and doubles nothing.
    """

    def __init__(self, channels_in: int, channels_out: int, channels: int, style: int, first: bool):
        super().__init__()
        self.layers = nn.ModuleList([SynthesisLayer(channels_in, channels_out, style, up=not first)])
        if not first:
            self.layers.append(SynthesisLayer(channels_out, channels_out, style))
        self.to_pixels = ModulatedConv2d(channels_out, channels, style, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self,
        h: Float[Tensor, "#b e u v"],
        styles: tuple[Float[Tensor, "b s"], ...],
        noises: tuple[Float[Tensor, "b _"] | None, ...],
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b d h w"]]:
        for layer, w, noise in zip(self.layers, styles[:-1], noises, strict=True):
            h = layer(h, w, noise)
        return h, self.to_pixels(h, styles[-1]) + self.bias[:, None, None]


class StyleGAN2Generator(Component, nn.Module):
    """Generator of pictures: `forward(z, context)`, z by the names of `latents` -> [B, *shape].

    Style mixing, in training mode only: with the probability `mixing`, the layers from a random one on have
    the style of a second latent. Without "noise" in z there is no noise.

    Arguments:
        latent: dimension of z["z"] and of the styles w.
        shape: (channels, height, width) of the picture.
        widths: channels of each resolution, finest first; the sides are doubled between them.
        depth: layers of the mapping network.
        mixing: probability of style mixing, in [0, 1].
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if the picture cannot be halved that often.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        widths: tuple[int, ...] = (32, 64, 128),
        depth: int = 8,
        mixing: float = 0.9,
        vector: int = 0,
    ):
        super().__init__()
        self.latent, self.shape, self.widths = latent, tuple(shape), tuple(widths)
        self.depth, self.mixing, self.vector = depth, mixing, vector
        size = coarsest_size(self.shape, self.widths)
        self.mapping = MappingNetwork(latent, depth, vector)
        self.constant = nn.Parameter(torch.randn(widths[-1], *size))
        coarse_to_fine = self.widths[::-1]
        self.blocks = nn.ModuleList(
            SynthesisBlock(before, after, shape[0], latent, first=i == 0)
            for i, (before, after) in enumerate(pairwise((widths[-1], *coarse_to_fine)))
        )
        pixels = [math.prod(size) * 4**i for i in range(len(widths))]
        self.noise_sizes = pixels[:1] + [n for n in pixels[1:] for _ in range(2)]  # of each layer

    @property
    def latents(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parts of z, all N(0, I): what an objective draws for one picture."""
        style = (self.latent,)
        return {"z": style, "second_z": style, "crossover": (2,), "noise": (sum(self.noise_sizes),)}

    def forward(
        self, z: Mapping[str, Float[Tensor, "b n"]], context: Context | None = None
    ) -> Float[Tensor, "b c h w"]:
        styles = self.styles(z["z"], context)
        if self.training and self.mixing and "second_z" in z:
            second = self.styles(z["second_z"], context)
            styles = torch.where(self._mixed(z["crossover"])[:, :, None], second, styles)
        return self.synthesis(styles, z.get("noise"))

    def truncated(
        self, z: Mapping[str, Float[Tensor, "b n"]], context: Context | None, psi: float
    ) -> Float[Tensor, "b c h w"]:
        """The picture of the style mean + psi (w - mean), without mixing (Karras et al. 2019, appendix B)."""
        styles = self.styles(z["z"], context)
        return self.synthesis(torch.lerp(self.mean_style(context)[:, None], styles, psi), z.get("noise"))

    def styles(self, z: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b l d"]:
        """The style of every layer, all the same: w = mapping(z)."""
        w = self.mapping(z, self._vector(context))
        return w[:, None].expand(-1, 2 * len(self.blocks), -1)

    def synthesis(
        self, styles: Float[Tensor, "b l d"], noise: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """The picture of the styles of the layers, coarsest first."""
        w, sizes = styles.unbind(1), self.noise_sizes
        noises = (None,) * len(sizes) if noise is None else noise.split(sizes, 1)
        h, pictures = channels_last(self.constant.expand(len(styles), *self.constant.shape)), []
        for i, block in enumerate(self.blocks):
            first = max(0, 2 * i - 1)  # the pixels of a block share a style with the next block's first layer
            h, pixels = block(h, w[first : 2 * i + 2], noises[first : 2 * i + 1])
            pictures.append(pixels)
        return reduce(lambda coarse, fine: fine + double(coarse), pictures)

    def mean_style(self, context: Context | None, draws: int = 1024) -> Float[Tensor, "#b d"]:
        """The mean of w given the condition of each row, over fixed z, so that a row does not see the others.

        Karras et al. 2020 keep a running average instead, of all conditions together.
        """
        z = Rng(0, torch.arange(draws, device=self.constant.device), ("mean style",)).normal(self.latent)
        vector = self._vector(context)
        if vector is None:
            return self.mapping(z).mean(0, keepdim=True)
        kinds, kind_of_row = vector.unique(dim=0, return_inverse=True)
        means = [self.mapping(z, kind.expand(draws, -1)).mean(0) for kind in kinds]
        return torch.stack(means)[kind_of_row]

    def _mixed(self, crossover: Float[Tensor, "b 2"]) -> Bool[Tensor, "b l"]:
        """Which layers have the second style, [B, L]: those from a layer in 1 .. L-1 on, or none."""
        u, layers = torch.special.ndtr(crossover), 2 * len(self.blocks)
        first = 1 + (u[:, 1] * (layers - 1)).floor()
        later = torch.arange(layers, device=u.device) >= first[:, None]
        return later & (u[:, :1] < self.mixing)

    def _vector(self, context: Context | None) -> Float[Tensor, "b v"] | None:
        return context.vector if self.vector and context is not None else None


class CriticBlock(nn.Module):
    """Residual block that halves the sides: (conv(conv(h)) + skip(h)) / sqrt(2) (Karras et al. 2020).

    Arguments:
        channels_in, channels_out: numbers of channels.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = EqualizedConv2d(channels_in, channels_in, 3, gain=LEAKY_GAIN)
        halve = EqualizedConv2d(channels_in, channels_out, 3, stride=2, padding=0, gain=LEAKY_GAIN)
        self.halve = nn.Sequential(Blur(padding=2), halve)
        self.skip = nn.Sequential(
            Blur(padding=1, stride=2), EqualizedConv2d(channels_in, channels_out, 1, bias=False)
        )

    def forward(self, h: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        return (leaky_relu(self.halve(leaky_relu(self.conv(h)))) + self.skip(h)) / math.sqrt(2)


class StyleGAN2Critic(Component, nn.Module):
    """Critic of pictures with a projection of the condition: `forward(x, context)`, [B, *shape] -> [B].

    Its rows are coupled by the standard deviation of the minibatch; `group=0` leaves it out.

    Arguments:
        shape: (channels, height, width) of the picture.
        widths: channels of each resolution, finest first; the sides are halved between them.
        group: rows whose standard deviation is a feature (0: none).
        vector: width of `context.vector` (0: unconditional), which is projected onto the features.

    Raises:
        ConfigError: if the picture cannot be halved that often.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...] = (32, 64, 128),
        group: int = 4,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.widths, self.group, self.vector = tuple(shape), tuple(widths), group, vector
        size, width = coarsest_size(self.shape, self.widths), widths[-1]
        self.stem = EqualizedConv2d(shape[0], widths[0], 1, gain=LEAKY_GAIN)
        self.body = nn.ModuleList(CriticBlock(fine, coarse) for fine, coarse in pairwise(self.widths))
        self.deviation = MinibatchStd(group) if group else nn.Identity()
        self.conv = EqualizedConv2d(width + bool(group), width, 3, gain=LEAKY_GAIN)
        self.linear = EqualizedLinear(width * math.prod(size), width, gain=LEAKY_GAIN)
        self.head = EqualizedLinear(width, 1)
        self.project = EqualizedLinear(vector, width, bias=None) if vector else None

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, " b"]:
        h = leaky_relu(channels_last(self.stem(x)))
        for block in self.body:
            h = block(h)
        h = leaky_relu(self.conv(self.deviation(h)))
        f = leaky_relu(self.linear(h.flatten(1)))
        score = self.head(f)[:, 0]
        if self.project is not None and context is not None and context.vector is not None:
            score = score + (unit_rms(self.project(context.vector)) * f).sum(1) / math.sqrt(f.shape[1])
        return score
