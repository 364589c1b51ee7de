"""The vocoder recipe end to end on a toy voice, with a fake speech recogniser."""

import json
import wave

import numpy as np
import pytest

from morphogen.data.sound import sounds_by_content
from morphogen.data.sound_windows import Recording
from morphogen.recipes import records, wavenet_voice


class ConstantRecogniser:
    """Returns the same transcript for every sound."""

    def __call__(self, sound):
        return "one two"


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    texts = ["one two three four", "one two", "[a beep of a kind]", "one three two four five"]
    return sounds_by_content(
        "toy",
        [
            Recording(rng.integers(-9000, 9000, 300 + 10 * i, dtype=np.int16), 8000, 0, texts[i % 4])
            for i in range(60)
        ],
        length=200,
    )


def test_three_voices_are_generated_transcribed_and_saved(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wavenet_voice, "load_data", lambda name: data)
    monkeypatch.setattr(wavenet_voice, "SpeechRecogniser", ConstantRecogniser)
    monkeypatch.setattr(wavenet_voice, "SIZE", "tiny")
    monkeypatch.setattr(wavenet_voice, "BATCH", 3)
    record = wavenet_voice.wavenet_voice("toy", 0.1)
    assert (
        list(record["figures"]) == ["wavenet", "griffin_lim", "recording"] and records.outdated(record) == []
    )
    prompts = [
        i for i, text in enumerate(data.test.captions) if text.startswith("one t") and text.count(" ") >= 3
    ]
    words = sum(len(data.test.captions[i].split()) for i in prompts)
    errors = sum(len(data.test.captions[i].split()) - 2 for i in prompts)
    assert (
        record["n"] == len(prompts)
        and abs(record["figures"]["recording"]["word_error"]["value"] - errors / words) < 1e-9
    )
    assert record["figures"]["wavenet"]["likelihood"]["kind"] == "exact" and json.dumps(record)
    run = tmp_path / "runs" / "wavenet-toy-001"
    for voice in record["figures"]:
        for i in prompts:
            with wave.open(str(run / voice / f"{i:03d}.wav")) as file:
                assert file.getnframes() == data.test.spans[i][1] - data.test.spans[i][0]
    assert (run / "spectrograms.png").stat().st_size > 100 and len(
        (run / "texts.txt").read_text().splitlines()
    ) == len(prompts)
    again = wavenet_voice.wavenet_voice("toy", 0.1, directory=run)
    assert again["figures"] == record["figures"]
