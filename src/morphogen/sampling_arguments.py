"""The arguments of `sample` that a person may mistake: the number of samples, the seed and the sampler."""

__all__ = ["checked"]

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen import samplers
from morphogen.component import ConfigError
from morphogen.typed import check_arguments


def checked(
    n: Any, seed: Any, batch: Any, indices: Any, sampler: Any
) -> tuple[int, int, int, Int[Tensor, " n"]]:
    """The number of samples, the seed and the batch size as integers, and the indices of the samples.

    Errors: ConfigError for other types, for a number below 1, and for a sampler that is a class or a name.
    """
    plain = check_arguments({"n": int, "seed": int, "batch": int}, {"n": n, "seed": seed, "batch": batch})
    for name in ("n", "batch"):
        if plain[name] < 1:
            raise ConfigError(f"{name}={plain[name]}: give a number of samples, 1 or more")
    for one in sampler.values() if isinstance(sampler, Mapping) else [sampler]:
        _check_sampler(one)
    rows = torch.arange(plain["n"]) if indices is None else torch.as_tensor(indices)
    return plain["n"], plain["seed"], plain["batch"], rows


def _check_sampler(sampler: Any) -> None:
    """Errors: ConfigError for a class or its name, with the expression of an object."""
    if sampler is None or (callable(sampler) and not isinstance(sampler, type)):
        return
    name = sampler.__name__ if isinstance(sampler, type) else str(sampler)
    known = next((known for known in samplers.__all__ if known.lower() == name.lower()), None)
    remedy = f"write mg.samplers.{known}()" if known else "give an object, such as mg.samplers.DDIM()"
    raise ConfigError(f"sampler {name!r:.40} is no sampler: {remedy}")
