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
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Prefills, Reorders, Sampler, Truncates, Unsupported
from morphogen.families.autoregressive.cache import cache_for, prefill
from morphogen.families.autoregressive.stopping import prompt_tokens
from morphogen.numerics.randomness import Rng
from morphogen.steering import extrapolate


class PromptGuided(Sampler):
    """A decoding method with guidance by the prompt (Sanchez et al. 2023).

    Rows whose prompts have the same length are decoded as one batch.

    Arguments:
        decoding: the decoding method, with or without other guidance.
        scale: guidance scale; 1 is the plain model, larger values follow the prompt more closely.
        negative_prompt: token ids of a negative prompt; (): the last token of each prompt.

    Raises:
        ConfigError: if a row has no prompt, or if a negative prompt that is longer than the prompt leaves no
            room for the new tokens.
    """

    requires = "token_log_probs"

    def __init__(self, decoding: Sampler, scale: float, negative_prompt: tuple[int, ...] = ()):
        self.decoding, self.scale, self.negative_prompt = decoding, scale, negative_prompt

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Int[Tensor, "b ..."]:
        self.check(objective)
        prompt = prompt_tokens(objective, context, len(rng), torch.Size(shape).numel())
        prompt_length = (prompt >= 0).sum(1)
        if context is None or not bool((prompt_length > 0).all()):
            raise ConfigError("PromptGuided requires a prompt of one token or more in every row")
        x = torch.full((len(rng), *shape), -1, device=rng.rows.device)
        for count in prompt_length.unique().tolist():
            rows = (prompt_length == count).nonzero()[:, 0]
            guide = partial(_PromptGuidedPrediction, shape, count, self.negative_prompt, self.scale)
            row_context = replace(context[rows], prefix=prompt[rows, :count])
            x[rows] = self.decoding(objective.steered(guide), shape, row_context, rng[rows])
        return x


class _PromptGuidedPrediction(nn.Module):
    """A prediction guided by prompts of `prompt_length` tokens, for cached decoding only."""

    keeps_to_window = True

    def __init__(
        self,
        shape: tuple[int, ...],
        prompt_length: int,
        negative_prompt: tuple[int, ...],
        scale: float,
        predict: Any,
    ):
        super().__init__()
        self.predict, self.shape, self.scale = predict, shape, scale
        self.prompt_length, self.negative_prompt = prompt_length, negative_prompt

    def make_cache(self, rows: int, context: Context | None) -> "_PromptGuidedCache":
        caches = [cache_for(self.predict, rows, self.shape, context) for _ in range(2)]
        full = all(isinstance(caches[0], protocol) for protocol in (Prefills, Reorders, Truncates))
        return (_FullPromptGuidedCache if full else _PromptGuidedCache)(self, *caches)

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        raise Unsupported(
            "PromptGuided: this decoding method requires a cache that can be truncated or reordered, "
            "which the network does not have: use Ancestral() or Greedy()"
        )


class _PromptGuidedCache:
    """The caches of both sequences; the one without the prompt starts at the end of the prompt."""

    def __init__(self, guided: _PromptGuidedPrediction, with_prompt: Any, without_prompt: Any):
        self.guided, self.with_prompt, self.without_prompt = guided, with_prompt, without_prompt
        self.length = 0  # of the sequence with the prompt
        self.positions = torch.Size(guided.shape).numel()

    def step(self, previous: Tensor | None) -> Tensor:
        logits = self.with_prompt.step(previous)
        if previous is None:
            return logits
        self.length += 1
        if self.length < self.guided.prompt_length:
            return logits
        self._check_room()
        if self.length == self.guided.prompt_length:
            without = prefill(self.without_prompt, self._negative_prompt(previous))
        else:
            without = self.without_prompt.step(previous)
        return self._guide(without, logits)

    def _guide(self, without: Tensor, logits: Tensor) -> Tensor:
        return extrapolate(torch.cat([without, logits]), self.guided.scale)

    def _negative_prompt(self, last: Tensor) -> Tensor:
        """The negative prompt of each row, [B, P]; by default the last token of its prompt."""
        if not self.guided.negative_prompt:
            return last[:, None]
        return torch.tensor(self.guided.negative_prompt, device=last.device).expand(len(last), -1)

    def _length_without(self) -> int:
        """Length of the sequence without the prompt."""
        return max(1, len(self.guided.negative_prompt)) + self.length - self.guided.prompt_length

    def _check_room(self) -> None:
        """Errors: ConfigError if the sequence without the prompt exceeds the positions of the network."""
        if self._length_without() >= self.positions:
            count, prompt = len(self.guided.negative_prompt), self.guided.prompt_length
            raise ConfigError(
                f"PromptGuided: a negative_prompt of {count} tokens in place of a prompt of {prompt} leaves "
                f"room for {max(0, self.positions - count)} new tokens: shorten it, or add MaxNewTokens"
            )


class _FullPromptGuidedCache(_PromptGuidedCache):
    """A `_PromptGuidedCache` that also supports `prefill`, `reorder` and `truncate`."""

    def prefill(self, tokens: Tensor) -> Tensor:
        inside = max(0, self.guided.prompt_length - self.length)  # tokens up to the end of the prompt
        logits = self.with_prompt.prefill(tokens)
        self.length += tokens.shape[1]
        if tokens.shape[1] < inside:
            return logits
        self._check_room()
        parts, rest = [], tokens[:, inside:]
        if inside:
            parts.append(prefill(self.without_prompt, self._negative_prompt(tokens[:, inside - 1]))[:, None])
        if rest.shape[1]:
            parts.append(self.without_prompt.prefill(rest))
        unguided, guided = logits.tensor_split([max(0, inside - 1)], 1)
        return torch.cat([unguided, self._guide(torch.cat(parts, 1), guided)], 1)

    def reorder(self, rows: Tensor) -> None:
        self.with_prompt.reorder(rows)
        self.without_prompt.reorder(rows)

    def truncate(self, length: int) -> None:
        started, self.length = self.length >= self.guided.prompt_length, length
        self.with_prompt.truncate(length)
        if started:
            inside = length < self.guided.prompt_length
            self.without_prompt.truncate(0 if inside else self._length_without())
