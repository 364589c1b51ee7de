r"""Penalties against repetition, as logits processors.

    repetition   l_k / theta if l_k > 0, else l_k theta, for every k in the sequence
    presence     l_k - alpha [c_k > 0]
    frequency    l_k - beta c_k
    no n-gram    l_k = -inf if k would complete an n-gram that is already in the sequence

c_k is the number of times that k was generated. The first and the last penalty count the prompt, as in
transformers; presence and frequency count generated tokens only, as in chat APIs.

References: CTRL: a conditional transformer language model for controllable generation, Keskar, McCann,
Varshney, Xiong & Socher, 2019 (section 4.1); A deep reinforced model for abstractive summarization, Paulus,
Xiong & Socher, 2018 (section 2.5).
"""

__all__ = ["FrequencyPenalty", "NoRepeatNgram", "PresencePenalty", "RepetitionPenalty"]

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.families.autoregressive.processors import LogitsProcessor, within_range


class RepetitionPenalty(LogitsProcessor):
    """Multiplicative penalty on the logits of all tokens in the sequence, prompt included.

    Arguments:
        repetition_penalty: theta > 0; 1 has no effect, values below 1 reward repetition.
    """

    def __init__(self, repetition_penalty: float):
        self.repetition_penalty = repetition_penalty
        if not 0 < repetition_penalty < torch.inf:
            raise ConfigError(f"{repetition_penalty=}: must be above 0; 1 has no effect")

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        limits = torch.finfo(logits.dtype)
        factor = min(max(self.repetition_penalty, limits.tiny), limits.max)
        penalised = torch.where(logits < 0, logits * factor, logits / factor)
        return torch.where(_counts(token_ids, logits) > 0, within_range(penalised, logits), logits)


class PresencePenalty(LogitsProcessor):
    """Subtract alpha from the logit of every token that was generated at least once.

    Arguments:
        presence_penalty: alpha; 0 has no effect.
    """

    def __init__(self, presence_penalty: float):
        _check_finite("presence_penalty", presence_penalty)
        self.presence_penalty = presence_penalty

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        counts = _counts(_without_prompt(token_ids, prompt_length), logits)
        return _subtract(self.presence_penalty, counts.clamp_max(1), logits)


class FrequencyPenalty(LogitsProcessor):
    """Subtract beta from the logit of a token for every time that it was generated.

    Arguments:
        frequency_penalty: beta; 0 has no effect.
    """

    def __init__(self, frequency_penalty: float):
        _check_finite("frequency_penalty", frequency_penalty)
        self.frequency_penalty = frequency_penalty

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        counts = _counts(_without_prompt(token_ids, prompt_length), logits)
        return _subtract(self.frequency_penalty, counts, logits)


class NoRepeatNgram(LogitsProcessor):
    """Exclude tokens that would repeat an n-gram of the sequence, prompt included.

    Arguments:
        no_repeat_ngram_size: n >= 1.
    """

    def __init__(self, no_repeat_ngram_size: int):
        self.no_repeat_ngram_size = no_repeat_ngram_size
        if no_repeat_ngram_size < 1:
            raise ConfigError(f"{no_repeat_ngram_size=}: must be 1 or more")

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        n, length = self.no_repeat_ngram_size, token_ids.shape[1]
        if length < n:
            return logits
        ngrams, suffix = token_ids.unfold(1, n, 1), token_ids[:, length - n + 1 :]
        matches = (ngrams[..., :-1] == suffix[:, None]).all(-1)
        repeated = ngrams[..., -1].masked_fill(~matches, -1)
        return logits.masked_fill(_counts(repeated, logits) > 0, -torch.inf)


def _without_prompt(token_ids: Tensor, prompt_length: Tensor) -> Tensor:
    """The token ids, with those of the prompt replaced by -1."""
    position = torch.arange(token_ids.shape[1], device=token_ids.device)
    return token_ids.masked_fill(position < prompt_length[:, None], -1)


def _counts(tokens: Tensor, logits: Tensor) -> Tensor:
    """Number of occurrences of each of the V tokens per row, [B, V]; -1 is not counted."""
    counts = torch.zeros_like(logits)
    return counts.scatter_add(1, tokens.clamp_min(0), (tokens >= 0).to(logits.dtype))


def _subtract(penalty: float, counts: Tensor, logits: Tensor) -> Tensor:
    """logits - penalty counts, within the range of their type."""
    limits = torch.finfo(logits.dtype)
    factor = min(max(penalty, limits.min), limits.max)
    return within_range(logits - (factor * counts).clamp(limits.min, limits.max), logits)


def _check_finite(name: str, value: float) -> None:
    if not -torch.inf < value < torch.inf:
        raise ConfigError(f"{name}={value}: must be finite; 0 has no effect")
