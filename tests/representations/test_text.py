"""Text representations: lossless tokenization, the number of units per row, and one-line errors."""

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
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(params=["bytes", "bpe", "unigram"])
def text(request: pytest.FixtureRequest) -> Text:
    if request.param == "bytes":
        return Bytes(8)
    return Tokens(BPE if request.param == "bpe" else UNIGRAM, 8)


def dims(text: Text, rows: list[list[int]]) -> list[float]:
    return text.encode(torch.tensor(rows), Rng(0, len(rows))).dims.tolist()


@given(string=ANY_TEXT)
@settings(max_examples=150, deadline=None)
def test_tokenization_is_lossless_and_dims_are_bytes(string: str):
    for text in (Bytes(8), Tokens(BPE, 8), Tokens(UNIGRAM, 8)):
        ids = text.ids(string)
        assert text.detokenize(ids) == string
        assert text.decode_bytes(ids) == string.encode()
        if ids:
            assert dims(text, [ids]) == [len(string.encode())]


@given(string=st.text(st.sampled_from("ab \u00e9\U0001f600\n"), max_size=40))
@settings(max_examples=50, deadline=None)
def test_characters_are_lossless_and_dims_are_characters(string: str):
    text = Characters.of("\U0001f600ab \u00e9\n", 8)
    ids = text.ids(string)
    assert text.detokenize(ids) == string and len(ids) == len(string)
    if ids:
        assert dims(text, [ids]) == [len(string)]


def test_bytes_are_utf8():
    assert Bytes(4).ids("h\u00e9") == [104, 195, 169]


def test_pieces_are_fewer_than_bytes():
    assert len(BPE.ids(RHYME)) < 0.5 * len(RHYME) and len(UNIGRAM.ids(RHYME)) < 0.9 * len(RHYME)


@pytest.mark.parametrize("tokenizer", [BPE, UNIGRAM])
def test_text_after_the_end_token_is_neither_decoded_nor_counted(tokenizer):
    text = Tokens(tokenizer, 8)
    cat = text.ids("the cat")
    assert text.end is not None
    row = [*cat, text.end, -1, -1]
    assert text.detokenize(row) == "the cat" and text.detokenize([*cat, text.end, *cat]) == "the cat"
    encoded = text.encode(torch.tensor([row]), Rng(0, 1))
    assert encoded.dims.tolist() == [len("the cat") + 1] and encoded.mask is not None
    assert encoded.mask.tolist() == [[True] * (len(cat) + 1) + [False, False]]


@pytest.mark.parametrize("tokenizer", [BPE, UNIGRAM])
def test_the_name_of_the_end_token_in_a_text_is_plain_text(tokenizer):
    text = Tokens(tokenizer, 8)
    ids = text.ids("the <|endoftext|> cat")
    assert text.end not in ids and text.detokenize(ids) == "the <|endoftext|> cat"


def test_the_likelihood_is_exact_for_bytes_and_a_bound_for_pieces(text: Text):
    assert text.encode(torch.tensor([[65, 66]]), Rng(0, 1)).exact is isinstance(text, Bytes)


def test_utf8_bytes_of_each_row(text: Text):
    rows = [text.ids("the cat"), text.ids("a")]
    padded = torch.tensor([row + [-1] * (9 - len(row)) for row in rows])
    first, second = text.utf8_bytes(padded).tolist()
    assert bytes(first) == b"the cat" and second == [97] + [-1] * 6


def test_a_window_may_start_inside_a_character():
    assert Bytes(2).present(torch.tensor([[169, 104]])) == ["\ufffdh"]


@pytest.mark.parametrize("token", [-2, 10**6])
def test_the_error_names_an_invalid_id(text: Text, token: int):
    message = rf"id {token}: no such token; ids range from 0 to {text.vocabulary - 1}"
    with pytest.raises(ConfigError, match=message):
        text.detokenize([65, token])


def test_unpaired_surrogates_are_rejected(text: Text):
    for representation in (text, Characters("a\ufffd", 8)):
        with pytest.raises(ConfigError, match=r"character 1 of the text is U\+D83D, an unpaired surrogate"):
            representation.ids("a\ud83d")


def test_the_error_names_a_character_outside_the_alphabet_and_its_position():
    message = r"'z' \(U\+007A\), character 2 of the text, is not one of the 3 characters of the alphabet"
    with pytest.raises(ConfigError, match=message):
        Characters.of("abc", 8).ids("abz")


@pytest.mark.parametrize(
    ("alphabet", "why"), [("", "is empty"), ("aba", "has 'a' twice"), ("a\ud83d", "unpaired surrogate")]
)
def test_an_invalid_alphabet_is_rejected(alphabet: str, why: str):
    with pytest.raises(ConfigError, match=why):
        Characters(alphabet, 8)


def test_a_window_needs_a_token():
    with pytest.raises(ConfigError, match="length 0"):
        Bytes(0)
