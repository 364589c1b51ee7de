"""Logits processors equal transformers' own, and beam search equals its `generate`.

n = 500 rows without ties, seed 0: the same tokens are excluded, and the other logits agree to 1e-5.
"""

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.generation import logits_process as theirs

from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context
from morphogen.families.autoregressive import (
    Autoregressive,
    Beam,
    Greedy,
    LogitBias,
    LogitsProcessor,
    MinNewTokens,
    MinP,
    NoRepeatNgram,
    RepetitionPenalty,
    SuppressTokens,
    Temperature,
    TopK,
    TopP,
)
from morphogen.numerics.randomness import Rng

N, V, T, PROMPT = 500, 40, 12, 5
PAIRS: dict[str, tuple[LogitsProcessor, theirs.LogitsProcessor]] = {
    "temperature": (Temperature(0.7), theirs.TemperatureLogitsWarper(0.7)),
    "top_k": (TopK(7), theirs.TopKLogitsWarper(7)),
    "top_p": (TopP(0.8), theirs.TopPLogitsWarper(0.8)),
    "min_p": (MinP(0.1), theirs.MinPLogitsWarper(0.1)),
    "repetition_penalty": (RepetitionPenalty(1.3), theirs.RepetitionPenaltyLogitsProcessor(1.3)),
    "no_repeat_ngram_size": (NoRepeatNgram(2), theirs.NoRepeatNGramLogitsProcessor(2)),
    "sequence_bias": (
        LogitBias(((3, 2.0), (5, -4.0))),
        theirs.SequenceBiasLogitsProcessor([[[3], 2.0], [[5], -4.0]]),
    ),
    "suppress_tokens": (SuppressTokens((1, 2)), theirs.SuppressTokensLogitsProcessor([1, 2])),
    "min_new_tokens": (MinNewTokens(8, (6, 7)), theirs.MinNewTokensLengthLogitsProcessor(PROMPT, 8, [6, 7])),
    "min_new_tokens, reached": (
        MinNewTokens(7, (6, 7)),
        theirs.MinNewTokensLengthLogitsProcessor(PROMPT, 7, [6, 7]),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_processor_equals_transformers(name: str) -> None:
    our_processor, their_processor = PAIRS[name]
    rng = Rng(0, N)
    logits, token_ids = 2 * rng.normal(V), rng.integers(10, T)
    ours = our_processor(logits, token_ids, torch.full((N,), PROMPT))
    torch.testing.assert_close(ours, their_processor(token_ids, logits.clone()), rtol=1e-5, atol=1e-5)


class Theirs(torch.nn.Module):
    """transformers' GPT-2 as a causal network; the logits of the first token are zeros and never used."""

    def __init__(self, model: GPT2LMHeadModel):
        super().__init__()
        self.model, self.vocabulary, self.start = model, model.config.vocab_size, None

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        logits = self.model(x).logits
        return torch.cat([logits[:, :1] * 0, logits[:, :-1]], 1)


def gpt2(end: int) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=16,
        n_layer=1,
        n_head=2,
        vocab_size=V,
        n_positions=32,
        eos_token_id=end,
        bos_token_id=end,
        pad_token_id=end,
    )
    model = GPT2LMHeadModel(config).eval()
    for p in model.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return model


@pytest.mark.parametrize(("width", "penalty"), [(1, 1.0), (3, 1.0), (4, 0.0), (4, 2.0)])
def test_beam_search_equals_transformers(width: int, penalty: float) -> None:
    """12 prompts, at most 10 new tokens: the same texts, end tokens included."""
    end = 7
    model = gpt2(end)
    prompts = Rng(1, 12).integers(V, PROMPT)
    prompts[prompts == end] = 0
    settings = {"num_beams": width, "length_penalty": penalty} if width > 1 else {}
    expected = model.generate(
        prompts,
        max_new_tokens=10,
        do_sample=False,
        early_stopping="never" if width > 1 else False,
        **settings,
    )
    sampler = Beam(width, penalty) if width > 1 else Greedy()
    context = Context(prefix=pad_prompts(prompts.tolist()))
    x = sampler(Autoregressive(Theirs(model), end), (PROMPT + 10,), context, Rng(0, 12))
    for ours, other in zip(x.tolist(), expected.tolist(), strict=True):
        new = other[PROMPT:]
        until_end = new[: new.index(end) + 1] if end in new else new
        assert [i for i in ours[PROMPT:] if i >= 0] == until_end
