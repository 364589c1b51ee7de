"""The loop: ragged prompts, ends, streaming, speculation, guidance by a prompt; whatever is done, a row is what it is alone."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.prefix import ragged
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Decoding,
    End,
    Greedy,
    MaxNew,
    MinNew,
    PromptGuided,
    PromptLookup,
    Recompute,
    Stop,
    rules_of,
)  # fmt: skip
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

V, LENGTH, END = 7, 24, 6
RULES = rules_of(temperature=0.9, top_p=0.95, repetition_penalty=1.1, frequency_penalty=0.2, no_repeat_ngram_size=4)
DECODINGS: list[Decoding] = [
    Greedy(),
    Ancestral(),
    Ancestral(RULES),
    Greedy((MaxNew(4),)),
    PromptLookup(Greedy()),
    PromptLookup(Ancestral()),
]


def law(end: int | None = END, vector: int = 0, start: int | None = V) -> Autoregressive:
    """A random, far from uniform law of strings."""
    torch.manual_seed(0)
    network = gpt2(V, LENGTH, 8, 2, 2, vector=vector, start=start)
    for p in network.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return Autoregressive(network, end).eval()


def prompts_of(n: int, longest: int = 9) -> list[list[int]]:
    """n prompts of 0 to `longest` symbols, without the end."""
    lengths, symbols = Rng(3, n).integers(longest + 1).tolist(), Rng(4, n).integers(V - 1, longest).tolist()
    return [row[:count] for row, count in zip(symbols, lengths, strict=True)]


class Letters:
    """ids 0 .. 6 as a .. g."""

    def words(self, ids: list[int]) -> str:
        return "".join("abcdefg"[i] for i in ids)


def ragged_rows_are_each_alone(decoding: Decoding) -> None:
    objective, told = law(), prompts_of(32)
    together = decoding(objective, (LENGTH,), Context(prefix=ragged(told)), Rng(0, 32))
    for i, prompt in enumerate(told):
        alone = decoding(objective, (LENGTH,), Context(prefix=ragged([prompt])), Rng(0, torch.tensor([i])))
        assert torch.equal(together[i : i + 1], alone), i
        assert together[i, : len(prompt)].tolist() == prompt


@pytest.mark.parametrize("decoding", DECODINGS, ids=repr)
def test_32_ragged_prompts_together_are_each_alone(decoding: Decoding) -> None:
    ragged_rows_are_each_alone(decoding)


def test_a_row_ends_with_the_end_and_nothing_stands_behind() -> None:
    objective = law()
    x = Ancestral()(objective, (LENGTH,), None, Rng(0, 200))
    ended = x == END
    assert ended.any(1).sum() > 20 and (x == -1).any() and not (x[~ended.any(1)] == -1).any()
    for row in x.tolist():
        if END in row:
            assert set(row[row.index(END) + 1 :]) <= {-1} and -1 not in row[: row.index(END)]
    free = Ancestral()(law(None), (LENGTH,), None, Rng(0, 200))
    assert (free >= 0).all() and torch.equal(free[x >= 0], x[x >= 0]), "the end cuts, and changes nothing before it"


def test_what_stands_behind_the_end_has_no_likelihood() -> None:
    objective = law()
    x = torch.tensor([[0, 1, END, -1, -1], [0, 1, END, 2, 3]])
    with torch.no_grad():
        log_p = objective.token_log_probs(x, None)
        of = objective.log_prob(Encoded(x, torch.zeros(2), torch.full((2,), 5.0)), None, Rng(0, 2))
        losses = objective.losses(Encoded(x, torch.zeros(2), torch.full((2,), 5.0)), None, Rng(0, 2), "model")
    assert log_p[0, 3:].tolist() == [0, 0] and torch.allclose(log_p[0, :3], log_p[1, :3])
    assert of.nats[0] == log_p[0, :3].sum() and losses.weight is not None and losses.weight.tolist() == [3, 5]


def a_ragged_prompt_is_given_not_scored() -> None:
    objective, x = law(), Rng(0, 2).integers(V, LENGTH)
    told = ragged([x[0, :5].tolist(), x[1, :2].tolist()])
    encoded = Encoded(x, torch.zeros(2), torch.full((2,), float(LENGTH)))
    with torch.no_grad():
        nats = objective.log_prob(encoded, Context(prefix=told), Rng(0, 2)).nats
        log_p = objective.token_log_probs(x, None)
        torch.testing.assert_close(nats, torch.stack([log_p[0, 5:].sum(), log_p[1, 2:].sum()]))
        weight = objective.losses(encoded, Context(prefix=told), Rng(0, 2), "model").weight
        assert weight is not None and weight.tolist() == [LENGTH - 5, LENGTH - 2]
        other = ragged([x[0, :5].tolist(), [(int(x[1, 0]) + 1) % V]])
        assert objective.log_prob(encoded, Context(prefix=other), Rng(0, 2)).nats.isinf().tolist() == [False, True]


def test_a_ragged_prompt_is_given_not_scored() -> None:
    a_ragged_prompt_is_given_not_scored()


def test_columns_are_streamed_as_they_are_written() -> None:
    objective, told = law(), Context(prefix=ragged([[1, 2, 3], [4]]))
    for decoding in DECODINGS:
        whole = decoding(objective, (LENGTH,), told, Rng(0, 2))
        columns = list(decoding.stream(objective, (LENGTH,), told, Rng(0, 2)))
        assert torch.equal(torch.stack(columns, 1), whole[:, 1 : 1 + len(columns)]) and (whole[:, 1 + len(columns) :] == -1).all()
        assert len(next(iter(decoding.stream(objective, (LENGTH,), told, Rng(0, 2))))) == 2


def least_and_most_new_symbols() -> None:
    objective, told = law(), Context(prefix=ragged([[1, 2, 3], [4], []]))
    x = Ancestral((MinNew(4, (END,)), MaxNew(9)))(objective, (LENGTH,), told, Rng(0, 3))
    new = (x >= 0).sum(1) - torch.tensor([3, 1, 0])
    assert (new >= 4).all() and (new <= 9).all()
    many = Ancestral((MinNew(4, (END,)), MaxNew(9)))(objective, (LENGTH,), None, Rng(0, 100))
    counts = (many >= 0).sum(1)
    assert counts.min() == 5 and counts.max() == 9, "the end may be the fifth"


def test_least_and_most_new_symbols() -> None:
    least_and_most_new_symbols()
    with pytest.raises(ConfigError, match="min_new_tokens=5 is above max_new_tokens=4"):
        Ancestral((MinNew(5, (END,)), MaxNew(4)))
    for bad in (lambda: MaxNew(0), lambda: MinNew(-1, (END,)), lambda: MinNew(3, ())):
        with pytest.raises(ConfigError, match="_new_tokens="):
            bad()


def stop_strings_stop(reach: int = 60) -> None:
    objective = law(None)
    for strings in (("ab",), ("cde", "g"), ("ee",)):
        x = Ancestral((Stop(strings, Letters()),))(objective, (LENGTH,), Context(prefix=ragged([[0, 1]] * reach)), Rng(0, reach))
        free = Ancestral()(objective, (LENGTH,), Context(prefix=ragged([[0, 1]] * reach)), Rng(0, reach))
        stopped = 0
        for row, whole in zip(x.tolist(), free.tolist(), strict=True):
            text, full = Letters().words([i for i in row[2:] if i >= 0]), Letters().words(whole[2:])
            ends = [full.index(string) + len(string) for string in strings if string in full]
            assert text == (full[: min(ends)] if ends else full), "the prompt's own ab does not count"
            stopped += bool(ends)
        assert stopped > 2


def test_stop_strings_stop_a_row_when_they_stand_in_what_is_new() -> None:
    stop_strings_stop()
    for bad in ((), ("",)):
        with pytest.raises(ConfigError, match="stop_strings"):
            Stop(bad, Letters())
    with pytest.raises(ConfigError, match="representation of a text"):
        Stop(("a",), 3)


def test_other_symbols_may_end_a_text_too() -> None:
    x = Ancestral((End((2, 3)),))(law(), (LENGTH,), Context(prefix=ragged([[2, 3]] * 50)), Rng(0, 50))
    for row in x.tolist():
        new = [i for i in row[2:] if i >= 0]
        assert not {2, 3, END} & set(new[:-1]) and (len(new) == LENGTH - 2 or new[-1] in {2, 3, END})


def speculation_is_exact() -> None:
    told = Context(prefix=ragged(prompts_of(16)))
    for decoding in (Greedy(), Ancestral(), Ancestral(rules_of(temperature=0.4)), Greedy((MaxNew(7),))):
        for n, k in ((1, 4), (3, 10)):
            for end in (END, None):
                plain = decoding(law(end), (LENGTH,), told, Rng(0, 16))
                assert torch.equal(PromptLookup(decoding, n, k)(law(end), (LENGTH,), told, Rng(0, 16)), plain)


def test_speculation_writes_what_is_written_without_it() -> None:
    speculation_is_exact()
    with pytest.raises(ConfigError, match="PromptLookup"):
        PromptLookup(Greedy(), 0)


def test_speculation_reads_repeated_text_in_fewer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, read = [0], Recompute.read

    def counted(self: Recompute, symbols: Tensor) -> Tensor:
        calls[0] += 1
        return read(self, symbols)

    monkeypatch.setattr(Recompute, "read", counted)
    objective = Autoregressive(Cycle(), None)
    told = Context(prefix=torch.tensor([[0, 1, 2, 3, 0, 1]]))
    x = PromptLookup(Greedy(), 2, 4)(objective, (LENGTH,), told, Rng(0, 1))
    assert x.tolist() == [[i % 4 for i in range(LENGTH)]] and calls[0] <= 1 + 18 // 4 + 1


def test_the_latest_place_of_the_longest_ending_is_looked_up() -> None:
    guess = PromptLookup(Greedy(), n=2, k=3).guess
    assert guess(torch.tensor([[1, 2, 3, 1, 2, 4, 9, 1, 2]])).tolist() == [[4, 9, 1]]
    assert guess(torch.tensor([[1, 2, 3, 5, 2]])).tolist() == [[3, 5, 2]], "one symbol, where two did not stand"
    assert guess(torch.tensor([[1, 2], [3, 3]])).tolist() == [[-1], [3]]
    assert guess(torch.tensor([[1, 2, 3]])).shape == (1, 0)


class Cycle(nn.Module):
    """0 1 2 3 0 1 2 3 .., without a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("next", torch.tensor([1, 2, 3, 0]))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        before = torch.cat([torch.full_like(x[:, :1], 3), x[:, :-1]], 1)
        return 5 * nn.functional.one_hot(self.next[before], 4).float()


