"""Griffin-Lim reconstructs the given mel spectrogram, more closely with more iterations."""

import torch

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.evaluation.griffin_lim import _magnitude, griffin_lim


def mel_distance(sound: torch.Tensor, frames: torch.Tensor, mel: MelSpectrogram) -> float:
    return (mel(sound) - frames).abs().mean().item()


def test_more_iterations_come_closer_and_the_length_is_as_requested() -> None:
    mel = MelSpectrogram(8000, window=400, hop=80)
    t = torch.arange(4000) / 8000
    voice = sum(torch.sin(2 * torch.pi * 150 * k * t) / k for k in range(1, 12)) * (
        0.1 + 0.1 * torch.sin(2 * torch.pi * 4 * t)
    )
    frames = mel(voice[None, None])
    one, forty = (griffin_lim(frames, mel, 4000, iterations) for iterations in (1, 40))
    assert one.shape == forty.shape == (1, 1, 4000) and forty.dtype == torch.float32
    assert (
        mel_distance(forty, frames, mel) < 0.6 * mel_distance(one, frames, mel)
        and mel_distance(forty, frames, mel) < 0.25
    )
    assert torch.equal(one, griffin_lim(frames, mel, 4000, 1)) and not torch.equal(
        one, griffin_lim(frames, mel, 4000, 1, seed=1)
    )


def test_the_magnitude_has_the_given_mels() -> None:
    filters = MelSpectrogram(8000).filters.double()
    mels = (
        torch.rand(1, 3, 201, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) @ filters.t()
    )
    magnitude = _magnitude(mels, filters)
    assert (magnitude >= 0).all() and ((magnitude @ filters.t() - mels).abs() / mels).mean() < 0.01
