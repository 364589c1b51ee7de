"""The law of guidance: wrappers of one prediction compose in any order."""

__all__ = ["guidance_composes_in_any_order"]

from typing import Any

import torch
from torch import Tensor, nn

from morphogen.conditioning.guidance import Guidance, Guided
from morphogen.contract import Batch, Context, Sampler
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.numerics.trees import leaves
from morphogen.testing.subjects import context_of, last_stage


def guidance_composes_in_any_order(model: Any, batch: Batch) -> None:
    """Classifier-free guidance inside guidance by the raw condition, and the reverse, give equal samples.

    Tokens are equal exactly, real values to 1e-4. Models without a null context
    have no classifier-free guidance.
    """
    last = last_stage(model).eval()
    context = context_of(last, batch)
    if context is None or context.null is None or not hasattr(last.objective, "predict"):
        return
    default, shape, rng = last.objective.default_sampler(), last.representation.shape, Rng(0, 2, ("law",))
    samplers = (
        Guided(_ConditionScale(default), 2.0),
        _ConditionScale(Guided(default, 2.0)),
        Guided(default, 2.0),
    )
    with torch.no_grad():
        inside, outside, alone = (sampler(last.objective, shape, context, rng) for sampler in samplers)
    distance = (inside - outside).abs().max().item()
    assert distance <= (1e-4 if inside.is_floating_point() else 0), (
        f"guidance in the two orders differs by {distance:.2g}"
    )
    assert not torch.equal(inside, alone), "guidance by the raw condition is dropped in both orders"


class _ConditionScale(Guidance):
    """Guidance that multiplies the prediction by a factor, which depends on the raw condition of the row."""

    def __init__(self, sampler: Sampler):
        self.sampler = sampler

    def guide(self, objective: Any, context: Context | None) -> Any:
        return objective.steered(_Scaled)


class _Scaled(nn.Module):
    """A prediction times the factor."""

    def __init__(self, predict: Any):
        super().__init__()
        self.predict = predict
        if hasattr(predict, "make_cache"):
            self.make_cache = lambda rows, context: _ScaledCache(predict.make_cache(rows, context), context)

    def forward(self, *arguments: Any) -> Any:
        outputs, context = self.predict(*arguments), arguments[-1]
        if isinstance(outputs, Tensor):
            return _scaled(outputs, context)
        fields = (None if value is None else _scaled(value, context) for value in outputs)
        return type(outputs)(*fields)


class _ScaledCache:
    """A decoding cache whose logits are multiplied by the factor."""

    def __init__(self, cache: Any, context: Context):
        self.cache, self.context = cache, context

    def step(self, previous: Tensor | None) -> Tensor:
        return _scaled(self.cache.step(previous), self.context)


def _scaled(outputs: Tensor, context: Context) -> Tensor:
    """The outputs times a factor in -1 .. -0.6 that depends on the raw condition of the row."""
    condition = next(leaves(context.condition), None)
    if condition is None:
        return outputs
    factor = 0.2 * condition.view(len(condition), -1).float().mean(1).sin() - 0.8
    return expand_like(factor, outputs).to(outputs.dtype) * outputs
