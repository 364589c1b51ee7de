"""Laws of conditions: they matter, the null context does not know them, and dropping one is not giving it."""

__all__ = [
    "condition_matters",
    "dropped_equals_not_given",
    "null_is_independent_of_the_condition",
]

import copy
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.contract import Batch, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, same, tree_map
from morphogen.testing.subjects import assert_close, last_stage


def condition_matters(model: Any, batch: Batch) -> None:
    """The losses change with every condition that the model takes."""
    last = last_stage(model).eval()
    player, rng = next(iter(last.players())), Rng(0, len(batch), ("law",))
    for name in last.taken(batch.condition):
        rolled = tree_map(lambda leaf: leaf.roll(1, 0), batch.condition[name])
        other = Batch(batch.medium, {**batch.condition, name: rolled})
        totals = [last(b, rng, player).total for b in (batch, other)]
        assert not torch.equal(*totals), f"the losses do not change with the condition {name!r}"


def null_is_independent_of_the_condition(model: Any, batch: Batch) -> None:
    """The null context is the same whatever the condition, except for what is required."""
    last = last_stage(model)
    required = () if last.conditioner is None else last.conditioner.required
    free = {name: value for name, value in batch.condition.items() if name not in required}
    rolled = {**batch.condition, **tree_map(lambda leaf: leaf.roll(1, 0), free)}
    null, other = (_null(last, condition) for condition in (batch.condition, rolled))
    assert same(null, other), "the condition leaks into null"


def dropped_equals_not_given(model: Any, batch: Batch) -> None:
    """A sample from the null context equals one with what is required; in training, a row has either."""
    last = last_stage(model).eval()
    condition = last.taken(batch[:4].condition)
    context = last.context(condition, 4)
    if context is None or context.null is None:
        return
    required = {name: condition[name] for name in last.conditioner.required}
    shape, rng = last.representation.shape, Rng(0, 4, ("law",))
    sampler = last.objective.default_sampler()
    with torch.no_grad():
        null, absent = (
            sampler(last.objective, shape, c, rng) for c in (context.null, last.context(required, 4))
        )
    assert_close(null.double(), absent.double(), 1e-5, "a sample without the condition")
    given = _never_dropped(last)
    for seed in range(8):
        kept, row = (each.context(condition, 4, Rng(seed, 4)) for each in (given, last))
        ways = [_network_fields(c) for c in (kept, context.null, row)]
        for name in ways[2]:
            full, dropped, drawn = (way.get(name) for way in ways)
            if full is None or dropped is None or full.shape != dropped.shape:
                continue  # token sequences are padded to a common length
            either = (drawn == full).flatten(1).all(1) | (drawn == dropped).flatten(1).all(1)
            assert either.all(), f"a row of {name} is neither kept nor dropped in training"


def _never_dropped(model: Any) -> Any:
    """A copy that adds the same noise to its conditions, but drops none."""
    copied = copy.deepcopy(model)
    for part in copied.modules():
        if isinstance(part, ConditionDropout):
            part.p = 0.0
    return copied


def _null(model: Any, condition: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """The fields of the null context; {} without one."""
    given = model.taken(condition)
    context = model.context(given, len(next(iter(given.values())))) if given else None
    return {} if context is None or context.null is None else _fields(context.null)


def _fields(context: Context) -> dict[str, Any]:
    every = {f.name: getattr(context, f.name) for f in fields(replace(context, null=None))}
    return {name: value for name, value in every.items() if value is not None}


def _network_fields(context: Context) -> dict[str, Any]:
    """What a network reads of a context."""
    return {name: value for name, value in _fields(context).items() if name not in ("condition", "mask")}
