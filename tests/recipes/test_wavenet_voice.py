"""The recipe from end to end on a toy voice, with a listener that hears what it is told."""

import json
import wave

import numpy as np
import pytest

from morphogen.data.sound import Recording, sounds_by_content
from morphogen.recipes import records, wavenet_voice


class Deaf:
    """Hears the same in everything."""

    def __call__(self, sound):
        return "one two"


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    texts = ["one two three four", "one two", "[a beep of a kind]", "one three two four five"]
    return sounds_by_content(
        "toy", [Recording(rng.integers(-9000, 9000, 300 + 10 * i, dtype=np.int16), 8000, 0, texts[i % 4]) for i in range(60)], length=200
    )


def test_three_voices_are_made_heard_and_kept(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wavenet_voice, "load", lambda name: data)
    monkeypatch.setattr(wavenet_voice, "Listener", Deaf)
    monkeypatch.setattr(wavenet_voice, "SIZE", "tiny")
    monkeypatch.setattr(wavenet_voice, "BATCH", 3)
    found = wavenet_voice.wavenet_voice("toy", 0.1)
    assert list(found["figures"]) == ["wavenet", "griffin_lim", "recording"] and records.moved(found) == []
    chosen = [i for i, text in enumerate(data.test.captions) if text.startswith("one t") and text.count(" ") >= 3]
    said = sum(len(data.test.captions[i].split()) for i in chosen)
    errors = sum(len(data.test.captions[i].split()) - 2 for i in chosen)
    assert found["n"] == len(chosen) and abs(found["figures"]["recording"]["word_error"]["value"] - errors / said) < 1e-9
    assert found["figures"]["wavenet"]["likelihood"]["kind"] == "exact" and json.dumps(found)
    run = tmp_path / "runs" / "wavenet-toy-001"
    for voice in found["figures"]:
        for i in chosen:
            with wave.open(str(run / voice / f"{i:03d}.wav")) as file:
                assert file.getnframes() == data.test.spans[i][1] - data.test.spans[i][0]
    assert (run / "spectrograms.png").stat().st_size > 100 and len((run / "texts.txt").read_text().splitlines()) == len(chosen)
    again = wavenet_voice.wavenet_voice("toy", 0.1, directory=run)
    assert again["figures"] == found["figures"]
