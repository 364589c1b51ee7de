"""Decoding: ragged prompts, stopping, streaming, speculation, prompt guidance and batch independence."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Decoding,
    EndTokens,
    Greedy,
    MaxNewTokens,
    MinNewTokens,
    PromptGuided,
    PromptLookup,
    Recompute,
    StopStrings,
    logits_processors,
)
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

V, LENGTH, END = 7, 24, 6
PROCESSORS = logits_processors(
    temperature=0.9, top_p=0.95, repetition_penalty=1.1, frequency_penalty=0.2, no_repeat_ngram_size=4
)
DECODINGS: list[Decoding] = [
    Greedy(),
    Ancestral(),
    Ancestral(PROCESSORS),
    Greedy((MaxNewTokens(4),)),
    PromptLookup(Greedy()),
    PromptLookup(Ancestral()),
]


def random_model(end: int | None = END, vector: int = 0, start: int | None = V) -> Autoregressive:
    """A random language model, far from uniform."""
    torch.manual_seed(0)
    network = gpt2(V, LENGTH, 8, 2, 2, vector=vector, start=start)
    for p in network.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return Autoregressive(network, end).eval()


def prompts_of(n: int, longest: int = 9) -> list[list[int]]:
    """n prompts of 0 to `longest` tokens, without the end token."""
    lengths, tokens = Rng(3, n).integers(longest + 1).tolist(), Rng(4, n).integers(V - 1, longest).tolist()
    return [row[:length] for row, length in zip(tokens, lengths, strict=True)]


class Letters:
    """A text representation: ids 0 .. 6 are the letters a .. g."""

    pieces = tuple(bytes([letter]) for letter in b"abcdefg")

    def detokenize(self, ids: list[int]) -> str:
        return "".join("abcdefg"[i] for i in ids)


def check_rows_do_not_depend_on_the_batch(decoding: Decoding) -> None:
    objective, prompts = random_model(), prompts_of(32)
    together = decoding(objective, (LENGTH,), Context(prefix=pad_prompts(prompts)), Rng(0, 32))
    for i, prompt in enumerate(prompts):
        alone = decoding(
            objective, (LENGTH,), Context(prefix=pad_prompts([prompt])), Rng(0, torch.tensor([i]))
        )
        assert torch.equal(together[i : i + 1], alone), i
        assert together[i, : len(prompt)].tolist() == prompt


@pytest.mark.parametrize("decoding", DECODINGS, ids=repr)
def test_rows_of_32_prompts_do_not_depend_on_the_batch(decoding: Decoding) -> None:
    check_rows_do_not_depend_on_the_batch(decoding)


def test_a_row_ends_with_the_end_token_and_is_padded() -> None:
    objective = random_model()
    x = Ancestral()(objective, (LENGTH,), None, Rng(0, 200))
    ended = x == END
    assert ended.any(1).sum() > 20 and (x == -1).any() and not (x[~ended.any(1)] == -1).any()
    for row in x.tolist():
        if END in row:
            assert set(row[row.index(END) + 1 :]) <= {-1} and -1 not in row[: row.index(END)]
    endless = Ancestral()(random_model(None), (LENGTH,), None, Rng(0, 200))
    assert (endless >= 0).all()
    assert torch.equal(endless[x >= 0], x[x >= 0]), (
        "the end token truncates the row and changes nothing before it"
    )


def test_padding_after_the_end_has_no_likelihood() -> None:
    objective = random_model()
    x = torch.tensor([[0, 1, END, -1, -1], [0, 1, END, 2, 3]])
    with torch.no_grad():
        log_p = objective.token_log_probs(x, None)
        encoded = Encoded(x, torch.zeros(2), torch.full((2,), 5.0))
        likelihood = objective.log_prob(encoded, None, Rng(0, 2))
        losses = objective.losses(encoded, None, Rng(0, 2), "model")
    assert log_p[0, 3:].tolist() == [0, 0] and torch.allclose(log_p[0, :3], log_p[1, :3])
    assert likelihood.nats[0] == log_p[0, :3].sum()
    assert losses.weight is not None and losses.weight.tolist() == [3, 5]


def check_prompts_are_not_scored() -> None:
    objective, x = random_model(), Rng(0, 2).integers(V, LENGTH)
    prompt = pad_prompts([x[0, :5].tolist(), x[1, :2].tolist()])
    encoded = Encoded(x, torch.zeros(2), torch.full((2,), float(LENGTH)))
    with torch.no_grad():
        nats = objective.log_prob(encoded, Context(prefix=prompt), Rng(0, 2)).nats
        log_p = objective.token_log_probs(x, None)
        torch.testing.assert_close(nats, torch.stack([log_p[0, 5:].sum(), log_p[1, 2:].sum()]))
        weight = objective.losses(encoded, Context(prefix=prompt), Rng(0, 2), "model").weight
        assert weight is not None and weight.tolist() == [LENGTH - 5, LENGTH - 2]
        other = pad_prompts([x[0, :5].tolist(), [(int(x[1, 0]) + 1) % V]])
        nats = objective.log_prob(encoded, Context(prefix=other), Rng(0, 2)).nats
        assert nats.isinf().tolist() == [False, True]


def test_prompts_are_not_scored() -> None:
    check_prompts_are_not_scored()


def test_stream_yields_the_tokens_of_each_position() -> None:
    objective, context = random_model(), Context(prefix=pad_prompts([[1, 2, 3], [4]]))
    for decoding in DECODINGS:
        x = decoding(objective, (LENGTH,), context, Rng(0, 2))
        columns = list(decoding.stream(objective, (LENGTH,), context, Rng(0, 2)))
        assert torch.equal(torch.stack(columns, 1), x[:, 1 : 1 + len(columns)])
        assert (x[:, 1 + len(columns) :] == -1).all()
        assert len(next(iter(decoding.stream(objective, (LENGTH,), context, Rng(0, 2))))) == 2


def check_min_and_max_new_tokens() -> None:
    objective, context = random_model(), Context(prefix=pad_prompts([[1, 2, 3], [4], []]))
    x = Ancestral((MinNewTokens(4, (END,)), MaxNewTokens(9)))(objective, (LENGTH,), context, Rng(0, 3))
    new = (x >= 0).sum(1) - torch.tensor([3, 1, 0])
    assert (new >= 4).all() and (new <= 9).all()
    many = Ancestral((MinNewTokens(4, (END,)), MaxNewTokens(9)))(objective, (LENGTH,), None, Rng(0, 100))
    counts = (many >= 0).sum(1)
    assert counts.min() == 5 and counts.max() == 9, "the end token is allowed as the fifth token"


def test_min_and_max_new_tokens() -> None:
    check_min_and_max_new_tokens()
    with pytest.raises(ConfigError, match="min_new_tokens=5 exceeds max_new_tokens=4"):
        Ancestral((MinNewTokens(5, (END,)), MaxNewTokens(4)))
    for invalid in (lambda: MaxNewTokens(0), lambda: MinNewTokens(-1, (END,)), lambda: MinNewTokens(3, ())):
        with pytest.raises(ConfigError, match="_new_tokens="):
            invalid()


def check_stop_strings_end_rows(rows: int = 60) -> None:
    objective, context = random_model(None), Context(prefix=pad_prompts([[0, 1]] * rows))
    for strings in (("ab",), ("cde", "g"), ("ee",)):
        x = Ancestral((StopStrings(strings, Letters()),))(objective, (LENGTH,), context, Rng(0, rows))
        unstopped = Ancestral()(objective, (LENGTH,), context, Rng(0, rows))
        stopped = 0
        for row, full_row in zip(x.tolist(), unstopped.tolist(), strict=True):
            text = Letters().detokenize([i for i in row[2:] if i >= 0])
            full = Letters().detokenize(full_row[2:])
            ends = [full.index(string) for string in strings if string in full]
            assert text == (full[: min(ends)] if ends else full), "ab in the prompt must not count"
            stopped += bool(ends)
        assert stopped > 2


def test_stop_strings_in_the_generated_text_end_a_row() -> None:
    check_stop_strings_end_rows()
    for invalid in ((), ("",)):
        with pytest.raises(ConfigError, match="stop_strings"):
            StopStrings(invalid, Letters())
    with pytest.raises(ConfigError, match="text representation"):
        StopStrings(("a",), 3)


def test_additional_end_tokens_end_a_row() -> None:
    x = Ancestral((EndTokens((2, 3)),))(
        random_model(), (LENGTH,), Context(prefix=pad_prompts([[2, 3]] * 50)), Rng(0, 50)
    )
    for row in x.tolist():
        new = [i for i in row[2:] if i >= 0]
        assert not {2, 3, END} & set(new[:-1]) and (len(new) == LENGTH - 2 or new[-1] in {2, 3, END})


def check_speculation_is_exact() -> None:
    context = Context(prefix=pad_prompts(prompts_of(16)))
    for decoding in (
        Greedy(),
        Ancestral(),
        Ancestral(logits_processors(temperature=0.4)),
        Greedy((MaxNewTokens(7),)),
    ):
        for n, k in ((1, 4), (3, 10)):
            for end in (END, None):
                objective = random_model(end)
                plain = decoding(objective, (LENGTH,), context, Rng(0, 16))
                speculative = PromptLookup(decoding, n, k)(objective, (LENGTH,), context, Rng(0, 16))
                assert torch.equal(speculative, plain)


def test_speculation_is_exact() -> None:
    check_speculation_is_exact()
    with pytest.raises(ConfigError, match="PromptLookup"):
        PromptLookup(Greedy(), 0)


def test_speculation_needs_fewer_passes_for_repetitive_text(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, prefill = [0], Recompute.prefill

    def counted(self: Recompute, tokens: Tensor) -> Tensor:
        calls[0] += 1
        return prefill(self, tokens)

    monkeypatch.setattr(Recompute, "prefill", counted)
    objective = Autoregressive(Cycle(), None)
    context = Context(prefix=torch.tensor([[0, 1, 2, 3, 0, 1]]))
    x = PromptLookup(Greedy(), 2, 4)(objective, (LENGTH,), context, Rng(0, 1))
    assert x.tolist() == [[i % 4 for i in range(LENGTH)]] and calls[0] <= 1 + 18 // 4 + 1


def test_the_draft_follows_the_latest_match_of_the_longest_suffix() -> None:
    draft = PromptLookup(Greedy(), max_ngram_size=2, num_draft_tokens=3).draft
    assert draft(torch.tensor([[1, 2, 3, 1, 2, 4, 9, 1, 2]])).tolist() == [[4, 9, 1]]
    assert draft(torch.tensor([[1, 2, 3, 5, 2]])).tolist() == [[3, 5, 2]], (
        "no bigram match: falls back to a unigram"
    )
    assert draft(torch.tensor([[1, 2], [3, 3]])).tolist() == [[-1], [3]]
    assert draft(torch.tensor([[1, 2, 3]])).shape == (1, 0)


class Cycle(nn.Module):
    """A network that generates 0 1 2 3 0 1 2 3 .., without a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("next", torch.tensor([1, 2, 3, 0]))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        previous = torch.cat([torch.full_like(x[:, :1], 3), x[:, :-1]], 1)
        return 5 * nn.functional.one_hot(self.next[previous], 4).float()


