r"""Linear multistep sampling: the predicted noise is extrapolated from several steps.

    x_s = (alpha_s / alpha_t) (x_t - sigma_t e) + sigma_s e
    e   = (55 eps_0 - 59 eps_1 + 37 eps_2 - 9 eps_3) / 24,     eps_i predicted i steps before

Adams-Bashforth coefficients of order 4; the first steps, with fewer predictions, have those of lower order.
"""

__all__ = ["PNDM"]

from jaxtyping import Float
from torch import Tensor

from morphogen.families.diffusion.samplers import Clip, ClippedDenoiser, DiffusionSampler, StepState
from morphogen.families.diffusion.timesteps import TimestepSpacing
from morphogen.numerics.tensors import expand_like

ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


class PNDM(DiffusionSampler):
    r"""Pseudo linear multistep method (PLMS), the default sampler of Stable Diffusion 1.

    Pseudo numerical methods for diffusion models on manifolds, Liu, Ren, Lin & Zhao, 2022, equation 12. As in
    Rombach et al. 2022, the first step is one of Heun, with a second call, instead of Runge-Kutta's with
    four. The coefficients assume uniform times.

    Arguments:
        steps: number of denoiser calls, one more than the times; see `DiffusionSampler`.
        clip, spacing: see `DiffusionSampler`.
    """

    extra_calls_per_step = 1

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 51,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        eps = (state.eps, *(prediction.eps for _, prediction in state.history))
        weights = ADAMS_BASHFORTH[len(eps) - 1]
        extrapolated = sum(weight * e for weight, e in zip(weights[1:], eps[1:], strict=True))
        x_s = _transfer(denoise, state, weights[0] * state.eps + extrapolated)
        if not state.extra_calls:
            return x_s
        return _transfer(denoise, state, (state.eps + denoise(x_s, state.s).eps) / 2)

    def _intervals(self, steps: int) -> int:
        return max(1, steps - 1)

    def _extra_calls(self, intervals: int) -> int:
        return int(intervals > 1)


def _transfer(
    denoise: ClippedDenoiser, state: StepState, eps: Float[Tensor, "b ..."]
) -> Float[Tensor, "b ..."]:
    """x_s from x_t, for this noise: DDIM's step."""
    alpha_t, sigma_t = denoise.process.alpha_sigma(state.t)
    alpha_s, sigma_s = denoise.process.alpha_sigma(state.s)
    on_x_t, on_eps = alpha_s / alpha_t, sigma_s - alpha_s * sigma_t / alpha_t
    on_x_t, on_eps = (expand_like(c.to(eps.dtype), eps) for c in (on_x_t, on_eps))
    return on_x_t * state.x_t + on_eps * eps
