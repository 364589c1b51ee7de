"""Pictures edited by a trained model of diffusion: a part is drawn anew, or the whole is redrawn, in several variants of each.

Variant v of a picture is a function of (seed, v) and of the picture alone, whatever stands beside it. How either is done, and who thought
of it (RePaint, Lugmayr et al. 2022; SDEdit, Meng et al. 2022), stands in `families/diffusion/editing.py`.
"""

__all__ = ["edit", "own_sampler", "picture_shape"]

from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Unsupported
from morphogen.families.diffusion import DDPM, inpaint, redraw
from morphogen.model import Samples, evaluating
from morphogen.numerics.randomness import Rng

BATCH = 64  # rows drawn at a time
STEPS = 100  # of a part drawn anew, where the model's own sampler looks more than once an interval


def edit(
    model: Any, pictures: Float[Tensor, "b c h w"], mask: Bool[Tensor, "h w"] | None = None, strength: float | None = None, n: int = 4,
    condition: int | None = None, sampler: Any = None, seed: int = 0,
) -> Samples:  # fmt: skip
    """n variants of each picture, those of the first picture first; what the mask leaves is the picture's own, to the bit.

    Arguments:
        model: of diffusion, over pictures.
        pictures: in [-1, 1], as it draws them.
        mask: where to draw anew; None: the whole is redrawn.
        strength: how far it is redrawn, from 0, not at all, to 1, with nothing left of the picture; None: a part, by the mask.
        n: variants of each.
        condition: what they are to become; None: what the picture says, or, of a model that never went without, one drawn for each.
        sampler: of diffusion, guided or not; None: `own_sampler`.
        seed: of all randomness.

    Errors: Unsupported for another model; ConfigError for pictures of another shape, both or neither of mask and strength, guidance
    without a condition, and what `inpaint` and `redraw` refuse.
    """
    _check(model, pictures, mask, strength)
    sampler = sampler if sampler is not None else own_sampler(model, mask is not None)
    given = pictures.to(model.device).repeat_interleave(n, 0)
    mask = mask if mask is None else mask.to(model.device)
    change: Any = partial(redraw, strength=strength or 0.0) if mask is None else partial(inpaint, given=~mask)
    rng, parts = Rng(seed, torch.arange(n).repeat(len(pictures)), ("edit",)).to(model.device), []
    with evaluating(model), torch.no_grad():
        asked, context = _asked(model, condition, sampler, rng)
        x = model.representation.encode(given, rng.fork("encode")).x
        for rows in torch.arange(len(x), device=x.device).split(BATCH):
            seen = None if context is None else context[rows]
            parts.append(change(model.objective, x[rows], context=seen, rng=rng.fork("x")[rows], sampler=sampler))
        medium = model.representation.decode(torch.cat(parts))
    how = {"strength": strength} if mask is None else {"drawn_anew": float(mask.float().mean())}
    made_by = {"seed": seed, "indices": list(range(len(given))), "variants": n, "sampler": repr(sampler)} | how
    return Samples(medium if mask is None else torch.where(mask, medium, given), asked, model.representation, made_by)


def own_sampler(model: Any, part: bool) -> Any:
    """The paper's sampler; for a part, where that looks more than once an interval, steps of a chain (Ho, Jain & Abbeel 2020)."""
    own = model.objective.sampler()
    return DDPM(STEPS, clip=own.clip) if part and getattr(own, "extra", False) else own


def picture_shape(model: Any) -> tuple[int, int, int]:
    """Channels, height and width of the pictures that the model edits. Errors: Unsupported for a model that edits none."""
    if not hasattr(model.objective, "denoise"):
        name = type(model.objective).__name__
        raise Unsupported(f"{name} takes no noise away and edits no pictures; train a model of diffusion: morphogen train ddpm")
    representation = model.representation
    while hasattr(representation, "first"):  # latents: the pictures are those of the first stage
        representation = representation.first.representation
    if len(representation.shape) != 3:
        raise Unsupported(f"{type(representation).__name__} is of no pictures, and only pictures are edited; draw samples instead")
    return tuple(representation.shape)


def _check(model: Any, pictures: Tensor, mask: Tensor | None, strength: float | None) -> None:
    shape = picture_shape(model)
    if tuple(pictures.shape[1:]) != shape or not len(pictures):
        raise ConfigError(f"edit: pictures of {list(pictures.shape)}; give one or more as the model draws them, {list(shape)}")
    if mask is not None and tuple(mask.shape) != shape[1:]:
        raise ConfigError(f"edit: a mask of {list(mask.shape)}; give one of the pictures' size, {list(shape[1:])}")
    if (mask is None) == (strength is None):
        raise ConfigError("edit: give a mask, to draw a part anew, or a strength, to redraw the whole: one of the two")
    if mask is not None and tuple(model.representation.shape) != shape:
        raise Unsupported(f"{type(model.representation).__name__} has no pixels to keep; give a strength instead of a mask")


def _asked(model: Any, condition: int | None, sampler: Any, rng: Rng) -> tuple[Tensor | None, Context | None]:
    """What each variant is asked to be, and what the network sees of it."""
    if condition is None and isinstance(sampler, Guided):
        raise ConfigError("guidance needs a condition to guide towards; give one, or edit without guidance")
    if model.conditioner is None:
        if condition is not None:
            raise ConfigError(f"condition {condition}: the model was trained without conditions; leave it out")
        return None, None
    asked = model.conditioner.draw(rng.fork("draw")) if condition is None else torch.full((len(rng),), condition, device=rng.rows.device)
    if asked is None:
        return None, None
    context = model.conditioner(asked)
    return (None, context.null) if condition is None and context.null is not None else (asked, context)
