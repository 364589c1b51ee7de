r"""Vision transformer: a picture as a sequence of patches and a class token, whose output represents it.

    s   = (x - mean) / std                                  per channel, of x in [0, 1]
    h_0 = norm([class, W s_1 .. W s_n] + W_p),    h_l = block_l(h_(l-1))        attention to all positions
    y   = W_o norm(h_L at the class token)

The norm before the first layer and the output without a bias are CLIP's.

References: An image is worth 16x16 words (ViT), Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai et al.,
2021; Learning transferable visual models from natural language supervision (CLIP), Radford et al., 2021.
"""

__all__ = ["Projection", "VisionTransformer"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import LearnedPositions


class VisionTransformer(Component, nn.Module):
    """Pictures [B, C, H, W] in [-1, 1] to vectors [B, features] (Dosovitskiy et al. 2021).

    Arguments:
        shape: (C, H, W) of the pictures.
        patch: side of a patch in pixels, which divides H and W.
        block: template of one layer; the network holds copies of it.
        layers: number of layers.
        features: width of the output.
        mean, std: of each channel of pictures in [0, 1], which are subtracted and divided by; with 0.5, the
            default, the network sees the pictures as they are.
        initializer: weight initialisation; None: `NormalInit`.

    Raises ConfigError for a patch that does not divide the sides, or a mean or std of other channels.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: int,
        block: Layer,
        layers: int,
        features: int,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        channels, height, width = shape
        if patch < 1 or height % patch or width % patch:
            raise ConfigError(
                f"VisionTransformer: patches of {patch} do not divide {height} x {width}: give a divisor"
            )
        self.shape, self.patch, self.layers, self.features = tuple(shape), patch, layers, features
        self.mean = tuple(mean) if mean is not None else (0.5,) * channels
        self.std = tuple(std) if std is not None else (0.5,) * channels
        if not len(self.mean) == len(self.std) == channels or not min(self.std) > 0:
            raise ConfigError(
                f"VisionTransformer: mean {self.mean} and std {self.std} must be {channels} numbers each, "
                "and every std positive"
            )
        self.initializer = initializer if initializer is not None else NormalInit()
        self.stem = nn.Conv2d(channels, block.width, patch, patch, bias=False)
        self.class_token = nn.Parameter(block.width**-0.5 * torch.randn(block.width))
        self.positions = LearnedPositions(1 + (height // patch) * (width // patch), block.width)
        self.first_norm = block.final_norm()
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm, self.projection = block.final_norm(), nn.Linear(block.width, features, bias=False)
        self.initializer(self, layers)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b e"]:
        patches = self.stem(self._standardized(x)).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(x), 1, -1).to(patches.dtype)
        h = torch.cat([first, patches], 1) + self.positions(0, 1 + patches.shape[1])
        h = self.first_norm(h)
        for block in self.blocks:
            h = block(h, causal=False)
        return self.projection(self.norm(h[:, 0]))

    def _standardized(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mean, std = (x.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((x + 1) / 2 - mean) / std


class Projection(Component, nn.Module):
    """Linear map of a vector [B, D] to [B, features] (Radford et al. 2021, figure 3).

    Arguments:
        width: D.
        features: width of the output.
        bias: whether it has a bias; CLIP's has none, ALIGN's has one.
    """

    def __init__(self, width: int, features: int, bias: bool = False):
        super().__init__()
        self.width, self.features, self.bias = width, features, bias
        self.linear = nn.Linear(width, features, bias=bias)
        nn.init.normal_(self.linear.weight, std=width**-0.5)

    def forward(self, x: Float[Tensor, "b d"], context: Context | None = None) -> Float[Tensor, "b e"]:
        return self.linear(x)
