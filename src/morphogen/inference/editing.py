"""Picture editing with a trained diffusion model, in several variants per picture.

    Inpaint         a masked part is drawn anew; the rest is kept exactly       (RePaint, Lugmayr et al. 2022)
    SDEdit          the whole is redrawn; the strength sets how much is kept    (SDEdit, Meng et al. 2022)
    DDIMTranslate   the picture's own noise is decoded as another class         (Su et al. 2023)

Autoregressive models continue a picture instead (`picture_completion.py`). Variant v of a picture depends on
(seed, v) and on the picture only. `families/diffusion/editing.py` has the algorithms.
"""

__all__ = [
    "DDIMTranslate",
    "Edit",
    "Inpaint",
    "SDEdit",
    "conditions_of_variants",
    "edit",
    "picture_shape",
]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import max_pool2d

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided, check_guidance, guidances
from morphogen.conditioning.named import draw_condition
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.families.diffusion import DDIM, DDPM, ddim_translate, inpaint, sdedit
from morphogen.model import evaluating, with_negative
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, tree_map
from morphogen.representations.given import as_tensor, check_finite
from morphogen.samples import Samples
from morphogen.staged import samplers_of
from morphogen.typed import check_fields
from morphogen.wrong_calls import explains_calls, explains_construction

WHITE = 1, 255  # of masks, where to redraw
BATCH = 64  # rows processed at a time
STEPS = 100  # of inpainting where the default sampler is a multi-call solver; of DDIM inversion and decoding


