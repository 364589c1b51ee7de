"""The arguments of `sample` and `log_prob` that a person may mistake: numbers of rows, seed, sampler, ..."""

__all__ = ["checked", "checked_rows", "rows_of"]

import inspect
import math
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen import samplers
from morphogen.component import Component, ConfigError
from morphogen.numerics.precision import Precision
from morphogen.numerics.trees import Tree, length
from morphogen.other_words import EXAMPLES as CALLS
from morphogen.representations.given import as_tensor
from morphogen.typed import check_arguments, check_part
from morphogen.wrong_calls import WrongCall

EXAMPLES = {
    "sampler": "mg.DDIM(steps=25)",
    "decoding": "mg.Ancestral()",
    "scale": "scale=3.0",
}  # of required arguments of samplers
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def checked(
    representation: Any, n: Any, seed: Any, batch: Any, indices: Any, sampler: Any, precision: Any
) -> tuple[int, int, int, Int[Tensor, " n"]]:
    """The number of samples, the seed and the batch size as integers, and the indices of the samples.

    Without a batch size it is the one that suits the representation.

    Errors: ConfigError for other types, for a number below 1, for more samples of this shape than memory
    holds, for a sampler that is a class or a name, for another precision and another number of indices.
    """
    check_arguments({"precision": Precision}, {"precision": precision})
    n = _count("n", n)
    for one in sampler.values() if isinstance(sampler, Mapping) else [sampler]:
        _check_sampler(one)
    if (size := n * _bytes(representation.shape)) > MEMORY:
        raise ConfigError(
            f"n={n}: {size / 1e9:,.0f} GB of samples, where the machine has "
            f"{MEMORY / 1e9:,.0f} GB: draw fewer at a time, the others with indices=torch.arange(n, 2 * n)"
        )
    return n, *checked_rows(representation, n, seed, batch, indices)


def checked_rows(
    representation: Any, n: int, seed: Any, batch: Any, indices: Any
) -> tuple[int, int, Int[Tensor, " n"]]:
    """The seed, the batch size and the indices of n rows; see `checked`. Errors: ConfigError."""
    plain = check_arguments({"seed": int}, {"seed": seed})
    size = _count("batch", representation.at_once if batch is None else batch)
    rows = torch.arange(n) if indices is None else _numbers(indices)
    if len(rows) != n:
        raise ConfigError(f"{len(rows)} indices for {n} rows: give one for each, or leave indices out")
    return plain["seed"], size, rows


def rows_of(conditions: Mapping[str, Tree], indices: Any = None) -> int:
    """The number of rows of indices or of named conditions, where a number of samples was not given.

    Errors: WrongCall without either; ConfigError for indices that are none.
    """
    if indices is not None:
        return len(_numbers(indices))
    if not conditions:
        raise WrongCall(f"sample() requires n; write {CALLS['sample']}")
    return max(length(given) for given in conditions.values())


def _count(name: str, given: Any) -> int:
    """A number of rows. Errors: ConfigError for anything but an integer from 1 on."""
    if name == "n" and isinstance(given, str) and not given.isdigit():
        condition = f"{given[:40]!r}"
        raise ConfigError(f"n={condition}: give an integer, and then the condition: sample(4, {condition})")
    count: int = check_arguments({name: int}, {name: given})[name]
    if count < 1:
        raise ConfigError(f"{name}={count}: give a number of samples, 1 or more")
    return count


def _numbers(indices: Any) -> Int[Tensor, " n"]:
    """The indices of rows: a tensor, an array, a range or a list of integers. Errors: ConfigError."""
    values = as_tensor(indices, "indices")
    if values.ndim != 1 or values.is_floating_point() or values.dtype == torch.bool:
        raise ConfigError(f"indices={indices!r:.40}: give one integer for each row, as torch.arange(4, 8)")
    return values.cpu().long()


def _bytes(shape: Any) -> int:
    """What a sample takes at least: its values, its index and its condition."""
    shapes = shape.values() if isinstance(shape, Mapping) else [shape]
    return sum(4 * math.prod(one) for one in shapes) + 16


def _expression(name: str) -> str:
    """The call that makes a sampler, with values for the arguments that it requires."""
    parameters = inspect.signature(getattr(samplers, name)).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    return f"mg.samplers.{name}({', '.join(EXAMPLES.get(one, one) for one in required)})"


def _check_sampler(sampler: Any) -> None:
    """Errors: ConfigError for a class or its name, with the expression of an object; for wrong arguments."""
    if sampler is None or (callable(sampler) and not isinstance(sampler, type)):
        if isinstance(sampler, Component):
            check_part(sampler)
        return
    name = sampler.__name__ if isinstance(sampler, type) else str(sampler)
    known = next((known for known in samplers.__all__ if known.lower() == name.lower()), None)
    remedy = f"write {_expression(known)}" if known else "give an object, such as mg.samplers.DDIM()"
    raise ConfigError(f"sampler {name!r:.40} is no sampler: {remedy}")
