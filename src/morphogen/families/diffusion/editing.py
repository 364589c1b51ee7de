r"""Image editing with a trained diffusion model: inpainting, SDEdit, DDIM inversion and translation.

    inpaint           keeps a known part and samples the rest: at every time, the known part of x_s is that of
                      the diffused image; each step is repeated to make the two parts consistent
    sdedit            diffuses the image to a time t and samples from there; a larger t keeps less of it
    ddim_invert       integrates the probability-flow ODE from the image to its noise
    ddim_sample       samples from given noise, the inverse of the inversion
    ddim_translate    inverts the image with its own condition, and samples from that noise with another

Guidance (`Guided`, `ClassifierGuided`) applies to all of them but the inversion: it wraps the prediction of
the objective, and its inner sampler takes the steps.
"""

__all__ = ["ddim_invert", "ddim_sample", "ddim_translate", "inpaint", "sdedit"]

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import guidances
from morphogen.contract import Context, Sampler
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import DDPM, ClippedDenoiser, DiffusionSampler, Euler, StepState
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


@torch.no_grad()
def inpaint(
    objective: Denoiser,
    image: Float[Tensor, "b ..."],
    known: Bool[Tensor, "..."],
    context: Context | None,
    rng: Rng,
    sampler: Sampler | None = None,
    rounds: int = 5,
) -> Float[Tensor, "b ..."]:
    """Sample the unknown part of x; the known part is returned bit for bit.

    RePaint, Lugmayr et al., 2022, algorithm 1, with jumps of one step.

    Arguments:
        objective: a diffusion objective.
        image: x, of which only the known part is used.
        known: mask of the known elements, broadcast against x.
        context: passed to the network.
        rng: random stream of the rows.
        sampler: a sampler with one call per step, guided or not; None: DDPM over the whole chain.
        rounds: how often each step is taken; x is diffused back to t in between.

    Errors: ConfigError for a mask of another shape, a sampler with several calls per step, or rounds < 1.
    """
    objective, sampler = _unwrap(objective, context, sampler)
    _check_inpaint(image, known, sampler, rounds)
    denoise = ClippedDenoiser(objective, context, sampler.clip)
    process = denoise.process
    x = process.prior_std * rng.fork("start").normal(*image.shape[1:])
    for i, (start, end) in enumerate(pairwise(sampler.grid(process))):
        t, s = process.full_time(start, x), process.full_time(end, x)
        if not end:
            return torch.where(known, image, denoise(x, t).x_0)
        for k in range(rounds):
            state = StepState(t, s, x, denoise(x, t), (), 0, rng.fork("step", i, k))
            x_s = _inpaint_step(denoise, sampler, state, image, known)
            x = x_s if k + 1 == rounds else _diffuse_step(process, x_s, s, t, state.rng.fork("up"))
    return torch.where(known, image, x)


