"""A network that knows the world: what diffusion's samplers are held against."""

__all__ = ["Knowing"]

from typing import Any

from torch import Tensor

from morphogen.contract import Context
from morphogen.families.diffusion.targets import Denoised
from morphogen.worlds import GaussianMixture


class Knowing:
    """An objective of diffusion whose answers are a world's own."""

    variance = "posterior"

    def __init__(self, schedule: Any, world: GaussianMixture):
        self.schedule, self.world = schedule, world

    def denoise(self, x: Tensor, t: Tensor, context: Context | None) -> Denoised:
        alpha, sigma = (float(level[0]) for level in self.schedule.levels(t))
        score = self.world.diffused(alpha, sigma).score(x).to(x.dtype)
        x_0 = self.world.mean.expand_as(x).to(x.dtype) if alpha == 0 else (x + sigma**2 * score) / alpha
        return Denoised(x_0, -sigma * score)
