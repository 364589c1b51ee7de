"""Parity of mel spectrograms and Whisper features with transformers."""

import numpy as np
import pytest
import torch

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.evaluation.word_error_rate import SpeechRecogniser, mel_filterbank
from morphogen.media.sound import Waveform

audio = pytest.importorskip("transformers.audio_utils")


@pytest.mark.parametrize(
    ("rate", "window", "hop", "bands", "low", "high"),
    [(8000, 400, 100, 64, 0, 0), (16000, 512, 128, 80, 125, 7600)],
)
def test_mel_spectrograms_equal_those_of_transformers(
    rate: int, window: int, hop: int, bands: int, low: float, high: float
) -> None:
    mel = MelSpectrogram(rate, window, hop, bands, low, high)
    filters = audio.mel_filter_bank(
        window // 2 + 1, bands, low, high or rate / 2, rate, norm="slaney", mel_scale="slaney"
    )
    assert np.allclose(filters.T, mel.filters.numpy(), atol=1e-7)
    wave = torch.randn(4 * hop * 10, generator=torch.Generator().manual_seed(0))
    window_function = audio.window_function(window, "hann", periodic=True)
    theirs = audio.spectrogram(
        wave.numpy(),
        window_function,
        window,
        hop,
        fft_length=window,
        power=1.0,
        center=True,
        pad_mode="constant",
        mel_filters=filters,
        mel_floor=mel.floor,
    )
    assert np.allclose(np.log(theirs).T, mel(wave[None, None])[0].numpy(), atol=1e-4)


def test_whisper_features_equal_those_of_its_extractor() -> None:
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor()
    t = torch.arange(16_000) / 16_000
    # a silent beginning, so that reflection padding adds nothing
    wave = torch.sin(2 * torch.pi * 440 * t) * torch.linspace(0, 0.5, 16_000)
    theirs = extractor(wave.numpy(), sampling_rate=16_000, return_tensors="np").input_features[0]
    recogniser = object.__new__(SpeechRecogniser)
    recogniser.filters = mel_filterbank(16_000, 400, 80, 0, 8000)
    ours = recogniser.features(Waveform(wave, 16_000)).numpy()
    assert ours.shape == theirs.shape == (80, 3000) and np.abs(ours - theirs)[:, 3:].max() < 1e-3
