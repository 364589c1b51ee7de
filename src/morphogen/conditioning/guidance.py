"""Classifier-free guidance for every family: extrapolation from the unconditional to the conditional output.

    output = null + scale (conditional - null)          (Ho & Salimans 2022; scale 1 = off)

eps, x_0, v, score and logits are all affine in the network's output, so one class serves diffusion and
autoregressive models. A negative condition (`Model.sample`) may take the place of the null condition. A
prompt cannot, because it is part of x: see `PromptGuided` of the autoregressive family.
"""

__all__ = ["Guided"]

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Causal, Context, Prefills, Reorders, Sampler, Truncates, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class Guided(Sampler):
    """Sample with classifier-free guidance (Ho & Salimans 2022).

    Arguments:
        sampler: any sampler of a family whose objective has a `network`.
        scale: 1 samples the conditional distribution; larger values sharpen it.
        interval: (low, high), the times at which to guide, in the units of the network's time input; None:
            always. Images need guidance only in the middle of the trajectory, which also preserves their
            diversity (Applying guidance in a limited interval, Kynkaanniemi et al. 2024).
    """

    def __init__(self, sampler: Sampler, scale: float, interval: tuple[float, float] | None = None):
        self.sampler, self.scale, self.interval = sampler, scale, interval

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b ..."]:
        return self.sampler(self.guide(objective, context), shape, context, rng)

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with a guided network, for `sampler` and for image editing.

        Errors: Unsupported without a network; ConfigError without a condition or without a null or negative
        condition.
        """
        if not hasattr(objective, "network"):
            raise Unsupported(f"{type(objective).__name__} has no network to guide; sample without guidance")
        if context is None:
            raise ConfigError("guidance requires a condition: pass one, or sample without guidance")
        if context.null is None:
            raise ConfigError(
                "guidance requires a model that was trained with condition dropout (ConditionDropout): "
                "sample without guidance, or give a negative condition"
            )
        if self.interval is not None and isinstance(objective.network, Causal):
            raise ConfigError(
                "a guidance interval requires a model with a time input; "
                f"{type(objective).__name__} has none: omit the interval"
            )
        return objective.with_network(_GuidedNetwork(objective.network, self.scale, self.interval))


class _GuidedNetwork(nn.Module):
    """Evaluate the null and the conditional output in one batch of twice the size."""

    def __init__(self, network: Any, scale: float, interval: tuple[float, float] | None):
        super().__init__()
        self.network, self.scale, self.interval = network, scale, interval
        if hasattr(network, "make_cache"):
            self.make_cache = self._cache

    def forward(self, *arguments: Any) -> Tensor:
        *inputs, context = arguments
        outputs = self.network(*[torch.cat([x, x]) for x in inputs], _both(context))
        if self.interval is None:
            return _combine(outputs, self.scale)
        time_input, (low, high) = inputs[1], self.interval
        scale = torch.where((low <= time_input) & (time_input <= high), self.scale, 1.0)
        return _combine(outputs, scale)

    def _cache(self, rows: int, context: Context) -> "_GuidedCache":
        cache = self.network.make_cache(2 * rows, _both(context))
        full = all(isinstance(cache, protocol) for protocol in (Prefills, Reorders, Truncates))
        return (_FullGuidedCache if full else _GuidedCache)(cache, rows, self.scale)


class _GuidedCache:
    """One decoding cache for a batch of twice the size: null rows, then conditional rows."""

    def __init__(self, cache: Any, rows: int, scale: float):
        self.cache, self.rows, self.scale = cache, rows, scale

    def step(self, previous: Tensor | None) -> Tensor:
        doubled = None if previous is None else torch.cat([previous, previous])
        return _combine(self.cache.step(doubled), self.scale)


class _FullGuidedCache(_GuidedCache):
    """A `_GuidedCache` that also supports `prefill`, `reorder` and `truncate`."""

    @property
    def length(self) -> int:
        return self.cache.length

    def prefill(self, tokens: Tensor) -> Tensor:
        return _combine(self.cache.prefill(torch.cat([tokens, tokens])), self.scale)

    def reorder(self, rows: Tensor) -> None:
        self.cache.reorder(torch.cat([rows, rows + self.rows]))
        self.rows = len(rows)

    def truncate(self, length: int) -> None:
        self.cache.truncate(length)


def _both(context: Context) -> Context:
    """The null context and the context, concatenated along the batch axis."""
    assert context.null is not None
    return Context.cat(context.null, context)


def _combine(outputs: Tensor, scale: float | Tensor) -> Tensor:
    """null + scale (conditional - null), of outputs [null, conditional]; `scale`: a float or one per row."""
    null, conditional = outputs.chunk(2)
    scale = expand_like(scale, null) if isinstance(scale, Tensor) else scale
    return null + scale * (conditional - null)
