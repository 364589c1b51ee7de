"""Stop strings cut the generated text at their first byte, wherever they begin and end in tokens."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Beam,
    Greedy,
    MaxNewTokens,
    PromptLookup,
    StopStrings,
)
from morphogen.families.autoregressive.stopping import spell
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

LENGTH = 12
LETTERS = tuple(bytes([letter]) for letter in b"abc\n")
PROMPT = [0, 1]


class Pieces:
    """A text representation of the letters, of longer pieces, and of an end token."""

    def __init__(self, longer: tuple[bytes, ...], end: bool):
        self.end = len(LETTERS) + len(longer) if end else None
        self.pieces = (*LETTERS, *longer, b"<end>") if end else (*LETTERS, *longer)

    def spelled(self, ids: list[int]) -> str:
        return b"".join(self.pieces[token] for token in ids if token not in (-1, self.end)).decode()


def objective_of(text: Pieces) -> Autoregressive:
    torch.manual_seed(0)
    network = gpt2(len(text.pieces), LENGTH, 8, 1, 2)
    for p in network.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return Autoregressive(network, text.end).eval()


LONGER = st.lists(st.text("abc\n", min_size=2, max_size=5).map(str.encode), max_size=4, unique=True)
STOPS = st.lists(st.text("abc\n", min_size=1, max_size=4), min_size=1, max_size=3)


def cut_at_the_first(text: Pieces, ids: list[int], stops: list[str]) -> str:
    """The text up to a string, after the first token that completes one; later tokens are not drawn."""
    for n in range(1, len(ids) + 1):
        spelled = text.spelled(ids[:n])
        if places := [spelled.index(string) for string in stops if string in spelled]:
            return spelled[: min(places)]
    return text.spelled(ids)


def check_texts_are_cut_at_the_stop() -> None:
    @settings(max_examples=60, derandomize=True, deadline=None, phases=[Phase.generate])
    @given(LONGER, STOPS, st.booleans())
    def check(longer: list[bytes], stops: list[str], end: bool) -> None:
        text = Pieces(tuple(longer), end)
        objective, context, rng = objective_of(text), Context(prefix=pad_prompts([PROMPT] * 8)), Rng(0, 8)
        stop = StopStrings(tuple(stops), text)
        for decoding in (Greedy, Ancestral, lambda processors: PromptLookup(Ancestral(processors))):
            full = decoding(())(objective, (LENGTH,), context, rng).tolist()
            x = decoding((stop,))(objective, (LENGTH,), context, rng)
            assert x.shape[1] == LENGTH + max(0, max(map(len, text.pieces)) - 2)
            for row, unstopped in zip(x.tolist(), full, strict=True):
                assert row[:2] == PROMPT
                assert text.spelled(row[2:]) == cut_at_the_first(text, unstopped[2:], stops)
                assert set(row[len([token for token in row if token >= 0]) :]) <= {-1}

    check()


def check_beams_are_cut() -> None:
    text = Pieces((b"ab\nc", b"bc"), False)
    context = Context(prefix=pad_prompts([PROMPT] * 2))
    x = Beam(3, processors=(StopStrings(("\n",), text), MaxNewTokens(8)))(
        objective_of(text), (LENGTH,), context, Rng(0, 2)
    )
    assert all("\n" not in text.spelled(row[2:]) for row in x.tolist())


def test_texts_are_cut_at_the_stop() -> None:
    check_texts_are_cut_at_the_stop()


def test_beams_are_cut() -> None:
    check_beams_are_cut()


def test_the_fewest_tokens_are_chosen() -> None:
    ids = {b"a": 0, b"b": 1, b"ab": 2, b"bab": 3}
    assert spell(b"abab", ids) == [0, 3] or spell(b"abab", ids) == [2, 2]
    assert spell(b"", ids) == [] and spell(b"x", ids) == []


def the_string_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StopStrings, "trim", lambda self, token_ids, prompt_length: token_ids)


def the_overhang_is_kept(patch: pytest.MonkeyPatch) -> None:
    """Whole tokens are kept, up to the one in which the string begins."""
    cut = StopStrings._cut

    def broken(self: StopStrings, ids: list[int]) -> list[int]:
        return ids[: len(cut(self, ids)) + 1]

    patch.setattr(StopStrings, "_cut", broken)


def the_rest_is_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("morphogen.families.autoregressive.stopping.spell", lambda content, ids: [])


@pytest.mark.parametrize("mutate", [the_string_is_kept, the_overhang_is_kept, the_rest_is_lost])
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        check_texts_are_cut_at_the_stop()
