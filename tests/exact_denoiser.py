"""The exact denoiser of a Gaussian mixture, for tests of the diffusion samplers."""

__all__ = ["ExactDenoiser"]

from typing import Any

from torch import Tensor

from morphogen.closed_form import GaussianMixture
from morphogen.contract import Context
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.targets import Denoised


class ExactDenoiser(Denoiser):
    """A diffusion objective that predicts E[x_0 | x_t] and E[eps | x_t] of a Gaussian mixture exactly."""

    variance = "posterior"

    def __init__(self, schedule: Any, truth: GaussianMixture):
        self.schedule, self.truth = schedule, truth

    def predict(self, x: Tensor, t: Tensor, context: Context | None) -> Denoised:
        alpha, sigma = (float(level[0]) for level in self.schedule.alpha_sigma(t))
        score = self.truth.diffused(alpha, sigma).score(x).to(x.dtype)
        x_0 = self.truth.mean.expand_as(x).to(x.dtype) if alpha == 0 else (x + sigma**2 * score) / alpha
        return Denoised(x_0, -sigma * score)
