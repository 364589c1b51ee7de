r"""Differentiable augmentation of what the critic sees, real and generated pictures alike.

    critic: D(T(x)), D(T(G(z)));    generator: D(T(G(z)))           T random, differentiable in its argument

With few data the critic memorizes them. Augmenting the data alone would teach the generator the
augmentations; applied to both sides, and differentiated through, they leave the optimum where it is, if the
distribution of T(x) determines that of x.

Reference: Differentiable augmentation for data-efficient GAN training, Zhao, Liu, Lin, Zhu & Han, 2020.
"""

__all__ = ["DiffAugment"]

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.randomness import Rng
from morphogen.numerics.translation import translated

POLICIES = ("color", "translation", "cutout")


class DiffAugment(Component):
    """DiffAugment of pictures [B, C, H, W] (Zhao et al. 2020).

    Arguments:
        policies: which of "color" (brightness +- 1/2, saturation x 0..2, contrast x 1/2..3/2), "translation"
            (by up to 1/8 of a side, filled with `background`) and "cutout" (of a square with half the sides).
        background: value of what is shifted in, and of the cutout; -1 in pictures with a black background.

    Errors: ConfigError for another name.
    """

    def __init__(self, policies: Sequence[str] = ("color", "translation", "cutout"), background: float = 0.0):
        self.policies, self.background = tuple(policies), background
        unknown = sorted(set(policies) - set(POLICIES))
        if unknown:
            raise ConfigError(f"DiffAugment: {unknown[0]!r}: give {', '.join(POLICIES)}")

    def __call__(self, x: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        for policy in self.policies:
            x = getattr(self, f"_{policy}")(x, rng.fork(policy))
        return x

    def _color(self, x: Tensor, rng: Rng) -> Tensor:
        brightness, saturation, contrast = rng.uniform(3, 1, 1, 1).to(x).unbind(1)
        x = x + (brightness - 0.5)
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (2 * saturation)
        mean = x.mean((1, 2, 3), keepdim=True)
        return mean + (x - mean) * (contrast + 0.5)

    def _translation(self, x: Tensor, rng: Rng) -> Tensor:
        most = max(1, x.shape[2] // 8), max(1, x.shape[3] // 8)
        down, right = (rng.fork(axis).integers(2 * m + 1) - m for axis, m in zip("yx", most, strict=True))
        return translated(x, down, right, most, self.background)

    def _cutout(self, x: Tensor, rng: Rng) -> Tensor:
        _, _, h, w = x.shape
        inside = []
        for axis, side in zip("yx", (h, w), strict=True):
            center = rng.fork(axis).integers(side + 1 - side % 2)
            positions = torch.arange(side, device=x.device)
            low = (center - side // 4)[:, None]
            inside.append((positions >= low) & (positions < low + side // 2))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return torch.where(hole, torch.full_like(x, self.background), x)
