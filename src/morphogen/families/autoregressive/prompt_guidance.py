r"""Classifier-free guidance by a prompt: towards the continuation of the prompt, away from that without it.

    logits = without + scale (with - without)

A prompt is part of x, so the unconditional context cannot be `context.null` as in `Guided`. Instead, the same
network is run on a second sequence, which replaces the prompt by its last token or by a negative prompt and
continues with the same generated tokens.

Reference: Stay on topic with classifier-free guidance, Sanchez, Fan, Spangher, Levi, Ammanamanchi & Biderman,
2023.
"""

__all__ = ["PromptGuided"]

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.families.autoregressive.cache import cache_for, prefill
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.families.autoregressive.stopping import prompt_tokens
from morphogen.numerics.randomness import Rng


class PromptGuided(Sampler):
    """A decoding method with guidance by the prompt (Sanchez et al. 2023).

    Rows whose prompts have the same length are decoded as one batch.

    Arguments:
        decoding: the decoding method.
        scale: guidance scale; 1 is the plain model, larger values follow the prompt more closely.
        negative_prompt: token ids of a negative prompt; (): the last token of each prompt.

    Raises:
        ConfigError: if a row has no prompt.
    """

    requires = "token_log_probs"

    def __init__(self, decoding: Decoding, scale: float, negative_prompt: tuple[int, ...] = ()):
        self.decoding, self.scale, self.negative_prompt = decoding, scale, negative_prompt

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Int[Tensor, "b ..."]:
        self.check(objective)
        length = torch.Size(shape).numel()
        prompt = prompt_tokens(objective, context, len(rng), length)
        prompt_length = (prompt >= 0).sum(1)
        if context is None or not bool((prompt_length > 0).all()):
            raise ConfigError("PromptGuided requires a prompt of one token or more in every row")
        x = torch.full((len(rng), *shape), -1, device=rng.rows.device)
        for count in prompt_length.unique().tolist():
            rows = (prompt_length == count).nonzero()[:, 0]
            network = _PromptGuidedNetwork(objective.network, shape, count, self.negative_prompt, self.scale)
            row_context = replace(context[rows], prefix=prompt[rows, :count])
            x[rows] = self.decoding(objective.with_network(network), shape, row_context, rng[rows])
        return x


class _PromptGuidedNetwork(nn.Module):
    """A network guided by prompts of `prompt_length` tokens, for cached decoding only."""

    def __init__(
        self,
        network: Any,
        shape: tuple[int, ...],
        prompt_length: int,
        negative_prompt: tuple[int, ...],
        scale: float,
    ):
        super().__init__()
        self.network, self.shape, self.scale = network, shape, scale
        self.prompt_length, self.negative_prompt = prompt_length, negative_prompt

    def make_cache(self, rows: int, context: Context | None) -> "_PromptGuidedCache":
        return _PromptGuidedCache(self, rows, context)


class _PromptGuidedCache:
    """The caches of both sequences; the one without the prompt starts at the end of the prompt."""

    def __init__(self, guided: _PromptGuidedNetwork, rows: int, context: Context | None):
        self.guided, self.length = guided, 0
        self.with_prompt, self.without_prompt = (
            cache_for(guided.network, rows, guided.shape, context) for _ in range(2)
        )

    def step(self, previous: Tensor | None) -> Tensor:
        logits = self.with_prompt.step(previous)
        if previous is None:
            return logits
        self.length += 1
        if self.length < self.guided.prompt_length:
            return logits
        if self.length == self.guided.prompt_length:
            without = prefill(self.without_prompt, self._negative_prompt(previous))
        else:
            without = self.without_prompt.step(previous)
        return without + self.guided.scale * (logits - without)

    def _negative_prompt(self, last: Tensor) -> Tensor:
        """The negative prompt of each row, [B, P]; by default the last token of its prompt."""
        if not self.guided.negative_prompt:
            return last[:, None]
        return torch.tensor(self.guided.negative_prompt, device=last.device).expand(len(last), -1)
