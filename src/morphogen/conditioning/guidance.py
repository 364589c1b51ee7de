"""Guidance for every family: samplers that wrap the prediction of an objective.

    predict = null + scale (conditional - null)          (Ho & Salimans 2022; scale 1 = off)

Classifier-free guidance extrapolates from the unconditional to the conditional prediction. eps, x_0, v, score
and logits are affine in the network's output, so one class serves diffusion and autoregressive models. What
is extrapolated is registered per type of prediction (`steering.extrapolate`): of diffusion x_0 and eps, while
a learned variance stays the conditional one's. A negative condition (`Model.sample`) may take the place of
the null condition. A prompt cannot, because it is part of x: see `PromptGuided` of the autoregressive family.

Guidance composes in any order: `Guided(ClassifierGuided(DDIM(), classifier), 3.0)` and
`ClassifierGuided(Guided(DDIM(), 3.0), classifier)` give the same samples.
"""

__all__ = ["Guidance", "Guided", "check_guidance", "guidances"]

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context, Prefills, Reorders, Sampler, Truncates, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import cat
from morphogen.steering import extrapolate


class Guidance(Sampler):
    """Base class of samplers that wrap the prediction of the objective and leave the steps to `sampler`."""

    sampler: Sampler

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        return self.sampler(self.guide(objective, context), shape, context, rng)

    @abstractmethod
    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with the guided prediction, for `sampler` and for image editing."""


class Guided(Guidance):
    """Sample with classifier-free guidance (Ho & Salimans 2022).

    Arguments:
        sampler: any sampler of a family with a prediction, with or without other guidance.
        scale: 1 samples the conditional distribution; larger values sharpen it.
        interval: (low, high), the times at which to guide, both included, in the time of the process: 1 .. T
            for a chain of T steps, 0 .. 1 for `VP`, sigma for `EDM`; None: always. Images need guidance only
            in the middle of the trajectory, which also preserves their diversity (Applying guidance in a
            limited interval, Kynkaanniemi et al. 2024).
    """

    def __init__(self, sampler: Sampler, scale: float, interval: tuple[float, float] | None = None):
        self.sampler, self.scale, self.interval = sampler, scale, interval

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with the guided prediction, for `sampler` and for image editing.

        Errors: Unsupported without a prediction; ConfigError without a condition, without a null or negative
        condition, or for an interval outside the times of the process.
        """
        if not math.isfinite(self.scale):
            raise ConfigError(f"Guided: the scale is {self.scale}: give a finite number; 1 is off")
        if not hasattr(objective, "predict"):
            name = type(objective).__name__
            raise Unsupported(f"{name} does not support guidance; leave it out, or use scale 1")
        if context is None:
            raise ConfigError("guidance requires a condition: pass one, or sample without guidance")
        if context.null is None:
            raise ConfigError(
                "guidance requires a model that was trained with condition dropout (ConditionDropout): "
                "sample without guidance, or give a negative condition"
            )
        if self.interval is not None:
            _check_interval(self.interval, objective)
        return objective.steered(lambda predict: _GuidedPrediction(predict, self.scale, self.interval))


def check_guidance(conditioner: Conditioner | None, sampler: Any) -> None:
    """Check that a guided sampler has a condition to be guided by: the model was trained with one.

    Prompts and given cells are parts of x, which training does not need.

    Errors: ConfigError for a model that no condition can guide.
    """
    is_guided = any(isinstance(guidance, Guided) for guidance in guidances(sampler))
    if is_guided and not (conditioner and conditioner.trained_on):
        raise ConfigError(
            "guidance requires a condition that the model was trained with, and it has none: "
            f"leave {option('guidance')} out"
        )


def guidances(sampler: Any) -> Iterator[Guidance]:
    """The guidance around a sampler, the outermost first."""
    while isinstance(sampler, Guidance):
        yield sampler
        sampler = sampler.sampler


class _GuidedPrediction(nn.Module):
    """Evaluate the null and the conditional prediction in one batch of twice the size."""

    def __init__(self, predict: Any, scale: float, interval: tuple[float, float] | None):
        super().__init__()
        self.predict, self.scale, self.interval = predict, scale, interval
        if hasattr(predict, "make_cache"):
            self.make_cache = self._cache

    def forward(self, *arguments: Any) -> Any:
        *inputs, context = arguments
        outputs = self.predict(*[cat([x, x]) for x in inputs], _both(context))
        if self.interval is None:
            return extrapolate(outputs, self.scale)
        t, (low, high) = inputs[1], self.interval
        return extrapolate(outputs, torch.where((low <= t) & (t <= high), self.scale, 1.0))

    def _cache(self, rows: int, context: Context) -> "_GuidedCache":
        cache = self.predict.make_cache(2 * rows, _both(context))
        full = all(isinstance(cache, protocol) for protocol in (Prefills, Reorders, Truncates))
        return (_FullGuidedCache if full else _GuidedCache)(cache, rows, self.scale)


class _GuidedCache:
    """One decoding cache for a batch of twice the size: null rows, then conditional rows."""

    def __init__(self, cache: Any, rows: int, scale: float):
        self.cache, self.rows, self.scale = cache, rows, scale

    def step(self, previous: Tensor | None) -> Tensor:
        doubled = None if previous is None else torch.cat([previous, previous])
        return extrapolate(self.cache.step(doubled), self.scale)


class _FullGuidedCache(_GuidedCache):
    """A `_GuidedCache` that also supports `prefill`, `reorder` and `truncate`."""

    @property
    def length(self) -> int:
        return self.cache.length

    def prefill(self, tokens: Tensor) -> Tensor:
        return extrapolate(self.cache.prefill(torch.cat([tokens, tokens])), self.scale)

    def reorder(self, rows: Tensor) -> None:
        self.cache.reorder(torch.cat([rows, rows + self.rows]))
        self.rows = len(rows)

    def truncate(self, length: int) -> None:
        self.cache.truncate(length)


def _both(context: Context) -> Context:
    """The null context and the context along the batch axis, null first.

    Both halves have the raw condition and the null context of their rows, for guidance inside the prediction,
    and the prompt, which is part of x.
    """
    assert context.null is not None
    shared = Context(condition=context.condition, null=context.null).map(lambda rows: torch.cat([rows, rows]))
    null = replace(context.null, prefix=context.prefix)
    return replace(Context.cat(null, context), condition=shared.condition, null=shared.null)


def _check_interval(interval: tuple[float, float], objective: Any) -> None:
    """Errors: ConfigError for a prediction without time, and an interval without a time of the process."""
    low, high = interval
    t_max = objective.t_max
    if t_max is None:
        raise ConfigError(
            "a guidance interval requires a model with a time input; "
            f"{type(objective).__name__} has none: omit the interval"
        )
    first, last = (math.ceil(low), math.floor(high)) if isinstance(t_max, int) else (low, high)
    if not (first <= last and last > 0 and first <= t_max):
        raise ConfigError(
            f"the guidance interval ({low:g}, {high:g}) has no time of the process: "
            f"give (low, high) within 0 .. {t_max:g}"
        )
