"""Conditions as a person gives them: one for all samples or one each, with a name where there are several."""

__all__ = ["name_conditions", "names_of"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner
from morphogen.numerics.trees import Tree, tree_map


def name_conditions(
    names: Sequence[str], condition: Tree | int | None, n: int, argument: str = "condition"
) -> Mapping[str, Tree]:
    """The named conditions of n rows.

        >>> name_conditions(["label"], 3, n=2)
        {'label': tensor([3, 3])}

    Arguments:
        names: of the conditions that the model takes; with one, the name may be left out.
        condition: one for all rows, or [n, ...]; or a mapping of names to these; None: none.
        n: number of rows.
        argument: its name, for errors.

    Errors: ConfigError for a condition that the model does not take, without a name if it takes several, for
    another number of rows, and for words.
    """
    if condition is None:
        return {}
    if not isinstance(condition, Mapping):
        if len(names) != 1:
            takes = f"{', '.join(names)}: give one by name" if names else "no condition: omit it"
            raise ConfigError(f"{argument} {condition!r:.40}: the model takes {takes}")
        condition = {names[0]: condition}
    elif unknown := sorted(condition.keys() - set(names)):
        takes = ", ".join(names) or "no conditions"
        raise ConfigError(f"{argument} {', '.join(unknown)}: the model takes {takes}")
    return {name: tree_map(partial(_rows, f"{argument} {name}", n), tree) for name, tree in condition.items()}


def _rows(name: str, n: int, value: Any) -> Shaped[Tensor, "n ..."]:
    """One value as n rows, or n values as they are. Errors: ConfigError for another number, and for words."""
    try:
        rows = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{name}={value!r:.40}: give numbers, such as the index of a class") from None
    if rows.ndim == 0 or len(rows) == 1:
        return rows.expand(n, *rows.shape[1:])
    if len(rows) != n:
        raise ConfigError(f"{name} has {len(rows)} rows for {n} samples: give one value, or {n}")
    return rows


def names_of(conditioner: Conditioner | None) -> tuple[str, ...]:
    """The names of the conditions that a model takes."""
    return () if conditioner is None else conditioner.names
