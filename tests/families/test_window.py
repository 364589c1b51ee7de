"""Decoding beyond the window equals full passes over the tokens that are kept, with any cache and batch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Beam,
    Decoding,
    Greedy,
    MaxNewTokens,
    PromptGuided,
    PromptLookup,
    logits_processors,
)
from morphogen.families.autoregressive.window import SlidingCache
from morphogen.networks.decoders import gpt2, llama
from morphogen.networks.transformer import Transformer, TransformerCache
from morphogen.numerics.randomness import Rng

V, WINDOW, NEW = 7, 8, 29
LIMIT = (MaxNewTokens(NEW),)
GREEDY: list[Decoding] = [Greedy(LIMIT), PromptLookup(Greedy(LIMIT), num_draft_tokens=5)]
RANDOM: list[Decoding] = [Ancestral(LIMIT), PromptLookup(Ancestral(LIMIT), num_draft_tokens=9)]
PROCESSED = Ancestral((*LIMIT, *logits_processors(temperature=0.9, top_p=0.95, frequency_penalty=0.1)))
PROMPTS = [[1, 2, 3], [4], [0, 5, 5, 1, 2, 3, 4, 0, 1, 2, 3, 6], [2] * WINDOW]


class WithoutCache(nn.Module):
    """A network whose cache is not used."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.network(x, context)


def gpt2_network(vector: int = 0, start: int | None = V) -> Any:
    return far_from_uniform(gpt2(V, WINDOW, 8, 2, 2, vector=vector, start=start))


def llama_network() -> Any:
    return far_from_uniform(llama(V, WINDOW, 8, 2, 2, 1, 16))


