"""A prompt with a word that no training caption has is drawn with a note that says so."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import morphogen as mg
from morphogen.conditioning.known_words import KnownWords, UnknownWord


def captioned() -> mg.data.Dataset:
    """Sixty pictures of two colours."""
    values = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    return mg.load_data(values, captions=[f"a {('red', 'blue')[i % 2]} circle {i}" for i in range(60)])


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a RED circle!", []),
        ("a teal circle, teal", ["teal"]),
        ("a teal-coloured cricle", ["teal", "coloured", "cricle"]),
        ("", []),
        ("  ?! ", []),
        ("CAFE\u0301 red", []),
        ("猫と円", ["と"]),
    ],
)
def test_words_are_compared_without_case_and_in_any_script(text: str, unknown: list[str]) -> None:
    known = KnownWords.of(["A red circle", "café", "猫円"])
    assert known.unknown(text) == unknown


def test_the_note_names_the_words_and_a_similar_one() -> None:
    known = KnownWords.of(["a red circle"])
    assert known.note("red") is None
    assert known.note("a red cricle") == (
        "no training caption has the word cricle of the caption 'a red cricle': did you mean 'circle'? "
        "what is drawn is a guess"
    )
    assert str(known.note("one teal")).startswith("no training caption has the words one, teal of")


def test_samples_of_unknown_words_are_noted_and_so_after_loading(tmp_path: Path) -> None:
    data = captioned()
    model = mg.build_system("latent_diffusion", data, size="tiny")
    mg.save(model, tmp_path / "model")
    loaded = mg.load(tmp_path / "model")
    for each in (model, loaded):
        with pytest.warns(UnknownWord, match="^no training caption has the word teal of the caption 'a teal"):
            each.sample(1, "a teal circle")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            each.sample(1, "a red circle")
            each.sample(2, data.test.first(2).condition)
