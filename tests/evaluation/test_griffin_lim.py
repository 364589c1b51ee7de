"""What Griffin & Lim's algorithm makes of a sound's mels has those mels, ever more closely."""

import torch

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.evaluation.griffin_lim import _magnitude, griffin_lim


def distance(sound: torch.Tensor, frames: torch.Tensor, mel: MelSpectrogram) -> float:
    return (mel(sound) - frames).abs().mean().item()


def test_more_rounds_come_closer_and_the_sound_is_as_long_as_asked() -> None:
    mel = MelSpectrogram(8000, window=400, hop=80)
    t = torch.arange(4000) / 8000
    voice = sum(torch.sin(2 * torch.pi * 150 * k * t) / k for k in range(1, 12)) * (0.1 + 0.1 * torch.sin(2 * torch.pi * 4 * t))
    frames = mel(voice[None, None])
    once, often = (griffin_lim(frames, mel, 4000, rounds) for rounds in (1, 40))
    assert once.shape == often.shape == (1, 1, 4000) and often.dtype == torch.float32
    assert distance(often, frames, mel) < 0.6 * distance(once, frames, mel) and distance(often, frames, mel) < 0.25
    assert torch.equal(once, griffin_lim(frames, mel, 4000, 1)) and not torch.equal(once, griffin_lim(frames, mel, 4000, 1, seed=1))


def test_the_spectrum_found_has_the_mels_asked_for() -> None:
    filters = MelSpectrogram(8000).filters.double()
    mels = torch.rand(1, 3, 201, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) @ filters.t()
    found = _magnitude(mels, filters)
    assert (found >= 0).all() and ((found @ filters.t() - mels).abs() / mels).mean() < 0.01
