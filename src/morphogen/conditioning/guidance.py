"""Classifier-free guidance, once for every family: an affine push from what the model knows without the condition.

    output = null + scale (conditioned - null)          (Ho & Salimans 2022; scale 1 = off)

eps, x0, v, score and logits are all affine in it, so one class serves diffusion and autoregression alike. In the place of no condition may
stand another, a negative one (`Model.sample`): what to keep away from. A prompt is no such condition, for it is part of x: see
`contrast.py` of the autoregressive family.
"""

__all__ = ["Guided"]

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Causal, Context, Reads, Rewinds, Sampler, Selects, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class Guided(Sampler):
    """Sample with the network pushed towards its condition.

    Arguments:
        sampler: any sampler of a family whose objective has a `network`.
        scale: 1 is the plain conditional law, above 1 sharper than it.
        interval: (low, high) of the time that the network is told, within which to push; None: always. For pictures the middle of the way
            is enough, and keeps variety (Applying guidance in a limited interval, Kynkaanniemi et al. 2024).
    """

    def __init__(self, sampler: Sampler, scale: float, interval: tuple[float, float] | None = None):
        self.sampler, self.scale, self.interval = sampler, scale, interval

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Shaped[Tensor, "b ..."]:
        return self.sampler(self.guide(objective, context), shape, context, rng)

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective whose network is pushed: what `sampler` draws from, and what edits pictures.

        Errors: Unsupported without a network; ConfigError without what to push towards, or away from.
        """
        if not hasattr(objective, "network"):
            raise Unsupported(f"{type(objective).__name__} has no network to guide; sample without guidance")
        if context is None:
            raise ConfigError("guidance needs a condition to guide towards; give one, or sample without guidance")
        if context.null is None:
            raise ConfigError(
                "guidance needs a model that was also trained without its condition (ConditionDropout), and this one was not; "
                "sample without guidance, or give a negative condition to guide away from"
            )
        if self.interval is not None and isinstance(objective.network, Causal):
            raise ConfigError("guidance within an interval of time needs a model that goes through time; leave the interval out")
        return objective.with_network(_GuidedNetwork(objective.network, self.scale, self.interval))


class _GuidedNetwork(nn.Module):
    """Both outputs in one pass of twice the rows."""

    def __init__(self, network: Any, scale: float, interval: tuple[float, float] | None):
        super().__init__()
        self.network, self.scale, self.interval = network, scale, interval
        if hasattr(network, "cache"):
            self.cache = self._cache

    def forward(self, *arguments: Any) -> Tensor:
        *inputs, context = arguments
        outputs = self.network(*[torch.cat([x, x]) for x in inputs], _both(context))
        if self.interval is None:
            return _push(outputs, self.scale)
        told, (low, high) = inputs[1], self.interval
        return _push(outputs, torch.where((low <= told) & (told <= high), self.scale, 1.0))

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


def _push(outputs: Tensor, scale: float | Tensor) -> Tensor:
    """The null's outputs, then those with the condition; `scale` one number, or one for each row."""
    null, conditioned = outputs.chunk(2)
    scale = expand_like(scale, null) if isinstance(scale, Tensor) else scale
    return null + scale * (conditioned - null)