class Edit(ABC):
    """An edit of pictures."""

    def default_sampler(self, model: Any) -> Sampler:
        """The objective's default sampler."""
        return model.objective.default_sampler()

    def check_model(self, model: Any) -> None:
        """Check that the model can make such edits. Errors: Unsupported."""
        picture_shape(model)

    def check(self, model: Any, condition: Any) -> None:
        """Check that the edit fits the model and the condition. Errors: ConfigError."""

    def shown(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """What the model sees of the given pictures."""
        return pictures

    @abstractmethod
    def apply(
        self, model: Any, x: Shaped[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler
    ) -> Shaped[Tensor, "b ..."]:
        """The edited x."""

    def composite(
        self, edited: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        """The final pictures, from the edited and the given ones."""
        return edited

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The settings of the edit, as JSON."""


@explains_construction
@dataclass(frozen=True)
class Inpaint(Edit):
    """Redraw a masked part of the picture; of latents, all those that have a part in it.

    Arguments:
        mask: True where to redraw, [H, W]: a tensor, an array or a PIL picture of two values, which becomes
            a tensor of booleans.
    """

    mask: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", _as_mask(self.mask))

    def default_sampler(self, model: Any) -> Sampler:
        """The objective's default sampler, or DDPM if that makes several calls per interval."""
        default, t_max = model.objective.default_sampler(), model.objective.t_max
        if not getattr(default, "extra_calls_per_step", 0):
            return default
        return DDPM(min(STEPS, t_max) if isinstance(t_max, int) else STEPS, clip=default.clip)

    def check(self, model: Any, condition: Any) -> None:
        shape = picture_shape(model)
        if tuple(self.mask.shape) != shape[1:]:
            size = list(self.mask.shape)
            raise ConfigError(f"edit: the mask is {size}; give one of the pictures' size, {list(shape[1:])}")
        if self.mask.all() or not self.mask.any():
            same = "True" if self.mask.all() else "False"
            raise ConfigError(
                f"edit: the mask is {same} everywhere; set True where to redraw, False where to keep"
            )
        if not _is_grid(x_shape := tuple(model.representation.shape), shape):
            raise Unsupported(
                f"{type(model.representation).__name__} has no x for each part of the picture, but "
                f"{list(x_shape)}; give a strength instead of a mask"
            )

    def apply(
        self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler
    ) -> Float[Tensor, "b ..."]:
        cell = self.mask.shape[0] // x.shape[2], self.mask.shape[1] // x.shape[3]
        redrawn = max_pool2d(self.mask.to(x.device)[None].float(), cell)[0] > 0
        return inpaint(model.objective, x, ~redrawn, context, rng, sampler)

    def composite(
        self, edited: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        return torch.where(self.mask.to(given.device), edited, given)

    @property
    def record(self) -> dict[str, Any]:
        return {"redrawn_fraction": float(self.mask.float().mean())}


@explains_construction
@dataclass(frozen=True)
class SDEdit(Edit):
    """Add noise to the picture, then denoise it.

    Arguments:
        strength: fraction of the sampling steps, from 0 (no change) to 1 (nothing is kept).
    """

    strength: float

    def __post_init__(self) -> None:
        check_fields(self)

    def apply(
        self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler
    ) -> Float[Tensor, "b ..."]:
        return sdedit(model.objective, x, self.strength, context, rng, sampler)

    @property
    def record(self) -> dict[str, Any]:
        return {"strength": self.strength}


@explains_construction
@dataclass(frozen=True)
class DDIMTranslate(Edit):
    """Invert the picture as one class and decode its noise as another.

    Arguments:
        source_class: class of the given pictures, as `sample` takes a condition.
    """

    source_class: Any

    def default_sampler(self, model: Any) -> Sampler:
        """DDIM, whose deterministic steps can be inverted (Song, Meng & Ermon 2021)."""
        process = model.objective.schedule
        return DDIM(STEPS if process.time_dtype.is_floating_point else min(STEPS, int(process.t_max)))

    def check(self, model: Any, condition: Any) -> None:
        if model.conditioner is None:
            raise ConfigError(
                f"edit: source class {self.source_class}: the model has no classes; use a strength instead"
            )
        if condition is None:
            raise ConfigError(
                f"edit: source class {self.source_class} needs a target; give another class as the condition"
            )
        model.conditions(self.source_class, 1, "source_class")

    def apply(
        self, model: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng, sampler: Sampler
    ) -> Float[Tensor, "b ..."]:
        source = model.context(model.conditions(self.source_class, len(x), "source_class"), len(x))
        return ddim_translate(model.objective, x, source, context, rng, sampler)

    @property
    def record(self) -> dict[str, Any]:
        return {"source_class": _recorded(self.source_class)}


@explains_calls
def edit(
    model: Any, pictures: Float[Tensor, "b c h w"], change: Edit, n: int = 4, condition: Any = None,
    sampler: Any = None, seed: int = 0, negative: Any = None,
) -> Samples:  # fmt: skip
    """Edit pictures; returns n variants per picture, in the order of the pictures.

    Arguments:
        model: a diffusion model of pictures, or a `Cascade` of some, each of which is edited given the edited
            sample of the ones before; for `Completion`, an autoregressive model.
        pictures: in [-1, 1], [B, C, H, W], of the model's shape.
        change: the edit.
        n: variants per picture.
        condition: target class, one or one per picture, as `sample` takes it; None: unconditional, or random
            classes for a model trained without condition dropout.
        sampler: a diffusion sampler, with or without guidance; None: the default of the edit.
        seed: random seed.
        negative: a class that guidance uses in place of the null condition, one or one per picture.

    Errors: Unsupported for other models; ConfigError for pictures of another shape, guidance without a
        condition, or
    `negative` without guidance.
    """
    if len(getattr(model, "chain", ())) > 1:
        return _edit_in_stages(model, pictures, change, n, condition, sampler, seed, negative)
    change.check_model(model)
    pictures = model.representation.check(pictures)
    change.check(model, condition)
    sampler = sampler if sampler is not None else change.default_sampler(model)
    given = pictures.to(model.device).repeat_interleave(n, 0)
    rng, parts = Rng(seed, torch.arange(n).repeat(len(pictures)), ("edit",)).to(model.device), []
    with evaluating(model), torch.no_grad():
        conditions, context = conditions_of_variants(model, condition, negative, sampler, rng, n)
        x = model.representation.encode(change.shown(given), rng.fork("encode"), measure=False).x
        for rows in torch.arange(len(x), device=x.device).split(BATCH):
            context_of_rows = None if context is None else context[rows]
            parts.append(change.apply(model, x[rows], context_of_rows, rng.fork("x")[rows], sampler))
        medium = change.composite(model.representation.decode(torch.cat(parts)), given)
    settings = {"seed": seed, "variants": n, "sampler": repr(sampler), **change.record}
    return _recorded_samples(model, medium, conditions, settings, negative)


def picture_shape(model: Any, task: str = "edit") -> tuple[int, int, int]:
    """(C, H, W) of the pictures that a model can edit or restore. Errors: Unsupported if there are none."""
    if not hasattr(model.objective, "schedule"):
        name = type(model.objective).__name__
        raise Unsupported(f"{name} cannot {task} pictures, only diffusion models can: morphogen train ddpm")
    representation = model.representation.source
    if len(representation.shape) != 3:
        raise Unsupported(
            f"{task} is for pictures only, and {type(representation).__name__} represents another medium"
        )
    return tuple(representation.shape)


def conditions_of_variants(
    model: Any, condition: Any, negative: Any, sampler: Any, rng: Rng, variants: int
) -> tuple[Mapping[str, Tree], Context | None]:
    """The conditions of each variant, and their context.

    Arguments:
        model: a diffusion model.
        condition, negative, sampler: see `edit`.
        rng: random stream of the variants, in the order of their pictures.
        variants: per picture.

    Errors: ConfigError for guidance without a condition, and for a condition that the model does not take.
    """
    check_guidance(model.conditioner, sampler)
    if condition is None and any(isinstance(s, Guided) for s in guidances(sampler)):
        raise ConfigError("guidance requires a condition: give one, or leave guidance out")
    if model.conditioner is None:
        if condition is not None:
            raise ConfigError(
                f"condition {condition!r:.40}: the model was trained without conditions; omit it"
            )
        return {}, None
    n, absent = len(rng), model.conditioner.absent(len(rng))
    if condition is None and absent is not None:
        return {}, absent

    def of_variants(given: Any, argument: str) -> Mapping[str, Tree]:
        of_pictures = model.conditions(given, n // variants, argument)
        return tree_map(lambda leaf: leaf.repeat_interleave(variants, 0), of_pictures)

    if condition is None:
        conditions = model.conditions(draw_condition(model.conditioner, rng.fork("draw")), n)
    else:
        conditions = of_variants(condition, "condition")
    context = model.context(conditions, n)
    if negative is not None:
        context = with_negative(model, context, of_variants(negative, "negative"), sampler)
    return conditions, context


def _edit_in_stages(
    cascade: Any, pictures: Float[Tensor, "b c h w"], change: Edit, n: int, condition: Any, sampler: Any,
    seed: int, negative: Any,
) -> Samples:  # fmt: skip
    """The edit of a cascade: x of each stage, given the edited x of the stages before."""
    stages = {name: cascade.models[name] for name in cascade.chain}
    for stage in stages.values():
        change.check_model(stage)
        change.check(stage, condition)
    pictures = cascade.representation.check(pictures)
    given = pictures.to(cascade.device).repeat_interleave(n, 0)
    own = {name: change.default_sampler(stage) for name, stage in stages.items()}
    samplers = own if sampler is None else samplers_of(cascade, sampler)
    rng = Rng(seed, torch.arange(n).repeat(len(pictures)), ("edit",)).to(cascade.device)
    conditions, unwanted = (
        tree_map(lambda leaf: leaf.repeat_interleave(n, 0), cascade.conditions(one, len(pictures), argument))
        for one, argument in ((condition, "condition"), (negative, "negative"))
    )
    x = dict(conditions)
    with evaluating(cascade), torch.no_grad():
        for name, stage in stages.items():
            context, excluded = stage.context(stage.taken(x), len(given)), stage.taken(unwanted)
            if excluded:
                context = with_negative(stage, context, stage.taken({**x, **excluded}), samplers[name])
            check_guidance(stage.conditioner, samplers[name])
            encoded = stage.representation.encode(
                change.shown(given), rng.fork("encode", name), measure=False
            )
            x[name] = change.apply(stage, encoded.x, context, rng.fork("x", name), samplers[name])
        medium = change.composite(cascade.decode({name: x[name] for name in stages}), given)
    settings = {"seed": seed, "variants": n, "sampler": repr(samplers), **change.record}
    return _recorded_samples(cascade, medium, conditions, settings, negative)


def _recorded_samples(
    model: Any, medium: Tensor, conditions: Mapping[str, Tree], settings: dict[str, Any], negative: Any
) -> Samples:
    """The edited pictures with their settings."""
    settings |= {"indices": list(range(len(medium)))}
    settings |= {} if negative is None else {"negative": _recorded(negative)}
    return Samples(medium, conditions, model.representation, settings)


def _is_grid(x: tuple[int, ...], picture: tuple[int, int, int]) -> bool:
    """Whether x is a grid of channels, each for the same number of pixels."""
    return len(x) == 3 and all(side % cells == 0 for cells, side in zip(x[1:], picture[1:], strict=True))


def _as_mask(given: Any) -> Bool[Tensor, "..."]:
    """Where a mask of 0 and 1, or of 0 and 255, is not 0. Errors: ConfigError for other values."""
    values = as_tensor(given, "pixels of the mask")
    check_finite(values[None], "pixels of the mask")
    low, high = values.double().min().item(), values.double().max().item()
    if high not in (0, *WHITE) or not ((values == 0) | (values == high)).all():
        mask = "mask" if hasattr(given, "dtype") else "np.asarray(mask)"
        raise ConfigError(
            f"the mask has values from {low:g} to {high:g}: give True where to redraw, False where to keep, "
            f"such as {mask} > {(low + high) / 2:g}"
        )
    return values != 0


def _recorded(condition: Any) -> Any:
    """A condition as JSON; a mapping of one as that one."""
    whole = dict(condition) if isinstance(condition, Mapping) else {"": condition}
    plain = {name: given.tolist() if hasattr(given, "tolist") else given for name, given in whole.items()}
    return next(iter(plain.values())) if len(plain) == 1 else plain
