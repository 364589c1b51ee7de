"""The arguments of `sample` that a person may mistake: the number of samples, the seed and the sampler."""

__all__ = ["checked", "rows_of"]

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
from morphogen.numerics.trees import Tree, length
from morphogen.other_words import EXAMPLES as CALLS
from morphogen.typed import check_arguments, check_part
from morphogen.wrong_calls import WrongCall

EXAMPLES = {
    "sampler": "mg.DDIM(steps=25)",
    "decoding": "mg.Ancestral()",
    "scale": "scale=3.0",
}  # of required arguments of samplers
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def checked(
    representation: Any, n: Any, seed: Any, batch: Any, indices: Any, sampler: Any
) -> tuple[int, int, int, Int[Tensor, " n"]]:
    """The number of samples, the seed and the batch size as integers, and the indices of the samples.

    Without a batch size it is the one that suits the representation.

    Errors: ConfigError for other types, for a number below 1, for more samples of this shape than memory
    holds, and for a sampler that is a class or a name.
    """
    batch = representation.at_once if batch is None else batch
    plain = check_arguments({"n": int, "seed": int, "batch": int}, {"n": n, "seed": seed, "batch": batch})
    for name in ("n", "batch"):
        if plain[name] < 1:
            raise ConfigError(f"{name}={plain[name]}: give a number of samples, 1 or more")
    for one in sampler.values() if isinstance(sampler, Mapping) else [sampler]:
        _check_sampler(one)
    if (size := plain["n"] * _bytes(representation.shape)) > MEMORY:
        raise ConfigError(
            f"n={plain['n']}: {size / 1e9:,.0f} GB of samples, where the machine has "
            f"{MEMORY / 1e9:,.0f} GB: draw fewer at a time, the others with indices=torch.arange(n, 2 * n)"
        )
    rows = torch.arange(plain["n"]) if indices is None else torch.as_tensor(indices)
    return plain["n"], plain["seed"], plain["batch"], rows


def rows_of(conditions: Mapping[str, Tree]) -> int:
    """The number of rows of named conditions, for which a number of samples was not given.

    Errors: WrongCall without conditions.
    """
    if not conditions:
        raise WrongCall(f"sample() requires n; write {CALLS['sample']}")
    return max(length(given) for given in conditions.values())


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
