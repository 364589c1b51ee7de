r"""Penalties: rules against saying the same again.

    repetition   l_k / theta if l_k > 0, else l_k theta, for every k that stands already       (Keskar et al. 2019, section 4.1)
    presence     l_k - alpha [c_k > 0]          frequency   l_k - beta c_k                     c_k: how often k was drawn
    no n-gram    l_k = -inf if k would complete n symbols that stand already                   (Paulus et al. 2018, section 2.5)

The first and the last count the prompt, as transformers does; presence and frequency count what was drawn, as the chat services do.

References: CTRL: a conditional transformer language model for controllable generation, Keskar, McCann, Varshney, Xiong & Socher, 2019;
A deep reinforced model for abstractive summarization, Paulus, Xiong & Socher, 2018.
"""

__all__ = ["FrequencyPenalty", "NoRepeatNgram", "PresencePenalty", "RepetitionPenalty"]

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.families.autoregressive.rules import Rule


class RepetitionPenalty(Rule):
    """What stands already becomes less likely, by a factor on its logit.

    Arguments:
        repetition_penalty: theta > 0; 1 is off, below 1 rewards repetition.
    """

    def __init__(self, repetition_penalty: float):
        self.repetition_penalty = repetition_penalty
        if not 0 < repetition_penalty < torch.inf:
            raise ConfigError(f"{repetition_penalty=}: give a number above 0; 1 is off")

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        penalised = torch.where(logits < 0, logits * self.repetition_penalty, logits / self.repetition_penalty)
        return torch.where(_counts(so_far, logits) > 0, penalised, logits)


class PresencePenalty(Rule):
    """What was drawn before loses alpha of its logit, once.

    Arguments:
        presence_penalty: alpha; 0 is off.
    """

    def __init__(self, presence_penalty: float):
        _finite("presence_penalty", presence_penalty)
        self.presence_penalty = presence_penalty

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        return logits - self.presence_penalty * (_counts(_drawn(so_far, given), logits) > 0)


class FrequencyPenalty(Rule):
    """What was drawn before loses beta of its logit for every time.

    Arguments:
        frequency_penalty: beta; 0 is off.
    """

    def __init__(self, frequency_penalty: float):
        _finite("frequency_penalty", frequency_penalty)
        self.frequency_penalty = frequency_penalty

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        return logits - self.frequency_penalty * _counts(_drawn(so_far, given), logits)


class NoRepeatNgram(Rule):
    """No n symbols in a row stand twice.

    Arguments:
        no_repeat_ngram_size: n >= 1.
    """

    def __init__(self, no_repeat_ngram_size: int):
        self.no_repeat_ngram_size = no_repeat_ngram_size
        if no_repeat_ngram_size < 1:
            raise ConfigError(f"{no_repeat_ngram_size=}: give a number of 1 or more")

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        n, length = self.no_repeat_ngram_size, so_far.shape[1]
        if length < n:
            return logits
        grams, last = so_far.unfold(1, n, 1), so_far[:, length - n + 1 :]
        begun = (grams[..., :-1] == last[:, None]).all(-1)
        return logits.masked_fill(_counts(grams[..., -1].masked_fill(~begun, -1), logits) > 0, -torch.inf)


def _drawn(so_far: Tensor, given: Tensor) -> Tensor:
    """The symbols without the prompt's."""
    return so_far.masked_fill(torch.arange(so_far.shape[1], device=so_far.device) < given[:, None], -1)


def _counts(symbols: Tensor, logits: Tensor) -> Tensor:
    """How often each of the V symbols stands in a row, [B, V]; -1 is none."""
    counts = torch.zeros_like(logits)
    return counts.scatter_add(1, symbols.clamp_min(0), (symbols >= 0).to(logits.dtype))


def _finite(name: str, value: float) -> None:
    if not -torch.inf < value < torch.inf:
        raise ConfigError(f"{name}={value}: give a number; 0 is off")
