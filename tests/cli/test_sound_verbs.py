"""The commands on a folder of recordings: train, sample WAV files and spectrograms, evaluate, advise."""

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run
from morphogen.media.sound import Waveform


@pytest.fixture(autouse=True)
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, pitch in (("high", 900), ("low", 200)):
        Path("voices", name).mkdir(parents=True)
        for i in range(20):
            tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(800) / 8000) + 0.01 * rng.standard_normal(800)
            Waveform(torch.from_numpy(tone), 8000).save(f"voices/{name}/{i}.wav")


def test_train_sample_and_evaluate_on_recordings(monkeypatch, capsys):
    words = ["train", "wavenet", "--data", "voices", "--size", "tiny", "--steps", "3", "--length", "400"]
    assert run(monkeypatch, *words) == 0
    assert "8000 Hz as recorded" in capsys.readouterr().out
    assert run(monkeypatch, "sample", "--n", "2", "--condition", "low") == 0
    folder = Path("runs/wavenet-voices-001/samples")
    with wave.open(str(folder / "0001.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 400)
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width > 2 * 7 and sheet.height > 129
    assert run(monkeypatch, "evaluate", "--n", "6") == 0
    assert "bits/dim" in capsys.readouterr().out
    assert run(monkeypatch, "train", "ddpm", "--data", "voices", "--steps", "1", "--length", "400") == 2
    assert "ddpm models pictures, but the data are sound; choose one of wavenet" in capsys.readouterr().err


def test_advice_on_recordings(monkeypatch):
    from morphogen.advise import advise

    advice = advise("voices", "folders", length=400, seconds=0.05)
    assert (
        advice.medium == "sound"
        and advice.recommended == "wavenet"
        and "400 samples, 8000 Hz" in advice.size.shape
    )
    assert "bits per sample" in advice.recipe
