"""Classifier-free guidance, once for every family: an affine push from what the model knows without the condition.

    output = null + scale (conditioned - null)          (Ho & Salimans 2022; scale 1 = off)

eps, x0, v, score and logits are all affine in it, so one class serves diffusion and autoregression alike. A prompt is no such condition,
for it is part of x: see `contrast.py` of the autoregressive family.
"""

__all__ = ["Guided"]

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Reads, Rewinds, Sampler, Selects, Unsupported
from morphogen.numerics.randomness import Rng


class Guided(Sampler):
    """Sample with the network pushed towards its condition.

    Arguments:
        sampler: any sampler of a family whose objective has a `network`.
        scale: 1 is the plain conditional law, above 1 sharper than it.
    """

    def __init__(self, sampler: Sampler, scale: float):
        self.sampler, self.scale = sampler, scale

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Shaped[Tensor, "b ..."]:
        if not hasattr(objective, "network"):
            raise Unsupported(f"{type(objective).__name__} has no network to guide; sample without guidance")
        if context is None or context.null is None:
            raise ConfigError("guidance needs a model trained with ConditionDropout and a condition to guide towards")
        return self.sampler(objective.with_network(_GuidedNetwork(objective.network, self.scale)), shape, context, rng)


class _GuidedNetwork(nn.Module):
    """Both outputs in one pass of twice the rows."""

    def __init__(self, network: Any, scale: float):
        super().__init__()
        self.network, self.scale = network, scale
        if hasattr(network, "cache"):
            self.cache = self._cache

    def forward(self, *arguments: Any) -> Tensor:
        *inputs, context = arguments
        return _push(self.network(*[torch.cat([x, x]) for x in inputs], _both(context)), self.scale)

    def _cache(self, rows: int, context: Context) -> "_GuidedMemory":
        memory = self.network.cache(2 * rows, _both(context))
        able = all(isinstance(memory, ability) for ability in (Reads, Selects, Rewinds))
        return (_AbleGuidedMemory if able else _GuidedMemory)(memory, rows, self.scale)


class _GuidedMemory:
    """One memory of twice the rows."""

    def __init__(self, memory: Any, rows: int, scale: float):
        self.memory, self.rows, self.scale = memory, rows, scale

    def step(self, previous: Tensor | None) -> Tensor:
        return _push(self.memory.step(None if previous is None else torch.cat([previous, previous])), self.scale)


class _AbleGuidedMemory(_GuidedMemory):
    """The same of a memory that reads, selects and rewinds."""

    @property
    def length(self) -> int:
        return self.memory.length

    def read(self, symbols: Tensor) -> Tensor:
        return _push(self.memory.read(torch.cat([symbols, symbols])), self.scale)

    def select(self, rows: Tensor) -> None:
        self.memory.select(torch.cat([rows, rows + self.rows]))
        self.rows = len(rows)

    def rewind(self, length: int) -> None:
        self.memory.rewind(length)


def _both(context: Context) -> Context:
    assert context.null is not None
    return Context.cat(context.null, context)


def _push(outputs: Tensor, scale: float) -> Tensor:
    null, conditioned = outputs.chunk(2)
    return null + scale * (conditioned - null)