def check_prompt_guidance_equals_reference() -> None:
    objective, prompt, scale = random_model(None), torch.tensor([[1, 2, 3]]), 2.5
    for negative_prompt in ((), (4, 5)):
        sampler = PromptGuided(Greedy(), scale, negative_prompt)
        x = sampler(objective, (LENGTH,), Context(prefix=prompt), Rng(0, 1))
        negative = torch.tensor([list(negative_prompt) or [3]])
        with torch.no_grad():
            for i in range(3, LENGTH - 3):
                with_prompt = objective.network(nn.functional.pad(x[:, :i], (0, 1)), None)[:, i]
                other = torch.cat([negative, x[:, 3:i]], 1)
                without = objective.network(nn.functional.pad(other, (0, 1)), None)[:, -1]
                assert (without + scale * (with_prompt - without)).argmax() == x[0, i]


def test_prompt_guidance() -> None:
    check_prompt_guidance_equals_reference()
    prompts, objective = [row for row in prompts_of(12) if row], random_model()
    context, rng = Context(prefix=pad_prompts(prompts)), Rng(0, len(prompts))
    plain = Ancestral()(objective, (LENGTH,), context, rng)
    assert torch.equal(PromptGuided(Ancestral(), 1.0)(objective, (LENGTH,), context, rng), plain)
    assert not torch.equal(PromptGuided(Ancestral(), 3.0)(objective, (LENGTH,), context, rng), plain)
    with pytest.raises(ConfigError, match="requires a prompt"):
        PromptGuided(Ancestral(), 2.0)(objective, (LENGTH,), None, rng)


