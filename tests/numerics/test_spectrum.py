"""Short-time Fourier transform, its inverse, and mel filter banks."""

import pytest
import torch

from morphogen.numerics.spectrum import istft, mel_filterbank, stft


def test_a_tone_peaks_at_its_frequency_and_a_click_at_its_time() -> None:
    t = torch.arange(8000, dtype=torch.float64) / 8000
    frames = stft(torch.sin(2 * torch.pi * 1000 * t)[None], window=400, hop=100)[0].abs()
    assert frames.shape == (81, 201) and (frames[5:-5].argmax(1) == 1000 * 400 // 8000).all()
    click = torch.zeros(1, 8000)
    click[0, 4000] = 1
    assert stft(click, 400, 100)[0].abs().sum(1).argmax() == 40


def test_the_inverse_transform_recovers_the_waveform() -> None:
    wave = torch.randn(2, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(istft(stft(wave, 80, 20), 80, 20, 1000), wave, atol=1e-12)


def test_filters_have_area_one_and_increasing_peaks() -> None:
    """On a fine grid, since few frequencies do not resolve the area of a narrow triangle."""
    filters, step = mel_filterbank(16_000, 16_000, 40, 50.0, 7600.0), 1.0
    assert filters.shape == (40, 8001) and torch.allclose(filters.sum(1) * step, torch.ones(40), atol=2e-3)
    peaks = filters.argmax(1)
    assert (peaks.diff() > 0).all() and (filters[:, :50] == 0).all() and (filters[:, 7601:] == 0).all()
    low, high = peaks[peaks < 900].diff(), peaks[peaks > 1100].diff()
    assert low.max() - low.min() <= 1, "equal steps below 1 kHz"
    assert (high[1:] / high[:-1]).std() < 0.02, "equal ratios above"


@pytest.mark.parametrize("wrong", [0.9, 1.1])
def test_a_wrong_mel_scale_is_detected(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    correct = mel_filterbank(8000, 400, 64, 0, 4000)
    monkeypatch.setattr("morphogen.numerics.spectrum.STEP", wrong * 0.0687)
    assert not torch.allclose(mel_filterbank(8000, 400, 64, 0, 4000), correct, atol=1e-4)
