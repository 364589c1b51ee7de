"""Known words, known pairs and repetition on texts whose figures can be counted by hand."""

import pytest
import torch

from morphogen.data import load_data
from morphogen.data.dataset import Dataset, Windows
from morphogen.evaluation.corruptions import text_corruptions
from morphogen.evaluation.ngrams import KEYS, text_statistics
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes

TEXT = Bytes(16)
PART = Windows(
    TEXT.tokenize("a red-hot! red cat sat on the mat .\nthe dog saw a cat ."), torch.arange(38), 16
)
DATA = Dataset("toy", "text", PART, PART, PART, {}, TEXT, "")


def statistics(*texts):
    rows = [TEXT.tokenize(text) for text in texts]
    samples = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    return {key: entry and entry["value"] for key, entry in text_statistics(samples, DATA).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x red cat sat on x", (1, 1, 0)),
        ("x on red the sat x", (1, 0, 0)),
        ("x cat zzz sat yyy x", (0.5, 0, 0)),
        ("x cat sat cat sat cat sat x", (1, 3 / 5, 3 / 5)),  # sat cat is no pair of the text
        ("x red-cat sat! x", (1, 1 / 2, 0)),  # punctuation is a word: red -, - cat, cat sat, sat !
    ],
)
def test_figures_counted_by_hand(text, expected):
    """The first and the last word, x, are left out."""
    found = statistics(text)
    assert tuple(found[key] for key in KEYS) == pytest.approx(expected)


def test_the_figures_are_means_over_samples_with_intervals():
    rows = [TEXT.tokenize(text) for text in ("x red cat sat x", "x red zzz yyy x", "too few")]
    samples = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    known = text_statistics(samples, DATA)["known_words"]
    assert known["n"] == 2 and known["value"] == pytest.approx((1 + 1 / 3) / 2)
    assert known["low"] < known["value"] < known["high"]


def test_texts_without_words_have_no_figures():
    assert statistics("a b", "") == dict.fromkeys(KEYS)


def test_held_out_text_is_known_and_its_shuffled_words_are_not():
    """The row of real data: shakespeare's test part against its own words, shuffled."""
    data = load_data("shakespeare", length=256)
    medium = data.test.first(100).medium
    shuffled = text_corruptions(medium, data.representation, Rng(0, 100))["shuffled words"]
    real, gibberish = text_statistics(medium, data), text_statistics(shuffled, data)
    assert real["known_words"]["low"] > 0.9
    assert gibberish["known_pairs"]["high"] < real["known_pairs"]["low"]


def test_pictures_have_no_words():
    data = load_data("digits")
    assert data.representation.medium.statistics(data.test.first(5).medium, data) == dict.fromkeys(KEYS)