@torch.no_grad()
def sdedit(
    objective: Denoiser,
    image: Float[Tensor, "b ..."],
    strength: float,
    context: Context | None,
    rng: Rng,
    sampler: Sampler | None = None,
) -> Float[Tensor, "b ..."]:
    """Diffuse the image part of the way and sample from there (SDEdit, Meng et al. 2022, algorithm 1).

    Arguments:
        objective, image, context, rng: see `inpaint`.
        strength: fraction of the sampler's steps to take, in 0 .. 1; 0 returns the image, 1 ignores it.
        sampler: a diffusion sampler, guided or not; None: DDPM over the whole chain.

    Errors: ConfigError for a strength outside 0 .. 1.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(
            f"strength {strength} is out of range: use 0 (returns the image) .. 1 (nothing of it is kept)"
        )
    objective, sampler = _unwrap(objective, context, sampler)
    denoise = ClippedDenoiser(objective, context, sampler.clip)
    grid = sampler.grid(denoise.process)
    steps = round(strength * (len(grid) - 1))
    if not steps:
        return image
    grid = grid[-1 - steps :]
    eps = rng.fork("start").normal(*image.shape[1:])
    x_t = denoise.process.diffuse(image, eps, denoise.process.full_time(grid[0], image))
    return sampler.integrate(denoise, x_t, grid, rng)


@torch.no_grad()
def ddim_invert(
    objective: Denoiser,
    image: Float[Tensor, "b ..."],
    context: Context | None,
    sampler: DiffusionSampler | None = None,
) -> Float[Tensor, "b ..."]:
    """DDIM inversion: the x_T from which `Euler`, or DDIM with eta = 0, approximately recovers the image.

    Song et al., 2021, section 4.3. The error decreases with the number of steps.

    Arguments:
        objective, image, context: see `inpaint`.
        sampler: the sampler whose grid is integrated in reverse; None: 100 steps.
    """
    sampler = sampler if sampler is not None else Euler(100, clip=None)
    denoise = ClippedDenoiser(objective, context, sampler.clip)
    process, x = denoise.process, image
    times = sampler.grid(process)[::-1]
    times[0] = times[1]  # the network isn't trained at t = 0: its prediction at the next time is used
    for start, end in pairwise(times):
        x = denoise.ode_step(x, process.full_time(start, x), process.full_time(end, x))
    return x


@torch.no_grad()
def ddim_sample(
    objective: Denoiser,
    x_t: Float[Tensor, "b ..."],
    context: Context | None,
    rng: Rng,
    sampler: Sampler,
) -> Float[Tensor, "b ..."]:
    """Sample from given noise: by `Euler`, or DDIM with eta = 0, the inverse of `ddim_invert`.

    Arguments:
        objective, context, rng: see `inpaint`.
        x_t: the noise, x at the last time of the process.
        sampler: a diffusion sampler, guided or not.
    """
    objective, inner = _unwrap(objective, context, sampler)
    denoise = ClippedDenoiser(objective, context, inner.clip)
    return inner.integrate(denoise, x_t, inner.grid(denoise.process), rng)


@torch.no_grad()
def ddim_translate(
    objective: Denoiser,
    image: Float[Tensor, "b ..."],
    source: Context | None,
    context: Context | None,
    rng: Rng,
    sampler: Sampler | None = None,
) -> Float[Tensor, "b ..."]:
    """Translate an image: invert it with its own condition, then sample from that noise with another.

    Dual diffusion implicit bridges, Su, Song, Meng & Ermon, 2023.

    Arguments:
        objective, image, rng: see `inpaint`.
        source: context of the image.
        context: context of the result.
        sampler: the sampler whose grid is used in both directions; guidance applies to the second only; None:
            `Euler` in 100 steps.
    """
    sampler = sampler if sampler is not None else Euler(100)
    x_t = ddim_invert(objective, image, source, _unwrap(objective, context, sampler)[1])
    return ddim_sample(objective, x_t, context, rng, sampler)


def _unwrap(objective: Any, context: Context | None, sampler: Any) -> tuple[Denoiser, DiffusionSampler]:
    """The guided objective, and the inner sampler of a guided sampler."""
    for guidance in guidances(sampler):
        objective, sampler = guidance.guide(objective, context), guidance.sampler
    if sampler is not None and not isinstance(sampler, DiffusionSampler):
        raise ConfigError(
            f"editing requires a diffusion sampler, such as DDPM(100), got {type(sampler).__name__}"
        )
    return objective, sampler if sampler is not None else DDPM()


def _inpaint_step(
    denoise: ClippedDenoiser, sampler: DiffusionSampler, state: StepState, image: Tensor, known: Tensor
) -> Tensor:
    """A step of the sampler from x_t to x_s, with the known part of x_s from q(x_s | image)."""
    x_s = sampler.step(denoise, state)
    eps = state.rng.fork("given").normal(*image.shape[1:])
    return torch.where(known, denoise.process.diffuse(image, eps, state.s), x_s)


def _diffuse_step(process: ForwardProcess, x_s: Tensor, s: Tensor, t: Tensor, rng: Rng) -> Tensor:
    """Sample x_t ~ q(x_t | x_s), s < t."""
    ratio = (process.alpha_sigma(t)[0] / process.alpha_sigma(s)[0]).to(x_s.dtype)
    beta = process.posterior(s, t).beta
    return expand_like(ratio, x_s) * x_s + expand_like(beta.sqrt(), x_s) * rng.normal(*x_s.shape[1:])


def _check_inpaint(image: Tensor, known: Tensor, sampler: DiffusionSampler, rounds: int) -> None:
    if sampler.extra_calls_per_step or rounds < 1:
        raise ConfigError(
            "inpaint requires a sampler of one call per step, such as DDPM or DDIM, and at least one round, "
            f"got {sampler!r} and {rounds} rounds"
        )
    try:
        fits = torch.broadcast_shapes(known.shape, image.shape) == image.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigError(
            f"inpaint: a mask of shape {list(known.shape)} does not fit images of shape {list(image.shape)}"
        )
