r"""Pictures from pictures: a part filled in, the whole redrawn, a picture taken back to its noise. All by a trained model as it is.

inpaint   at every level the given part is the picture's own x_s, the rest is drawn; a few times over, so that both agree
redraw    x_t of the picture for some t on the way, and down from there: the larger t, the less of it is left
invert    the flow without noise, walked up: the noise that Euler's steps would turn into this picture
translate up as what it is, down as what it is to become

All but the way up are steered as drawing is: a guided sampler guides the objective, and the one inside it takes the steps.
"""

__all__ = ["inpaint", "invert", "redraw", "translate"]

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Sampler
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import DDPM, Denoiser, DiffusionSampler, Euler, Interval
from morphogen.families.diffusion.steering import ClassifierGuided
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


@torch.no_grad()
def inpaint(
    objective: Any, picture: Float[Tensor, "b ..."], given: Bool[Tensor, "..."], context: Context | None, rng: Rng,
    sampler: Sampler | None = None, rounds: int = 5,
) -> Float[Tensor, "b ..."]:  # fmt: skip
    """Draw what is not given; what is stays as it is, to the bit (RePaint, Lugmayr et al. 2022, algorithm 1, jumps of one step).

    Arguments:
        objective: of diffusion.
        picture: x, of which only the given part is looked at.
        given: which numbers are, broadcast against x.
        context: of the network.
        rng: of its rows.
        sampler: one call an interval, guided or not; None: the objective's chain.
        rounds: how often each interval is gone down; between them, up again.

    Errors: ConfigError for a mask of another size, a sampler that looks more than once, or no round.
    """
    _check_same_size(given, picture)
    objective, sampler = _steered(objective, context, sampler)
    if sampler.extra or rounds < 1:
        needed = "take a sampler of one call an interval, as DDPM or DDIM, and at least one round"
        raise ConfigError(f"inpaint: {sampler!r}, {rounds} rounds: {needed}")
    denoise = Denoiser(objective, context, sampler.clip)
    process, grid = denoise.process, sampler.grid(denoise.process)
    x = process.prior * rng.fork("start").normal(*picture.shape[1:])
    for i, (time, following) in enumerate(pairwise(grid)):
        t, s = (process.moment(at, x) for at in (time, following))
        for k in range(rounds if following else 1):
            draw = rng.fork("step", i, k)
            found = denoise(x, t)
            down = sampler.step(denoise, Interval(t, s, x, found, None, 0, draw)) if following else found.x_0
            known = process.diffuse(picture, draw.fork("given").normal(*picture.shape[1:]), s) if following else picture
            below = torch.where(given, known, down)
            if following and k + 1 < rounds:
                x = _noised(process, below, s, t, draw.fork("up"))
        x = below
    return x


@torch.no_grad()
def redraw(
    objective: Any, picture: Float[Tensor, "b ..."], strength: float, context: Context | None, rng: Rng,
    sampler: Sampler | None = None,
) -> Float[Tensor, "b ..."]:  # fmt: skip
    """The picture, noised to a share of the way, and drawn anew from there (SDEdit, Meng et al. 2022, algorithm 1).

    Arguments:
        objective, picture, context, rng: as of `inpaint`.
        strength: share of the sampler's intervals that are gone, in 0 .. 1; 0: the picture itself; 1: as if there were none.
        sampler: guided or not; None: the objective's chain.

    Errors: ConfigError for another strength.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"redraw: strength {strength} is no share; give 0 (the picture itself) .. 1 (nothing of it)")
    objective, sampler = _steered(objective, context, sampler)
    denoise = Denoiser(objective, context, sampler.clip)
    grid = sampler.grid(denoise.process)
    gone = round(strength * (len(grid) - 1))
    if not gone:
        return picture
    begun = denoise.process.diffuse(picture, rng.fork("start").normal(*picture.shape[1:]), denoise.process.moment(grid[-1 - gone], picture))
    return sampler.descend(denoise, begun, grid[-1 - gone :], rng)


@torch.no_grad()
def invert(
    objective: Any, picture: Float[Tensor, "b ..."], context: Context | None, sampler: DiffusionSampler | None = None
) -> Float[Tensor, "b ..."]:
    """x_T from which `Euler`, or DDIM at eta = 0, comes back to the picture: the nearer, the more steps (Song et al. 2021, 4.3).

    Arguments:
        objective, picture, context: as of `inpaint`.
        sampler: whose grid is walked up; None: 100 steps.
    """
    sampler = sampler if sampler is not None else Euler(100, clip=None)
    denoise = Denoiser(objective, context, sampler.clip)
    process, x = denoise.process, picture
    up = sampler.grid(process)[::-1]
    for time, following in pairwise([up[1], *up[1:]]):  # at 0 a network was never asked: its answer next to the data serves
        x = denoise.straight(x, process.moment(time, x), process.moment(following, x))
    return x


@torch.no_grad()
def translate(
    objective: Any, picture: Float[Tensor, "b ..."], was: Context | None, context: Context | None, rng: Rng,
    sampler: Sampler | None = None,
) -> Float[Tensor, "b ..."]:  # fmt: skip
    """The noise that would become this picture, drawn as something else (Dual diffusion implicit bridges, Su, Song, Meng & Ermon 2023).

    Arguments:
        objective, picture, rng: as of `inpaint`.
        was: what the picture is.
        context: what it is to become.
        sampler: whose grid is walked up and, guided or not, down; None: `Euler` in 100 steps.
    """
    guided, sampler = _steered(objective, context, sampler if sampler is not None else Euler(100))
    denoise = Denoiser(guided, context, sampler.clip)
    return sampler.descend(denoise, invert(objective, picture, was, sampler), sampler.grid(denoise.process), rng)


def _steered(objective: Any, context: Context | None, sampler: Any) -> tuple[Any, DiffusionSampler]:
    """The objective as it is guided, and the sampler that takes the steps."""
    while isinstance(sampler, Guided | ClassifierGuided):
        objective, sampler = sampler.guide(objective, context), sampler.sampler
    if sampler is not None and not isinstance(sampler, DiffusionSampler):
        raise ConfigError(f"{type(sampler).__name__} takes no noise away; edit with a sampler of diffusion, as DDPM(100)")
    return objective, sampler if sampler is not None else DDPM(clip=1.0)


def _noised(process: ForwardProcess, x_s: Tensor, s: Tensor, t: Tensor, rng: Rng) -> Tensor:
    """x_t ~ q(x_t | x_s)."""
    ratio = (process.levels(t)[0] / process.levels(s)[0]).to(x_s.dtype)
    beta = process.posterior(s, t).beta
    return expand_like(ratio, x_s) * x_s + expand_like(beta.sqrt(), x_s) * rng.normal(*x_s.shape[1:])


def _check_same_size(given: Tensor, picture: Tensor) -> None:
    try:
        fits = torch.broadcast_shapes(given.shape, picture.shape) == picture.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigError(f"inpaint: a mask of {list(given.shape)} does not fit pictures of {list(picture.shape)}")
