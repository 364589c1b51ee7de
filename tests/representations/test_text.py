"""Symbols of a text: every text comes back as it was, every row counts the units it spells, what is no text is refused in a line."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.component import ConfigError
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes, Characters, Text, Tokens
from morphogen.representations.tokenizer import bpe, unigram

RHYME = "the cat sat on the mat; the rat that sat by the cat had that hat.\n" * 8
BPE, UNIGRAM = bpe([RHYME], 280), unigram([RHYME], 280)
WILD = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(params=["bytes", "bpe", "unigram"])
def text(request: pytest.FixtureRequest) -> Text:
    return {"bytes": lambda: Bytes(8), "bpe": lambda: Tokens(BPE, 8), "unigram": lambda: Tokens(UNIGRAM, 8)}[request.param]()


def dims(text: Text, rows: list[list[int]]) -> list[float]:
    return text.encode(torch.tensor(rows), Rng(0, len(rows))).dims.tolist()


@given(written=WILD)
@settings(max_examples=150, deadline=None)
def test_every_text_comes_back_and_counts_its_bytes(written: str):
    for text in (Bytes(8), Tokens(BPE, 8), Tokens(UNIGRAM, 8)):
        ids = text.ids(written)
        assert text.words(ids) == written
        assert text.content(ids) == written.encode()
        if ids:
            assert dims(text, [ids]) == [len(written.encode())]


@given(written=st.text(st.sampled_from("ab \u00e9\U0001f600\n"), max_size=40))
@settings(max_examples=50, deadline=None)
def test_characters_come_back_and_count_as_one_each(written: str):
    text = Characters.of("\U0001f600ab \u00e9\n", 8)
    ids = text.ids(written)
    assert text.words(ids) == written and len(ids) == len(written)
    if ids:
        assert dims(text, [ids]) == [len(written)]


def test_bytes_are_utf8():
    assert Bytes(4).ids("h\u00e9") == [104, 195, 169]


def test_pieces_are_fewer_than_bytes():
    assert len(BPE.ids(RHYME)) < 0.5 * len(RHYME) and len(UNIGRAM.ids(RHYME)) < 0.9 * len(RHYME)


@pytest.mark.parametrize("tokenizer", [BPE, UNIGRAM])
def test_what_is_behind_the_end_is_neither_shown_nor_counted(tokenizer):
    text = Tokens(tokenizer, 8)
    cat = text.ids("the cat")
    assert text.end is not None
    row = [*cat, text.end, -1, -1]
    assert text.words(row) == "the cat" and text.words([*cat, text.end, *cat]) == "the cat"
    encoded = text.encode(torch.tensor([row]), Rng(0, 1))
    assert encoded.dims.tolist() == [len("the cat") + 1] and encoded.mask is not None
    assert encoded.mask.tolist() == [[True] * (len(cat) + 1) + [False, False]]


@pytest.mark.parametrize("tokenizer", [BPE, UNIGRAM])
def test_nothing_that_is_written_ends_a_text(tokenizer):
    text = Tokens(tokenizer, 8)
    ids = text.ids("the <|endoftext|> cat")
    assert text.end not in ids and text.words(ids) == "the <|endoftext|> cat"


def test_the_likelihood_of_pieces_is_a_bound_and_that_of_bytes_is_not(text: Text):
    assert text.encode(torch.tensor([[65, 66]]), Rng(0, 1)).exact is isinstance(text, Bytes)


def test_octets_are_the_bytes_of_each_row(text: Text):
    rows = [text.ids("the cat"), text.ids("a")]
    padded = torch.tensor([row + [-1] * (9 - len(row)) for row in rows])
    octets = text.octets(padded)
    assert bytes(octets[0].tolist()) == b"the cat" and octets[1].tolist() == [97] + [-1] * 6


def test_a_window_may_begin_inside_a_character():
    assert Bytes(2).present(torch.tensor([[169, 104]])) == ["\ufffdh"]


@pytest.mark.parametrize("symbol", [-2, 10**6])
def test_an_id_that_is_no_symbol_is_named(text: Text, symbol: int):
    with pytest.raises(ConfigError, match=rf"id {symbol}: there is no such symbol; ids go from 0 to {text.vocabulary - 1}"):
        text.words([65, symbol])


def test_a_half_of_a_pair_is_refused_by_all(text: Text):
    for reader in (text, Characters("a\ufffd", 8)):
        with pytest.raises(ConfigError, match=r"character 1 of the text is U\+D83D, half of a pair"):
            reader.ids("a\ud83d")


def test_a_character_outside_the_alphabet_is_named_with_its_place():
    with pytest.raises(ConfigError, match=r"'z' \(U\+007A\), character 2 of the text, is not in the alphabet of 3"):
        Characters.of("abc", 8).ids("abz")


@pytest.mark.parametrize(("alphabet", "why"), [("", "is empty"), ("aba", "has 'a' twice"), ("a\ud83d", "half of a pair")])
def test_an_alphabet_that_is_none_is_refused(alphabet: str, why: str):
    with pytest.raises(ConfigError, match=why):
        Characters(alphabet, 8)


def test_a_block_needs_a_symbol():
    with pytest.raises(ConfigError, match="length 0"):
        Bytes(0)
