"""Mel frames are of the sound around them, and as a condition they reach the samples they are about."""

import math

import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.mel import Mel, MelSpectrogram
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.systems.wavenet import wavenet
from morphogen.testing import LAWS, check_model


def test_a_frame_stands_at_every_hop_and_one_more_and_silence_reads_the_floor() -> None:
    mel = MelSpectrogram(8000)
    assert mel(torch.zeros(1, 1, 1000)).shape == (1, 11, 64) and mel(torch.zeros(1, 1, 1001)).shape == (1, 12, 64)
    assert torch.allclose(mel(torch.zeros(1, 1, 400)), torch.tensor(math.log(1e-4))) and mel.silence == math.log(1e-4)
    click = torch.zeros(1, 1, 2000)
    click[0, 0, 700] = 1
    frames = mel(click)[0].exp().sum(1)
    assert frames.argmax() == 7 and (frames[[4, 10]] < 0.02).all()


def test_tokens_cover_the_sound_and_hear_the_frames_beside_them() -> None:
    mel = MelSpectrogram(8000, window=40, hop=10, bands=4)
    condition = Mel(mel, width=6, rise=5)
    frames = mel(torch.randn(1, 1, 95))
    assert condition.hold == 2 and condition(frames).tokens.shape == (1, 50, 6)
    other = frames.clone()
    other[:, 6] += 1
    moved = ((condition(other).tokens - condition(frames).tokens).abs().amax(-1)[0] > 0).nonzero()[:, 0]
    assert moved[0] == 5 * 4 and moved[-1] == 5 * 8 - 1, "one frame either side, and half a frame more of the interpolation"
    assert describe(build(describe(condition))) == describe(condition)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: MelSpectrogram(8000, bands=300), "300 bands are too many for a window of 400"),
        (lambda: MelSpectrogram(8000, hop=0), "out of range"),
        (lambda: MelSpectrogram(8000, high=5000.0), "out of range"),
        (lambda: Mel(MelSpectrogram(8000), 8, rise=3), "rise 3: must divide the hop of 100"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(make, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("law", LAWS)
def test_a_vocoder_keeps_every_law(law: str) -> None:
    mel = MelSpectrogram(8000, window=16, hop=5, bands=2)
    torch.manual_seed(0)
    medium = 2 * Rng(7, 12).uniform(1, 24) - 1
    check_model(wavenet(MuLaw(24, 8000, 16), size="tiny", mel=mel), Batch(medium, mel(medium)), [law])