def the_push_is_away_from_the_text_without_its_prompt() -> None:
    objective, told, scale = law(None), torch.tensor([[1, 2, 3]]), 2.5
    for instead in ((), (4, 5)):
        x = PromptGuided(Greedy(), scale, instead)(objective, (LENGTH,), Context(prefix=told), Rng(0, 1))
        other = torch.tensor([list(instead) or [3]])
        with torch.no_grad():
            for i in range(3, LENGTH - 3):
                with_it = objective.network(nn.functional.pad(x[:, :i], (0, 1)), None)[:, i]
                without = objective.network(nn.functional.pad(torch.cat([other, x[:, 3:i]], 1), (0, 1)), None)[:, -1]
                assert (without + scale * (with_it - without)).argmax() == x[0, i]


def test_guidance_by_a_prompt_pushes_away_from_the_text_without_it() -> None:
    the_push_is_away_from_the_text_without_its_prompt()
    told, objective = [row for row in prompts_of(12) if row], law()
    context, rng = Context(prefix=ragged(told)), Rng(0, len(told))
    plain = Ancestral()(objective, (LENGTH,), context, rng)
    assert torch.equal(PromptGuided(Ancestral(), 1.0)(objective, (LENGTH,), context, rng), plain)
    assert not torch.equal(PromptGuided(Ancestral(), 3.0)(objective, (LENGTH,), context, rng), plain)
    with pytest.raises(ConfigError, match="needs a prompt"):
        PromptGuided(Ancestral(), 2.0)(objective, (LENGTH,), None, rng)


