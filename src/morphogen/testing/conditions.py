"""Laws of conditions: they matter, the null context does not know them, and dropping one is not giving it."""

__all__ = [
    "condition_matters",
    "dropped_equals_not_given",
    "null_is_independent_of_the_condition",
]

import copy
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.conditioning.dropout import Dropout
from morphogen.contract import Batch, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, length, same, tree_map
from morphogen.testing.subjects import assert_close, last_stage


def condition_matters(model: Any, batch: Batch) -> None:
    """The losses change with every condition that the model takes."""
    last = last_stage(model).eval()
    player, rng = next(iter(last.players())), Rng(0, len(batch), ("law",))
    for name in last.taken(batch.condition):
        rolled = tree_map(lambda leaf: leaf.roll(1, 0), batch.condition[name])
        other = replace(batch, condition={**batch.condition, name: rolled})
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
    """Dropping a condition equals not giving it: in the null context, its samples and the rows of training.

    In training, the whole context of a row is that of some of its conditions; each optional one is dropped.
    """
    last = last_stage(model).eval()
    condition = last.taken(batch[:4].condition)
    context = last.context(condition, 4)
    if context is None or context.null is None:
        return
    ways = _contexts_of_some(last, condition)
    required, fewest = next(iter(ways.items()))
    for row in range(4):
        equal = _close(_seen(context.null, row), _seen(fewest, row))
        assert equal, "the null context is not the one without the condition"
    shape, rng, sampler = last.representation.shape, Rng(0, 4, ("law",)), last.objective.default_sampler()
    with torch.no_grad():
        null, absent = (sampler(last.objective, shape, c, rng) for c in (context.null, fewest))
    assert_close(null, absent, 1e-5, "a sample without the condition")
    kept, dropped = _never_dropping(last), set[str]()
    for seed in range(32):
        rng = Rng(seed, 4)
        drawn, ways = last.context(condition, 4, rng), _contexts_of_some(kept, condition, rng)
        for row in range(4):
            given = [names for names, way in ways.items() if _close(_seen(drawn, row), _seen(way, row))]
            assert given, "a row in training is neither that of its conditions nor that without some"
            dropped |= condition.keys() - given[-1]
    optional = sorted(condition.keys() - required)
    assert dropped.issuperset(optional), f"of {optional}, only {sorted(dropped)} are dropped in training"


def _never_dropping(model: Any) -> Any:
    """A copy that adds the same noise to its conditions in training, but drops none."""
    copied = copy.deepcopy(model)
    for part in copied.modules():
        if isinstance(part, Dropout):
            part.p = 0.0
    return copied


def _contexts_of_some(
    model: Any, condition: Mapping[str, Tree], rng: Rng | None = None
) -> dict[frozenset[str], Context]:
    """The contexts of every subset of the conditions that the model accepts, from none to all."""
    found: dict[frozenset[str], Context] = {}
    for size in range(len(condition) + 1):
        for names in combinations(condition, size):
            with suppress(ConfigError):  # a condition that the model requires is missing
                given = model.context({name: condition[name] for name in names}, 4, rng)
                found |= {} if given is None else {frozenset(names): given}
    return found


def _null(model: Any, condition: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """The fields of the null context; {} without one."""
    given = model.taken(condition)
    context = model.context(given, length(given)) if given else None
    return {} if context is None or context.null is None else _fields(context.null)


def _fields(context: Context) -> dict[str, Any]:
    every = {f.name: getattr(context, f.name) for f in fields(replace(context, null=None))}
    return {name: value for name, value in every.items() if value is not None}


def _seen(context: Context, row: int) -> dict[str, Any]:
    """What a network reads of one row of a context: its valid tokens, without their padding."""
    bare = replace(context, null=None, condition={})
    seen = {name: value[row] for name, value in _fields(bare).items() if name != "condition"}
    if (mask := seen.get("mask")) is not None:
        valid = mask if mask.ndim == 1 else mask.any(0)
        seen |= {"tokens": seen["tokens"][valid], "mask": mask[..., valid]}
    elif "tokens" in seen:
        seen["mask"] = seen["tokens"].new_ones(len(seen["tokens"]), dtype=torch.bool)
    if "spatial" in seen and not seen["spatial"].any():
        del seen["spatial"]  # networks read zeros for planes that are not given
    return seen


def _close(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].shape == second[name].shape
        and torch.allclose(first[name].float(), second[name].float(), atol=1e-6)
        for name in first
    )
