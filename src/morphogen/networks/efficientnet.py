r"""EfficientNet without its classification head, as the picture tower of ALIGN.

    stem     conv 3 x 3
    block    expand 1 x 1 -> depthwise k x k -> squeeze and excitation -> project 1 x 1, plus the input
    vector   mean over positions of the last block

B0 has the stages `B0`; the larger networks have them `scaled`: B7 by (2.0, 3.1), L2 by (4.3, 5.3). There is
no stochastic depth. Pictures smaller than those of ImageNet are halved less often (`halved`).

References: EfficientNet: rethinking model scaling for convolutional neural networks, Tan & Le, 2019; Scaling
up visual and vision-language representation learning with noisy text supervision (ALIGN), Jia et al., 2021.
"""

__all__ = ["B0", "EfficientNet", "Stage", "halved", "residual_blocks", "rounded", "scaled"]

import math
from collections.abc import Sequence
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.inverted_residual import ConvNorm, InvertedResidual

Stage: TypeAlias = tuple[int, int, int, int, int]

# blocks, kernel size, stride of the first block, expansion, output channels
B0: tuple[Stage, ...] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SQUEEZE = 0.25  # of the squeeze, per input channel of a block


class EfficientNet(Component, nn.Module):
    """Pictures [B, C, H, W] in [-1, 1] to vectors [B, features] (Tan & Le 2019).

    Arguments:
        channels: C.
        stages: of the blocks, finest first: (blocks, kernel size, stride of the first block, expansion,
            output channels); the vector has those of the last.
        stem: channels of the first convolution.
        stride: of the first convolution.

    Raises ConfigError for a stage without blocks or of even kernels.
    """

    def __init__(self, channels: int, stages: Sequence[Stage], stem: int = 32, stride: int = 2):
        super().__init__()
        self.channels, self.stages = channels, tuple((*stage,) for stage in stages)
        self.stem, self.stride = stem, stride
        if wrong := [stage for stage in self.stages if min(stage) < 1 or not stage[1] % 2]:
            raise ConfigError(
                f"EfficientNet: stage {wrong[0]} must have positive numbers and an odd kernel: "
                "(blocks, kernel, stride, expansion, channels)"
            )
        self.first = ConvNorm(channels, stem, 3, stride, activation=nn.SiLU())
        self.blocks = residual_blocks(stem, self.stages, nn.SiLU(), SQUEEZE)
        self.features = self.stages[-1][-1] if self.stages else stem

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b e"]:
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return h.mean((2, 3))


def residual_blocks(
    width: int, stages: Sequence[Stage], activation: nn.Module, squeeze: float = 0.0
) -> nn.ModuleList:
    """The blocks of all stages, of which the first has `width` input channels; see `InvertedResidual`."""
    blocks = nn.ModuleList()
    for repeats, kernel, stride, expansion, out in stages:
        for i in range(repeats):
            step = 1 if i else stride
            blocks.append(InvertedResidual(width, out, kernel, step, expansion, activation, squeeze))
            width = out
    return blocks


def scaled(width: float, depth: float) -> tuple[Stage, ...]:
    """The stages of B0 with `width` times the channels and `depth` times the blocks (Tan & Le 2019)."""
    return tuple(
        (math.ceil(depth * repeats), kernel, stride, expansion, rounded(width * channels))
        for repeats, kernel, stride, expansion, channels in B0
    )


def rounded(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that loses at most a tenth of the channels."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def halved(stages: Sequence[Stage], times: int) -> tuple[Stage, ...]:
    """Stages of which only the first `times` that halve the resolution do so; the others have stride 1."""
    kept, left = [], times
    for repeats, kernel, stride, expansion, channels in stages:
        kept.append((repeats, kernel, stride if left > 0 else 1, expansion, channels))
        left -= stride > 1
    return tuple(kept)
