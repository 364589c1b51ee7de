"""Captions that hold their translations are told from those of several lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphogen.data.translations import untranslated

WORDS = st.text("abcdefgäß ,.'", min_size=1, max_size=30).map(str.strip).filter(bool)
NAMES = st.sampled_from(["de", "pt_BR", "ca@valencia", "zh_TW", "son", "vec", "sr@latin"])


@given(WORDS, st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=5))
def test_the_caption_and_its_languages_are_read_back(
    caption: str, translations: list[tuple[str, str]]
) -> None:
    lines = [f"{name}.utf8={text}" for name, text in translations]
    text, languages = untranslated("\n".join([caption, *lines, ""]))
    assert text == caption
    assert languages == tuple(name for name, _ in translations)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_lines_without_names_are_one_caption(lines: list[str]) -> None:
    assert untranslated("\n".join(lines)) == ("\n".join(lines), ())


@pytest.mark.parametrize(
    "caption",
    [
        "A calculator.  6x7=42",
        "a plot of two functions\nmax=3\nmin=1",
        "a form with two fields\nid=5\nno=3",
        "a form with one field\nit=Italian",
        "a house\nde.utf8=ein Haus\nbeside a tree",
        "de=Deutschland",
    ],
)
def test_ordinary_captions_stay_whole(caption: str) -> None:
    assert untranslated(caption) == (caption, ())


def test_plain_names_of_languages_are_enough_where_there_are_several() -> None:
    assert untranslated("a house\nde=ein Haus\nfr=une maison") == ("a house", ("de", "fr"))


def test_english_is_taken_where_each_line_names_its_language() -> None:
    assert untranslated("de=ein Haus\nen=a house\nfr=une maison") == ("a house", ("de", "fr"))