def check_class_guidance_equals_reference(objective: Autoregressive, labels: Context) -> None:
    """Each greedy token has the largest logit null + 3 (conditional - null)."""
    x = Guided(Greedy(), 3.0)(objective, (LENGTH,), labels, Rng(0, len(labels.vector)))  # type: ignore[arg-type]
    with torch.no_grad():
        conditional, null = (objective.network(x.clamp_min(0), c) for c in (labels, labels.null))
    best = (null + 3 * (conditional - null)).argmax(2)
    new = x >= 0
    new[:, : labels.prefix.shape[1]] &= labels.prefix < 0  # type: ignore[union-attr]
    assert torch.equal(x[new], best[new]) and not torch.equal(x[new], conditional.argmax(2)[new])


def test_class_guidance_with_prompts() -> None:
    objective = random_model(vector=3)
    labels = Context(
        vector=torch.randn(6, 3), prefix=pad_prompts(prompts_of(6)), null=Context(vector=torch.zeros(6, 3))
    )
    for decoding in DECODINGS:
        guided = Guided(decoding, 3.0)(objective, (LENGTH,), labels, Rng(0, 6))
        alone = Guided(decoding, 3.0)(objective, (LENGTH,), labels[2:3], Rng(0, torch.tensor([2])))
        assert torch.equal(guided[2:3], alone)
    check_class_guidance_equals_reference(objective, labels)


