"""Conditions as a person gives them: one for all samples or one each, with a name where there are several."""

__all__ = ["name_conditions", "names_of"]

from collections.abc import Mapping, Sequence

import torch

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

    Errors: ConfigError for a condition that the model does not take, and without a name if it takes several.
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
    rows = tree_map(torch.as_tensor, condition)
    return tree_map(lambda leaf: leaf.expand(n) if leaf.ndim == 0 else leaf, rows)


def names_of(conditioner: Conditioner | None) -> tuple[str, ...]:
    """The names of the conditions that a model takes."""
    return () if conditioner is None else conditioner.names
