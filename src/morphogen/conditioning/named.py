"""Conditions as a person gives them: one for all samples or one each, with a name where there are several."""

__all__ = [
    "check_conditions",
    "check_given",
    "draw_condition",
    "name_conditions",
    "names_of",
    "own_specs",
    "sole_name",
    "with_label",
]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, ConditionSpec
from morphogen.numerics.arrays import tensor_of_array
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, tree_map
from morphogen.similar_names import list_names


def name_conditions(
    names: Sequence[str], condition: Any, n: int | None, argument: str = "condition",
    specs: Mapping[str, ConditionSpec] | None = None, sole: str | None = None,
) -> Mapping[str, Tree]:  # fmt: skip
    """The named conditions of n rows.

        >>> name_conditions(["label"], 3, n=2)
        {'label': tensor([3, 3])}

    Arguments:
        names: of the conditions that the model takes.
        condition: one for all rows, a number, a text or [1, ...], or one each, [n, ...]; or a mapping of
            names to these, where tensors are what batches and samples have; None: none. The name of a part of
            a condition stands for itself: {"age": 30} is {"cells": {"age": 30}}.
        n: number of rows; None: as many as are given of each condition.
        argument: its name, for errors.
        specs: what the conditions are, by name, which reads those in words.
        sole: the one that a condition without a name is; None: the only one that the model takes.

    Errors: ConfigError for a condition that the model does not take, without a name if it takes several, for
    another number of rows, and for words that cannot be read.
    """
    if condition is None:
        return {}
    if not isinstance(condition, Mapping):
        if sole is None and len(names) != 1:
            takes = f"{', '.join(names)}: give one by name" if names else "no condition: omit it"
            raise ConfigError(f"{argument} {_shown(condition)}: the model takes {takes}")
        name = names[0] if sole is None else sole
        condition = {name: _read(condition, (specs or {}).get(name), argument)}
    condition = _whole(names, condition, specs or {}, argument)
    read = {
        name: given if isinstance(given, Tensor) else _read(given, (specs or {}).get(name), argument)
        for name, given in condition.items()
    }
    return {name: _rows(given, n, f"{argument} {name!r}") for name, given in read.items()}


def with_label(condition: Any, representation: Any) -> Any:
    """Conditions by name, with "label" for the name of the column of the classes; others unchanged."""
    column = getattr(getattr(representation.source, "label", None), "name", None)
    if not isinstance(condition, Mapping) or column not in condition or "label" in condition:
        return condition
    return {"label" if name == column else name: value for name, value in condition.items()}


def check_conditions(conditioner: Conditioner | None, condition: Mapping[str, Tree]) -> None:
    """Check the values of named conditions, such as the range of labels. Errors: ConfigError."""
    given = None if conditioner is None else conditioner.select(condition)
    if conditioner is not None and given is not None:
        conditioner.check(given)


def check_given(conditioner: Conditioner | None, condition: Mapping[str, Tree]) -> None:
    """Check that no condition is missing of which the model has p(x | c) alone.

    Without condition dropout no null context was trained: the network without a context is neither p(x) nor
    p(x | c) of any c. Parts of x, such as a prompt, may be missing.

    Errors: ConfigError with the name of the condition.
    """
    if conditioner is None:
        return
    needed = [name for name in conditioner.required if name in conditioner.trained_on]
    if missing := [name for name in needed if name not in condition]:
        raise ConfigError(
            f"the model requires the condition {missing[0]!r}, which is missing: give condition=..., "
            "or train without it for p(x)"
        )


def names_of(conditioner: Conditioner | None) -> tuple[str, ...]:
    """The names of the conditions that a model takes."""
    return () if conditioner is None else conditioner.names


def draw_condition(conditioner: Conditioner | None, rng: Rng) -> Mapping[str, Tree] | None:
    """Random conditions by name, for samples requested without one; None: the samples have none."""
    drawn = None if conditioner is None else conditioner.sample_condition(rng)
    return None if conditioner is None or drawn is None else conditioner.named(drawn)


def own_specs(conditioner: Conditioner | None) -> Mapping[str, ConditionSpec]:
    """What the conditions are that the model and not the data know, by name: given cells of its columns."""
    parts: Iterable[Any] = () if conditioner is None else conditioner.modules()
    return {part.name: part.spec for part in parts if isinstance(getattr(part, "spec", None), ConditionSpec)}


def sole_name(conditioner: Conditioner | None) -> str | None:
    """The name of the only condition that a model requires; None if it requires none or several."""
    required = () if conditioner is None else conditioner.required
    return required[0] if len(required) == 1 else None


def _whole(
    names: Sequence[str], condition: Mapping[str, Any], specs: Mapping[str, ConditionSpec], argument: str
) -> dict[str, Any]:
    """The conditions by name; parts of one, such as the columns of given cells, as a mapping of its name.

    Errors: ConfigError for a condition that the model does not take, or a part beside its condition.
    """
    owners = {part: name for name, spec in specs.items() for part in spec.parts if part not in names}
    whole = {name: given for name, given in condition.items() if name not in owners}
    parts: dict[str, dict[str, Any]] = {}
    for part, owner in owners.items():
        if part in condition:
            parts.setdefault(owner, {})[part] = condition[part]
    if twice := sorted(parts.keys() & whole.keys()):
        part = next(iter(parts[twice[0]]))
        raise ConfigError(f"{argument} has {part!r} beside {twice[0]!r}: give {part!r} inside {twice[0]!r}")
    if unknown := sorted(whole.keys() - set(names)):
        columns = f", and the columns {list_names(list(owners))}" if owners else ""
        takes = f"{', '.join(names) or 'no conditions'}{columns}"
        raise ConfigError(f"{argument} {', '.join(unknown)}: the model takes {takes}")
    return whole | parts


def _read(given: Any, spec: ConditionSpec | None, argument: str) -> Any:
    """Words as tensors. Errors: ConfigError with the value."""
    try:
        return given if spec is None else spec.read(given)
    except ConfigError as error:
        raise ConfigError(f"{argument} {_shown(given)}: {error}") from None


def _shown(given: Any) -> str:
    """The beginning of a value on one line, also of an array."""
    return " ".join(repr(given).split())[:40]


def _rows(given: Tree, n: int | None, what: str) -> Tree:
    """One condition for each of n rows, or of those given.

    Errors: ConfigError for another number of rows, and for words.
    """

    def expand(leaf: Any) -> Shaped[Tensor, "n ..."]:
        try:
            rows = tensor_of_array(leaf) if isinstance(leaf, np.ndarray) else torch.as_tensor(leaf)
        except (TypeError, ValueError, RuntimeError):
            found = f"{what} is {_shown(leaf)}"
            raise ConfigError(f"{found}: give numbers, such as the index of a class") from None
        if not len(rows := rows[None] if rows.ndim == 0 else rows):
            raise ConfigError(f"{what} has no rows: give one for all rows, or one each")
        if n is None:
            return rows
        if len(rows) not in (1, n):
            raise ConfigError(f"{what} has {len(rows)} rows, not {n}: give one for all rows, or one each")
        return rows if len(rows) == n else rows.expand(n, *rows.shape[1:])

    return tree_map(expand, given)
