"""Pictures edited by a trained model of diffusion, in several variants of each.

    Inpainted     a part is drawn anew, the rest is the picture's own, to the bit        (RePaint, Lugmayr et al. 2022)
    Redrawn       the whole is, and what is left of it is a matter of strength           (SDEdit, Meng et al. 2022)
    Translated    it becomes of another class: its own noise, drawn as that              (Su et al. 2023)

Variant v of a picture is a function of (seed, v) and of the picture alone, whatever stands beside it. How they are done stands in
`families/diffusion/editing.py`.
"""

__all__ = ["Change", "Inpainted", "Redrawn", "Translated", "edit", "picture_shape"]

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.families.diffusion import DDIM, DDPM, inpaint, redraw, translate
from morphogen.model import Samples, evaluating
from morphogen.numerics.randomness import Rng

BATCH = 64  # rows drawn at a time
STEPS = 100  # of a part drawn anew, where the model's own sampler looks more than once an interval; of the way to the noise and back


class Change(ABC):
    """What becomes of pictures."""

    def own_sampler(self, model: Any) -> Sampler:
        """The paper's."""
        return model.objective.sampler()

    def check(self, model: Any, condition: int | None) -> None:
        """Errors: ConfigError for what does not fit the model's pictures, or what they are to become."""

    @abstractmethod
    def draw(self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler) -> Float[Tensor, "b ..."]:
        """x, changed."""

    def whole(self, drawn: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The pictures that come out, of what was drawn and what was given."""
        return drawn

    @property
    @abstractmethod
    def told(self) -> dict[str, Any]:
        """What is written down of it."""


@dataclass(frozen=True)
class Inpainted(Change):
    """A part is drawn anew.

    Arguments:
        mask: where, [H, W].
    """

    mask: Bool[Tensor, "h w"]

    def own_sampler(self, model: Any) -> Sampler:
        """The paper's, or, where that looks more than once an interval, steps of a chain (Ho, Jain & Abbeel 2020)."""
        own = model.objective.sampler()
        return DDPM(STEPS, clip=own.clip) if getattr(own, "extra", False) else own

    def check(self, model: Any, condition: int | None) -> None:
        shape = picture_shape(model)
        if tuple(self.mask.shape) != shape[1:]:
            raise ConfigError(f"edit: a mask of {list(self.mask.shape)}; give one of the pictures' size, {list(shape[1:])}")
        if tuple(model.representation.shape) != shape:
            raise Unsupported(f"{type(model.representation).__name__} has no pixels to keep; give a strength instead of a mask")

    def draw(self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler) -> Float[Tensor, "b ..."]:
        return inpaint(model.objective, x, ~self.mask.to(x.device), context, rng, sampler)

    def whole(self, drawn: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return torch.where(self.mask.to(given.device), drawn, given)

    @property
    def told(self) -> dict[str, Any]:
        return {"drawn_anew": float(self.mask.float().mean())}


@dataclass(frozen=True)
class Redrawn(Change):
    """The whole is drawn anew from a share of the way.

    Arguments:
        strength: from 0, not at all, to 1, with nothing left of the picture.
    """

    strength: float

    def draw(self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler) -> Float[Tensor, "b ..."]:
        return redraw(model.objective, x, self.strength, context, rng, sampler)

    @property
    def told(self) -> dict[str, Any]:
        return {"strength": self.strength}


@dataclass(frozen=True)
class Translated(Change):
    """What is of one class becomes of another.

    Arguments:
        was: the class it is of.
    """

    was: int

    def own_sampler(self, model: Any) -> Sampler:
        """DDIM, whose way down is the way up again (Song, Meng & Ermon 2021)."""
        process = model.objective.schedule
        return DDIM(STEPS if process.clock.is_floating_point else min(STEPS, int(process.last)))

    def check(self, model: Any, condition: int | None) -> None:
        if model.conditioner is None:
            raise ConfigError(f"edit: pictures of class {self.was}: the model knows no classes; redraw them by a strength instead")
        if condition is None:
            raise ConfigError(f"edit: pictures of class {self.was} are to become of another; give it as the condition")

    def draw(self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler) -> Float[Tensor, "b ..."]:
        was = model.context(torch.full((len(x),), self.was, device=x.device))
        return translate(model.objective, x, was, context, rng, sampler)

    @property
    def told(self) -> dict[str, Any]:
        return {"was": self.was}


def edit(
    model: Any, pictures: Float[Tensor, "b c h w"], change: Change, n: int = 4, condition: int | None = None,
    sampler: Any = None, seed: int = 0, negative: int | None = None,
) -> Samples:  # fmt: skip
    """n variants of each picture, those of the first picture first.

    Arguments:
        model: of diffusion, over pictures.
        pictures: in [-1, 1], as it draws them.
        change: what becomes of them.
        n: variants of each.
        condition: the class they are to become of; None: what the picture says, or, of a model that never went without, one drawn for each.
        sampler: of diffusion, guided or not; None: the change's own.
        seed: of all randomness.
        negative: a class that guidance pushes away from, in the place of none.

    Errors: Unsupported for another model; ConfigError for pictures of another shape, guidance without a condition, a negative without
    guidance, and what the change refuses.
    """
    shape = picture_shape(model)
    if tuple(pictures.shape[1:]) != shape or not len(pictures):
        raise ConfigError(f"edit: pictures of {list(pictures.shape)}; give one or more as the model draws them, {list(shape)}")
    change.check(model, condition)
    sampler = sampler if sampler is not None else change.own_sampler(model)
    given = pictures.to(model.device).repeat_interleave(n, 0)
    rng, parts = Rng(seed, torch.arange(n).repeat(len(pictures)), ("edit",)).to(model.device), []
    with evaluating(model), torch.no_grad():
        asked, context = _asked(model, condition, negative, sampler, rng)
        x = model.representation.encode(given, rng.fork("encode")).x
        for rows in torch.arange(len(x), device=x.device).split(BATCH):
            seen = None if context is None else context[rows]
            parts.append(change.draw(model, x[rows], seen, rng.fork("x")[rows], sampler))
        medium = change.whole(model.representation.decode(torch.cat(parts)), given)
    made_by = {"seed": seed, "indices": list(range(len(given))), "variants": n, "sampler": repr(sampler)} | change.told
    return Samples(medium, asked, model.representation, made_by | ({} if negative is None else {"negative": negative}))


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


def _asked(model: Any, condition: int | None, negative: int | None, sampler: Any, rng: Rng) -> tuple[Tensor | None, Context | None]:
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
    context = model.context(asked)
    if condition is None and context.null is not None:
        return None, context.null
    return asked, context if negative is None else model.away_from(context, torch.full_like(asked, negative), sampler)