def far_from_uniform(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for p in network.parameters():
        p.data = 0.4 * torch.randn(p.shape, generator=generator)
    return network.eval()


def start_of(count: int) -> int:
    """The first of `count` tokens that the network sees: the window moves on by half of its length."""
    start = 0
    while count - start >= WINDOW:
        start += WINDOW // 2
    return start


def reference(network: Any, prompt: list[int], u: Tensor | None) -> list[int]:
    """The prompt and NEW tokens from full passes of the network over the tokens that it sees."""
    tokens = list(prompt)
    for position in range(len(prompt), len(prompt) + NEW):
        seen = torch.tensor([[*tokens[start_of(position) :], 0]])
        logits = network(seen, None)[:, -1]
        choose = Greedy() if u is None else Ancestral()
        tokens.append(int(choose.next_token(logits, None if u is None else u[position][None])))
    return tokens


@torch.no_grad()
def check_equals_full_passes(make: Callable[[], Any] = gpt2_network) -> None:
    network, context, rng = make(), Context(prefix=pad_prompts(PROMPTS)), Rng(0, len(PROMPTS))
    uniforms = rng.fork("symbols").uniform(60)
    for decodings, random in ((GREEDY, False), (RANDOM, True)):
        expected = [
            reference(network, prompt, u if random else None)
            for prompt, u in zip(PROMPTS, uniforms, strict=True)
        ]
        for decoding in decodings:
            for cached in (network, WithoutCache(network)):
                x = decoding(Autoregressive(cached), (WINDOW,), context, rng)
                assert [[token for token in row if token >= 0] for row in x.tolist()] == expected


def check_beams_equal_uncached_beams() -> None:
    network, context, rng = gpt2_network(), Context(prefix=pad_prompts([[1, 2, 3], [4]])), Rng(0, 2)
    for width in (1, 3):
        beam = Beam(width, processors=LIMIT)
        cached = beam(Autoregressive(network), (WINDOW,), context, rng)
        assert torch.equal(cached, beam(Autoregressive(WithoutCache(network)), (WINDOW,), context, rng))
        if width == 1:
            assert torch.equal(cached, Greedy(LIMIT)(Autoregressive(network), (WINDOW,), context, rng))


def test_decoding_equals_full_passes_over_the_window() -> None:
    check_equals_full_passes()


@pytest.mark.slow
def test_rotary_positions_and_no_start_token() -> None:
    check_equals_full_passes(llama_network)
    check_equals_full_passes(lambda: gpt2_network(start=None))


@pytest.mark.parametrize("decoding", [*GREEDY, *RANDOM, PROCESSED], ids=repr)
def test_rows_do_not_depend_on_the_batch(decoding: Decoding) -> None:
    objective = Autoregressive(gpt2_network())
    together = decoding(objective, (WINDOW,), Context(prefix=pad_prompts(PROMPTS)), Rng(0, len(PROMPTS)))
    for i, prompt in enumerate(PROMPTS):
        context, rng = Context(prefix=pad_prompts([prompt])), Rng(0, torch.tensor([i]))
        alone = decoding(objective, (WINDOW,), context, rng)
        assert torch.equal(together[i, : len(prompt) + NEW], alone[0, : len(prompt) + NEW])


def test_beams_continue_beyond_the_window() -> None:
    check_beams_equal_uncached_beams()


@pytest.mark.parametrize("cls", [Greedy, Ancestral])
def test_nothing_changes_before_the_window_ends(cls: Callable[..., Decoding]) -> None:
    objective, context = Autoregressive(gpt2_network()), Context(prefix=pad_prompts([[1, 2], [3]]))
    within = cls()(objective, (WINDOW,), context, Rng(0, 2))
    longer = cls(LIMIT)(objective, (WINDOW,), context, Rng(0, 2))
    assert torch.equal(longer[:, :WINDOW], within) and longer.shape == (2, 2 + NEW)


def test_class_guidance_continues_beyond_the_window() -> None:
    objective = Autoregressive(gpt2_network(vector=3))
    labels = Context(vector=torch.randn(2, 3), null=Context(vector=torch.zeros(2, 3)))
    x = Guided(Ancestral(LIMIT), 2.0)(objective, (WINDOW,), labels, Rng(0, 2))
    assert x.shape == (2, NEW) and bool((x >= 0).all())
    begun = replace(labels, prefix=x[:, :WINDOW])
    plain, one, four = (
        sampler(objective, (WINDOW,), begun, Rng(1, 2))
        for sampler in (Ancestral(LIMIT), Guided(Ancestral(LIMIT), 1.0), Guided(Ancestral(LIMIT), 4.0))
    )
    assert torch.equal(plain, one) and not torch.equal(plain, four)


def test_prompt_guidance_is_refused_beyond_the_window() -> None:
    context = Context(prefix=torch.tensor([[1, 2, 3]]))
    with pytest.raises(ConfigError, match=r"32 tokens exceed the window of 8.*by 24"):
        PromptGuided(Greedy(LIMIT), 2.0)(Autoregressive(gpt2_network()), (WINDOW,), context, Rng(0, 1))


def features_keep_their_positions(patch: pytest.MonkeyPatch) -> None:
    """When the window moves on, the kept tokens are placed as if the window had not moved."""
    embed = Transformer.embed

    def broken(self: Any, s: Tensor, offset: int, context: Any) -> Tensor:
        return embed(
            self, s, WINDOW - s.shape[1] if offset == 0 and 1 < s.shape[1] < WINDOW else offset, context
        )

    patch.setattr(Transformer, "embed", broken)


def the_window_moves_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SlidingCache, "_start", lambda self, count: max(0, count - self.window + 1))


def the_tokens_are_not_reordered(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, rows: Tensor) -> None:
        self.rows = len(rows)
        self.tokens = None if self.tokens is None else self.tokens[:1].expand(len(rows), -1)
        self.cache.reorder(rows)

    patch.setattr(SlidingCache, "reorder", broken)


def nothing_is_truncated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TransformerCache, "truncate", lambda self, length: None)


@pytest.mark.parametrize(
    ("mutate", "check"),
    [
        (features_keep_their_positions, check_equals_full_passes),
        (the_window_moves_by_one, check_equals_full_passes),
        (the_tokens_are_not_reordered, check_beams_equal_uncached_beams),
        (nothing_is_truncated, check_equals_full_passes),
    ],
)
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError, IndexError, ConfigError)):
        check()