INVALID_PROMPTS: dict[str, tuple[Tensor, str]] = {
    "long": (torch.zeros(2, LENGTH + 1, dtype=torch.int64), f"at most {LENGTH}"),
    "wrong number of rows": (torch.zeros(3, 2, dtype=torch.int64), "3 rows for 2 samples"),
    "unknown id": (torch.full((2, 2), V), f"0 to {V - 1}"),
    "a hole": (torch.tensor([[1, -1, 2], [1, 2, 3]]), "padding -1 on the right"),
    "padded on the left": (torch.tensor([[-1, 1], [1, 2]]), "padding -1 on the right"),
    "another negative id": (torch.tensor([[1, -2], [1, 2]]), "padding -1 on the right"),
}


@pytest.mark.parametrize("what", INVALID_PROMPTS)
def test_an_invalid_prompt_is_refused(what: str) -> None:
    prefix, message = INVALID_PROMPTS[what]
    for decoding in (Ancestral(), PromptGuided(Ancestral(), 2.0)):
        with pytest.raises(ConfigError, match=message):
            decoding(random_model(), (LENGTH,), Context(prefix=prefix), Rng(0, 2))


def test_a_prompt_of_full_length_is_returned() -> None:
    x = Rng(0, 2).integers(V, LENGTH)
    for decoding in DECODINGS:
        drawn = decoding(random_model(None), (LENGTH,), Context(prefix=x), Rng(0, 2))
        more = 4 * any(isinstance(processor, MaxNewTokens) for processor in decoding.processors)
        assert torch.equal(drawn[:, :LENGTH], x) and drawn.shape[1] == LENGTH + more


def test_an_empty_prompt_requires_a_start_token() -> None:
    objective, context = random_model(start=None), Context(prefix=pad_prompts([[1, 2], []]))
    with pytest.raises(ConfigError, match=r"row 1 is empty.*no start token"):
        Greedy()(objective, (LENGTH,), context, Rng(0, 2))
    assert Greedy()(objective, (LENGTH,), context[:1], Rng(0, 1))[0, :2].tolist() == [1, 2]
    assert len(Greedy()(random_model(), (LENGTH,), context, Rng(0, 2))) == 2