def test_guidance_by_a_label_and_a_prompt() -> None:
    objective = law(vector=3)
    labels = Context(vector=torch.randn(6, 3), prefix=ragged(prompts_of(6)), null=Context(vector=torch.zeros(6, 3)))
    for decoding in DECODINGS:
        pushed = Guided(decoding, 3.0)(objective, (LENGTH,), labels, Rng(0, 6))
        again = Guided(decoding, 3.0)(objective, (LENGTH,), labels[2:3], Rng(0, torch.tensor([2])))
        assert torch.equal(pushed[2:3], again)
    assert not torch.equal(pushed, decoding(objective, (LENGTH,), labels, Rng(0, 6)))


BAD: dict[str, tuple[Tensor, str]] = {
    "long": (torch.zeros(2, LENGTH + 1, dtype=torch.int64), f"at most {LENGTH}"),
    "other rows": (torch.zeros(3, 2, dtype=torch.int64), "3 rows for 2 samples"),
    "unknown id": (torch.full((2, 2), V), f"0 to {V - 1}"),
    "a hole": (torch.tensor([[1, -1, 2], [1, 2, 3]]), "-1 stands behind"),
    "padded on the left": (torch.tensor([[-1, 1], [1, 2]]), "-1 stands behind"),
    "another negative id": (torch.tensor([[1, -2], [1, 2]]), "-1 stands behind"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_prompt_is_refused(what: str) -> None:
    prefix, said = BAD[what]
    for decoding in (Ancestral(), PromptGuided(Ancestral(), 2.0)):
        with pytest.raises(ConfigError, match=said):
            decoding(law(), (LENGTH,), Context(prefix=prefix), Rng(0, 2))


def test_a_prompt_that_is_the_whole_sequence_is_returned() -> None:
    x = Rng(0, 2).integers(V, LENGTH)
    for decoding in DECODINGS:
        assert torch.equal(decoding(law(None), (LENGTH,), Context(prefix=x), Rng(0, 2)), x)


def test_an_empty_prompt_needs_a_start_symbol() -> None:
    objective, told = law(start=None), Context(prefix=ragged([[1, 2], []]))
    with pytest.raises(ConfigError, match=r"row 1 is empty.*no start symbol"):
        Greedy()(objective, (LENGTH,), told, Rng(0, 2))
    assert Greedy()(objective, (LENGTH,), told[:1], Rng(0, 1))[0, :2].tolist() == [1, 2]
    assert len(Greedy()(law(), (LENGTH,), told, Rng(0, 2))) == 2
