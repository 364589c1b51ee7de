r"""Ladder network: a bottom-up pass over x, and a top-down pass that emits groups of variables on the way.

    x -> f_1, f_2, ...                  features of each resolution, finest first (bottom up)
    h_1 = a learned constant            at the coarsest resolution
    (a_l, b_l) = prior(h_l), posterior(h_l, f_l);   h_(l+1) = merge(h_l, z_l)       for every group (top down)
    output = head(h_(L+1))

It knows no probability: an objective decides what a, b and z mean. Both passes share h, so that inference
corrects the generative pass instead of computing everything from x ("Ladder variational autoencoders",
Sonderby et al. 2016; "Very deep VAEs", Child 2021).
"""

__all__ = ["Ladder"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu

Features = dict[str, Float[Tensor, "b ..."]]


class Ladder(Component, nn.Module):
    """Residual blocks on pictures, with `groups[i]` groups of latent channels at scale i, coarsest first.

    Arguments:
        shape: (channels, height, width) of x.
        outputs: channels of the output.
        latent: channels of each group, whose height and width are those of its scale.
        groups: number of groups at each scale, coarsest first.
        width: channels of every scale; the resolution is halved between scales.
        vector: width of `context.vector` (0: unconditional).

    Attributes:
        latent_shape: shape of each group by name, in the order of the top-down pass.

    Errors: ConfigError for a picture that cannot be halved between the scales, or without any group.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        latent: int,
        groups: tuple[int, ...],
        width: int,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.outputs, self.latent = tuple(shape), outputs, latent
        self.groups, self.width, self.vector = tuple(groups), width, vector
        if not sum(groups):
            raise ConfigError(f"Ladder: groups={groups}: give at least one group of latents")
        height, side = coarsest_size(self.shape, (width,) * len(groups))
        scale = {f"scale_{i}_group_{j}": i for i, count in enumerate(groups) for j in range(count)}
        self.latent_shape = {name: (latent, height << i, side << i) for name, i in scale.items()}
        self._feature = {
            name: len(groups) - 1 - i for name, i in scale.items()
        }  # the finest one is the first
        after = [*scale.values(), len(groups) - 1]
        self._finer = {  # the blocks between a group and the next one
            name: range(i + 1, following + 1)
            for (name, i), following in zip(scale.items(), after[1:], strict=True)
        }
        self._first = range(after[0] + 1)
        self.stem = nn.Conv2d(shape[0], width, 3, padding=1)
        self.bottom_up = nn.ModuleList(  # finest first; each but the first halves
            ResidualBlock(width, width, vector, resample="down" if i else None) for i in range(len(groups))
        )
        self.start = nn.Parameter(torch.zeros(width, height, side))
        self.steps: Any = nn.ModuleDict({name: _Step(width, latent, vector) for name in self.latent_shape})
        self.top_down = nn.ModuleList(  # coarsest first; each but the first doubles
            ResidualBlock(width, width, vector, resample="up" if i else None) for i in range(len(groups))
        )
        self.norm, self.head = group_norm(width), nn.Conv2d(width, outputs, 3, padding=1)

    def features(self, x: Float[Tensor, "b c h w"], context: Context | None) -> Features:
        """The bottom-up pass: what each group sees of x, by name."""
        h, vector, scales = self.stem(x), self._vector(context), []
        for block in self.bottom_up:
            h = block(h, vector)
            scales.append(h)
        return {name: scales[i] for name, i in self._feature.items()}

    def begin(self, rows: int, context: Context | None) -> Float[Tensor, "b c h w"]:
        """h before the first group."""
        return self._refine(self._first, self.start.expand(rows, -1, -1, -1), context)

    def prior(
        self, name: str, h: Float[Tensor, "b c h w"], context: Context | None
    ) -> Float[Tensor, "b p h w"]:
        """2 D channels of a group, from the groups before it."""
        return self.steps[name].prior(h, self._vector(context))

    def posterior(
        self, name: str, h: Float[Tensor, "b c h w"], features: Features, context: Context | None
    ) -> Float[Tensor, "b p h w"]:
        """2 D channels of a group, from the groups before it and from x."""
        return self.steps[name].posterior(torch.cat([h, features[name]], 1), self._vector(context))

    def merge(
        self, name: str, h: Float[Tensor, "b c h w"], z: Float[Tensor, "b d h w"], context: Context | None
    ) -> Float[Tensor, "b c _ _"]:
        """h with a group, at the resolution of the next one."""
        return self._refine(self._finer[name], h + self.steps[name].merge(z), context)

    def output(self, h: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e h w"]:
        """The output, of h after the last group."""
        return self.head(norm_silu(self.norm, h))

    def _refine(self, scales: range, h: Tensor, context: Context | None) -> Tensor:
        for scale in scales:
            h = self.top_down[scale](h, self._vector(context))
        return h

    def _vector(self, context: Context | None) -> Tensor | None:
        return context.vector if self.vector and context is not None else None


class _Step(nn.Module):
    """The parts of one group."""

    def __init__(self, width: int, latent: int, vector: int):
        super().__init__()
        self.prior_block, self.prior_head = ResidualBlock(width, width, vector), _parameters(width, latent)
        self.posterior_block = ResidualBlock(2 * width, width, vector)
        self.posterior_head, self.merge = _parameters(width, latent), nn.Conv2d(latent, width, 1)

    def prior(self, h: Tensor, vector: Tensor | None) -> Tensor:
        return self.prior_head(self.prior_block(h, vector))

    def posterior(self, h: Tensor, vector: Tensor | None) -> Tensor:
        return self.posterior_head(self.posterior_block(h, vector))


def _parameters(width: int, latent: int) -> nn.Module:
    """A map to 2 D channels that returns 0 at initialisation."""
    conv = nn.Conv2d(width, 2 * latent, 3, padding=1)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(nn.SiLU(), conv)
